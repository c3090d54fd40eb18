"""From samples to labels in C: the features of speech, and listening with a recogniser."""
