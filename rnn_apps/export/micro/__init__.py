"""Files for microcontrollers: the model as a C array, its arena, an example program."""
