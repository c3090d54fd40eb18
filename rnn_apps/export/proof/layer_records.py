"""Records each layer's output while a model runs, and finds the first that differs.

A stream can be wrong for many reasons; which layer needs more than a chunk is seen by running the
model on a whole sequence and chunk by chunk, and comparing layer by layer.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnn_apps.export.forms.replaceable_layers import is_of_keras
from rnn_apps.layers.layers_within import layers_within

# Relative to the largest value: what the order of additions changes is far below it.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class OperationCall:
    """One call of an operation.

    Attributes:
        number: number of its earlier calls.
        given: values of its first argument, flat.
        outputs: values that it returned, flat.
    """

    operation: Any
    number: int
    given: list[np.ndarray]
    outputs: list[np.ndarray]


@dataclass
class LayerRecord:
    """The outputs of all calls in one run of a model, in the order in which they ended.

    Attributes:
        calls: all calls of operations that ended.
        failed: the innermost operation whose call raised an exception.
    """

    calls: list[OperationCall] = field(default_factory=list)
    failed: Any = None


@contextlib.contextmanager
def recorded(model: keras.Model, record: LayerRecord) -> Iterator[None]:
    """Records the outputs of each layer and operation of `model` while it runs in the block.

    Values are kept where the model runs eagerly; which call fails is seen in a trace too.
    """
    calls: Counter[int] = Counter()
    wrapped = []
    for operation in _operations(model):
        before = vars(operation).get("call")
        vars(operation)["call"] = _recording(operation, operation.call, record, calls)
        wrapped.append((operation, before))
    try:
        yield
    finally:
        for operation, before in reversed(wrapped):
            if before is None:
                vars(operation).pop("call", None)
            else:
                vars(operation)["call"] = before


def first_difference(whole: LayerRecord, parts: Sequence[LayerRecord]) -> tuple[Any, bool] | None:
    """The first operation whose outputs over all parts are not those of the whole; None if none.

    Each part is a run on a piece of the sequence; an operation agrees if its outputs joined along
    some axis are those of the whole, or if the last of them is.

    Returns:
        The operation, and whether what it was given differs already: then the cause is not an
        operation that can be named, but what a model's or layer's own `call` does before it.
    """
    by_call = [{(id(c.operation), c.number): c for c in part.calls} for part in parts]
    for call in whole.calls:
        found = [calls.get((id(call.operation), call.number)) for calls in by_call]
        pieces = [piece for piece in found if piece is not None]
        if len(pieces) < len(found):
            continue
        if not _all_agree([piece.outputs for piece in pieces], call.outputs):
            return call.operation, not _all_agree([p.given for p in pieces], call.given)
    return None


def _all_agree(pieces: list[list[np.ndarray]], whole: list[np.ndarray]) -> bool:
    if any(len(piece) != len(whole) for piece in pieces):
        return True
    return all(_agrees([p[index] for p in pieces], value) for index, value in enumerate(whole))


def described(operation: Any) -> str:
    """A layer's or operation's name and class, for a message."""
    kind = "Layer" if isinstance(operation, keras.layers.Layer) else "Operation"
    return f"{kind} {operation.name!r} ({type(operation).__name__})"


def _operations(model: keras.Model) -> list[Any]:
    """The layers of `model` and what it computes with `keras.ops` between them."""
    layers = layers_within(model)
    operations = {id(operation): operation for operation in layers}
    for layer in layers:
        for operation in getattr(layer, "operations", ()):
            operations.setdefault(id(operation), operation)
    # What a cell gives is seen at its layer; what a model of layers gives, at its layers.
    cells = [layer.cell for layer in layers if isinstance(layer, keras.layers.RNN)]
    inside = {id(part) for cell in cells for part in layers_within(cell)}
    return [
        operation
        for operation in operations.values()
        if id(operation) not in inside and not _only_holds_layers(operation)
    ]


def _only_holds_layers(operation: Any) -> bool:
    return isinstance(operation, keras.Model) and is_of_keras(type(operation).call)


def _recording(
    operation: Any, call: Callable[..., Any], record: LayerRecord, calls: Counter[int]
) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        number = calls[id(operation)]
        calls[id(operation)] += 1
        try:
            outputs = call(*arguments, **options)
        except Exception:
            if record.failed is None:
                record.failed = operation
            raise
        record.calls.append(
            OperationCall(operation, number, _values(arguments[:1]), _values(outputs))
        )
        return outputs

    return run


def _values(tensors: Any) -> list[np.ndarray]:
    """The values of what has one: a tensor that is being traced has none."""
    return [
        np.asarray(value)
        for value in keras.tree.flatten(tensors)
        if tf.is_tensor(value) and hasattr(value, "numpy")
    ]


def _agrees(pieces: list[np.ndarray], whole: np.ndarray) -> bool:
    if not np.issubdtype(whole.dtype, np.number) and whole.dtype != bool:
        return True
    if _close(pieces[-1], whole):
        return True
    for axis in range(whole.ndim):
        rest = [tuple(np.delete(piece.shape, axis)) for piece in pieces if piece.ndim > axis]
        fits = len(rest) == len(pieces) and set(rest) == {tuple(np.delete(whole.shape, axis))}
        if fits and _close(np.concatenate(pieces, axis), whole):
            return True
    return False


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    one, other = one.astype(np.float64), other.astype(np.float64)
    limit = TOLERANCE * max(0.1, float(np.abs(other).max(initial=0.0)))
    return bool((np.abs(one - other) <= limit).all())
