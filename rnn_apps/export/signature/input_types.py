"""The types that a file's inputs have, where Keras' own would not do on a device.

Keras gives an `Input` without a dtype float32, also where an Embedding reads whole numbers from it,
and computes a float64 `Input` in float64. In a file the former is int32 and the latter float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from rnn_apps.layers.layers_within import layers_within
from rnn_apps.layers.token_embedding import TokenEmbedding

Retyped = tuple[Any, str]

_EMBEDDINGS = (keras.layers.Embedding, TokenEmbedding)
_COMPARISONS = ("Equal", "NotEqual")
_AS_FLOAT32 = ("float64", "float16", "bfloat16")


def retyped_inputs(model: keras.Model) -> list[Retyped]:
    """Symbolic inputs of `model`, and of models in it, with the dtype that they are to have."""
    found = []
    for layer in layers_within(model):
        if not isinstance(layer, keras.Function):
            continue
        for tensor in layer.inputs:
            if keras.backend.is_float_dtype(tensor.dtype) and _is_index(layer, tensor):
                found.append((tensor, "int32"))
            elif tensor.dtype in _AS_FLOAT32:
                found.append((tensor, "float32"))
    return found


@contextlib.contextmanager
def with_input_types(retyped: Sequence[Retyped]) -> Iterator[None]:
    """Lets models take inputs in other types; Keras would cast them to its own types and back."""
    kept = [(tensor, tensor._dtype) for tensor, _ in retyped]
    try:
        for tensor, dtype in retyped:
            tensor._dtype = dtype
        yield
    finally:
        for tensor, dtype in kept:
            tensor._dtype = dtype


def _is_index(model: Any, tensor: Any) -> bool:
    """Whether every layer of `model` that reads an input takes it as row numbers of a matrix.

    An Embedding with `mask_zero` also compares its input with 0, which is the same in any type.
    """
    inside = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    readers = [
        node
        for node in tensor._keras_history.operation._outbound_nodes
        if id(node) in inside
        and any(tensor is item for item in node.input_tensors)
        and type(node.operation).__name__ not in _COMPARISONS
    ]
    return bool(readers) and all(_reads_index(node, tensor) for node in readers)


def _reads_index(node: Any, tensor: Any) -> bool:
    operation = node.operation
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    if isinstance(operation, _EMBEDDINGS):
        return True
    # A Sequential model is a chain that a model of functions stands behind.
    inner = getattr(operation, "_functional", None) or operation
    if not isinstance(inner, keras.Function) or not node.arguments.args:
        return False
    given = keras.tree.flatten(node.arguments.args[0])
    places = [place for place, item in enumerate(given) if item is tensor]
    if len(given) != len(inner.inputs) or not places:
        return False
    return all(_is_index(inner, inner.inputs[place]) for place in places)
