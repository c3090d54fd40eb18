"""Whole numbers of other widths than the 32 bits that C code has for them.

Those of 8 and 16 bits are cut to their width wherever an operator can make larger ones. Of wider
ones, and of unsigned ones of 32 bits, C code has the lowest 32 bits. Sums, differences and products
are right in these bits, and so is a place in a table, which has fewer rows. Whatever else is
computed from a number that may have more bits would be wrong, and is refused. Which numbers may
have more follows from the ranges of those that they are made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from rnn_apps.export.c.lowering.ranges import (
    ASSUMED,
    OF_32_BITS,
    Range,
    common,
    hull,
    is_within,
    limits_of,
    result_of,
    wrapped,
)
from rnn_apps.export.c.lowering.values import Scope, Value
from rnn_apps.export.c.programs.program import View
from rnn_apps.export.results import ExportError

_NARROW = (tf.int8, tf.int16, tf.uint8, tf.uint16)
_WIDE = (tf.int64, tf.uint32, tf.uint64)
# Operators whose results have other bits than their operands, the lowest of which are right.
_LOWEST_BITS = frozenset(
    ("Add", "AddV2", "Sub", "Mul", "Neg", "Square", "Pow", "Sum", "Prod", "Cumsum", "BiasAdd")
)
_LARGER = _LOWEST_BITS | {"Abs", "FloorDiv"}
_COUNTING = frozenset(("Sum", "Prod", "Cumsum"))
_CHOICES = frozenset(("Select", "SelectV2"))
_ALSO_GIVEN_ON = _CHOICES | {"Max", "Min", "GatherV2", "SpaceToBatchND", "BatchToSpaceND"}


def lowered_in_width(
    scope: Scope,
    op: tf.Operation,
    lower: Callable[[Scope, tf.Operation], Value | list[Value]],
    moves: bool,
) -> Value | list[Value]:
    """What `lower` makes of an operator, as Keras' numbers of its types are.

    Args:
        scope: graph that is being lowered.
        op: operator to lower.
        lower: function that lowers operators of its kind.
        moves: whether the operator only moves numbers.

    Raises:
        ExportError: its result depends on more bits than C code has.
    """
    if lacks_bits(scope, op) and not (moves or op.type in _LOWEST_BITS | _CHOICES):
        refuse_lacking(scope, op)
    limits = _limits_of_result(scope, op, moves)
    made = lower(scope, op)
    if op.type in _LARGER and op.outputs[0].dtype in _NARROW and isinstance(made, View):
        made = cut(scope, made, op.outputs[0].dtype)
    if limits is not None:
        for value in made if isinstance(made, list) else [made]:
            if isinstance(value, View) and value.buffer.kind == "scratch":
                value.buffer.limits = limits
    return made


def _limits_of_result(scope: Scope, op: tf.Operation, moves: bool) -> Range | None:
    """The range of the whole numbers that an operator makes; None if any of 32 bits, or known."""
    # IdentityN gives several tensors on as they lie, and a cast sees to its result.
    if op.type in ("Cast", "IdentityN") or not op.outputs or not op.outputs[0].dtype.is_integer:
        return None
    dtype = op.outputs[0].dtype
    if moves or op.type in _ALSO_GIVEN_ON:
        given = [_limits(scope, tensor) for tensor in _data(op) if tensor.dtype == dtype]
        # Padding has zeros besides.
        return hull([*given, (0, 0)])
    whole = [tensor for tensor in op.inputs if tensor.dtype.is_integer]
    count = _count(scope, op) if op.type in _COUNTING else 1
    found = result_of(op.type, [_limits(scope, tensor) for tensor in whole], count)
    return None if found is None else wrapped(found, dtype)


def _count(scope: Scope, op: tf.Operation) -> int:
    """How many numbers an operator adds up, or multiplies, for one of its results."""
    shape = scope.view(op.inputs[0]).shape
    axes = scope.array(op.inputs[1], "the axis of a sum").ravel().tolist()
    return math.prod(shape[axis] for axis in axes)


def _limits(scope: Scope, tensor: tf.Tensor) -> Range:
    """The range of a tensor's whole numbers."""
    value = scope.values.get(tensor.name)
    if isinstance(value, np.ndarray):
        return (int(value.min()), int(value.max())) if value.size else (0, 0)
    return _limits_of_view(value, tensor.dtype)


def _limits_of_view(value: Value | None, dtype: tf.DType) -> Range:
    if dtype.is_floating:
        return ASSUMED
    if isinstance(value, View) and value.buffer.limits is not None:
        return value.buffer.limits
    return common(OF_32_BITS, limits_of(dtype))


def input_limits(dtype: str) -> Range | None:
    """The range that an input's numbers are taken to have; None for all that its type has."""
    given = tf.as_dtype(dtype)
    return common(ASSUMED, limits_of(given)) if given in _WIDE else None


def lacks_bits(scope: Scope, op: tf.Operation) -> bool:
    """Whether an operator reads numbers of which C code has the lowest 32 bits only."""
    return any(may_lack_bits(scope.values.get(tensor.name)) for tensor in _data(op))


def refuse_lacking(scope: Scope, op: tf.Operation, tensors: Sequence[tf.Tensor] = ()) -> None:
    """Refuses numbers of which C code has the lowest 32 bits only.

    Args:
        scope: graph that is being lowered.
        op: operator that needs all bits.
        tensors: what it needs all bits of; () for all that it reads.

    Raises:
        ExportError: there are such numbers among them.
    """
    for tensor in tensors or _data(op):
        if may_lack_bits(scope.values.get(tensor.name)):
            raise ExportError(
                f"{op.type} reads whole numbers of the type {tensor.dtype.name} that "
                f"{tensor.op.type} ({tensor.op.name!r}) makes and that may need more than 32 bits, "
                "with which C code does not compute: compute them as int32 (keras.ops.cast) or "
                "outside the model"
            )


def may_lack_bits(value: Value | None) -> bool:
    """Whether a tensor's numbers may need more bits than the 32 that C code has of them."""
    limits = value.buffer.limits if isinstance(value, View) else None
    return limits is not None and not is_within(limits, OF_32_BITS)


def _data(op: tf.Operation) -> list[tf.Tensor]:
    """What an operator needs all bits of, or gives on: not of a place in a table, nor of a cast."""
    if op.type == "GatherV2":
        return [op.inputs[0]]
    if op.type == "Cast" and op.outputs[0].dtype.is_integer:
        return []
    return list(op.inputs)


def cast_in_width(scope: Scope, view: View, made: View, before: tf.DType, after: tf.DType) -> View:
    """The result of a cast, with as many bits as its type in Keras has.

    Args:
        scope: graph that is being lowered.
        view: numbers that are cast.
        made: the same numbers in the type that C code has for the result.
        before: type of the numbers in Keras.
        after: type of the result in Keras.
    """
    if not after.is_integer:
        return made
    found = _limits_of_view(view, before)
    limits = wrapped(found, after)
    if after in _NARROW and limits != found:
        return cut(scope, made, after)
    if made.buffer is view.buffer and limits != found:
        made = scope.copied(made)
    if made.buffer.kind != "constant":
        made.buffer.limits = limits
    return made


def cut(scope: Scope, view: View, dtype: tf.DType) -> View:
    """The lowest bits of whole numbers, as many as a type of 8 or 16 bits has."""
    return scope.computed(f"to_{dtype.name}", view.shape, "int32", view)
