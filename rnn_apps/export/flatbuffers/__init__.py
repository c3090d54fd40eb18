""".tflite files: what they say about themselves, and changes that the converter cannot make."""
