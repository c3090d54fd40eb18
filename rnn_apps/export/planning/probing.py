"""Traces a model once to see how it uses its recurrent layers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.export.forms.replacement import LayerUse, in_float32, with_forms
from rnn_apps.export.processes.failure_texts import failure_text
from rnn_apps.export.results import ExportError
from rnn_apps.export.signature.model_signature import ModelSignature


def probe(model: keras.Model, signature: ModelSignature, data: Any = None) -> list[LayerUse]:
    """Traces the model once and notes how it uses its recurrent layers.

    Args:
        model: model that is exported.
        signature: inputs to trace it with.
        data: representative data that the signature was taken from, for messages.

    Raises:
        ExportError: the model cannot be traced with these shapes.
    """
    uses: list[LayerUse] = []
    with in_float32(model), with_forms(model, {}, default="loop", uses=uses):
        try:
            function = tf.function(lambda tensors: signature.call(model, tensors), autograph=False)
            function.get_concrete_function({i.name: i.spec() for i in signature.inputs})
        except Exception as error:
            raise ExportError(
                f"the model cannot be traced with inputs {_shapes(signature)}: "
                f"{failure_text(error)}{_of_a_list(signature, data)}"
            ) from error
    return uses


def _of_a_list(signature: ModelSignature, data: Any) -> str:
    """What may have gone wrong where a list alone says how many inputs a model takes."""
    if signature.symbolic or not isinstance(data, list):
        return ""
    if len(signature.inputs) > 1:
        return (
            ". A list of arrays of different shapes is read as the inputs of one batch: if they "
            "are batches of one input, pad them to one length"
        )
    return (
        ". A list of arrays of one shape is read as a list of batches: if the model takes several "
        "inputs, give representative_data as a tuple of them"
    )


def _shapes(signature: ModelSignature) -> str:
    return ", ".join(f"{input.name} {input.shape}" for input in signature.inputs)
