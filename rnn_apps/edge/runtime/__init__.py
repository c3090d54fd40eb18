"""One exported model on LiteRT or TFLite Micro, called by name, and its streams."""
