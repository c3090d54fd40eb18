"""Tables as they come: files and frames, their columns, and what each column is."""
