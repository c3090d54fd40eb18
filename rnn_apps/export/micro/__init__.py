"""Files for microcontrollers: the model as C++, its arena, an example."""
