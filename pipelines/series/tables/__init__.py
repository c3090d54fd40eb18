"""Tables of any origin: files and frames, their columns, and the role of each column."""
