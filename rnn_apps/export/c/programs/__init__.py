"""Programs between a traced graph and C: what they are, made fast, small and of whole numbers."""
