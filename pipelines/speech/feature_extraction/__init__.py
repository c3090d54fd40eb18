"""From samples to features: computed, normalised, kept on disk, augmented and batched."""
