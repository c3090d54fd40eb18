"""Padded sequences, which show whether a file masks as its model does."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from rnn_apps.layers.layers_within import layers_within


def padding_value(model: keras.Model) -> float | None:
    """What the model masks: a Masking layer's value, 0 for an Embedding with `mask_zero`."""
    for layer in layers_within(model):
        if isinstance(layer, keras.layers.Masking):
            return float(layer.mask_value)
        if getattr(layer, "mask_zero", False):
            return 0.0
    return None


def padded(example: Mapping[str, np.ndarray], value: float) -> dict[str, np.ndarray]:
    """The same sequences with the last third of their timesteps padded."""
    changed = {}
    for name, array in example.items():
        changed[name] = array.copy()
        if array.ndim >= 2 and array.shape[1] > 2:
            changed[name][:, array.shape[1] - array.shape[1] // 3 :] = value
    return changed


def is_among(value: float, example: Mapping[str, np.ndarray]) -> bool:
    """Whether a padding value lies within the range of each input of real numbers."""
    numbers = [array for array in example.values() if array.dtype.kind == "f"]
    return all(min(0.0, array.min()) <= value <= max(0.0, array.max()) for array in numbers)
