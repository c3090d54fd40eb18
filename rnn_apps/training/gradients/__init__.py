"""How far gradients reach back in time, measured while a model trains."""
