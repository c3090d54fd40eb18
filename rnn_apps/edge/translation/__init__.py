"""Translation on the device: sentences in, translations out."""
