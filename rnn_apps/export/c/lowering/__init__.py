"""From TensorFlow's operators to the statements of a program."""
