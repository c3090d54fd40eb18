"""The acoustic models: their layers and their loss."""
