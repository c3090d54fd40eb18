"""Tables of any origin: files and frames, and the content of their columns."""
