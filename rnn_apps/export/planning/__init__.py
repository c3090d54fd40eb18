"""What is to be converted: a model's functions, traced, with the candidates of their forms."""
