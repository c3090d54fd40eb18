"""Optimisers, learning rates, precision and devices of a training."""
