"""Refuses a model whose outputs differ from run to run: no file can be compared with it."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from rnn_apps.export.forms.replacement import in_float32
from rnn_apps.export.proof.layer_records import LayerRecord, described, first_difference, recorded
from rnn_apps.export.results import ExportError
from rnn_apps.export.signature.example_data import Example
from rnn_apps.export.signature.model_signature import ModelSignature

# Relative to the largest value; a compiled run adds in another order than a run layer by layer.
TOLERANCE = 1e-4


def refuse_what_does_not_repeat(
    model: keras.Model,
    signature: ModelSignature,
    example: Example,
    first: Mapping[str, np.ndarray],
    again: Mapping[str, np.ndarray],
) -> None:
    """Refuses a model whose outputs for the same input differ between two runs.

    Raises:
        ExportError: names the first layer that is random or keeps something from call to call.
    """
    if all(is_same(value, again[name]) for name, value in first.items()):
        return
    records = [LayerRecord(), LayerRecord()]
    for record in records:
        with in_float32(model), recorded(model, record):
            signature.call(model, example)
    difference = first_difference(records[0], records[1:])
    where = "it" if difference is None else described(difference[0])
    raise ExportError(
        f"the Keras model {model.name!r} gives different outputs each time that it is given the "
        f"same input: {where} is random at inference too (called with training=True?), or keeps "
        "something from call to call. There is nothing to compare a file with."
    )


def is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two outputs differ in rounding at most."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not np.issubdtype(one.dtype, np.floating):
        return bool((one == other).all())
    limit = TOLERANCE * max(0.1, float(np.abs(one).max(initial=0.0)))
    return bool((np.abs(one - other) <= limit).all())
