"""Features of recordings: computed, normalised, kept on disk, augmented and batched."""
