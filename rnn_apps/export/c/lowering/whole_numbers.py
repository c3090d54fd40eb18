"""Whole numbers of other widths than the 32 bits that C code has for them.

Those of 8 and 16 bits are cut to their width wherever an operator can make larger ones. Of wider
ones, and of unsigned ones of 32 bits, C code has the lowest 32 bits. Sums, differences and products
are right in these bits, and so is a place in a table, which has fewer rows. Whatever else is
computed from a sum that may have more bits would be wrong, and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from rnn_apps.export.c.lowering.values import Scope, Value, static_shape
from rnn_apps.export.c.programs.program import View
from rnn_apps.export.results import ExportError

_NARROW = (tf.int8, tf.int16, tf.uint8, tf.uint16)
_WIDE = (tf.int64, tf.uint32, tf.uint64)
# Operators whose results have other bits than their operands, the lowest of which are right.
_LOWEST_BITS = frozenset(
    ("Add", "AddV2", "Sub", "Mul", "Neg", "Square", "Pow", "Sum", "Prod", "Cumsum", "BiasAdd")
)
_LARGER = _LOWEST_BITS | {"Abs", "FloorDiv"}
_CHOICES = frozenset(("Select", "SelectV2"))


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
    made = lower(scope, op)
    if op.type in _LARGER and op.outputs[0].dtype in _NARROW and isinstance(made, View):
        return cut(scope, made, op.outputs[0].dtype)
    lacking = lacks_bits(scope, op) or (op.type in _LOWEST_BITS and not _is_small_sum(op))
    if op.outputs and op.outputs[0].dtype in _WIDE and op.type != "Cast" and lacking:
        for value in made if isinstance(made, list) else [made]:
            if isinstance(value, View):
                value.buffer.lacks_bits = True
    return made


def _is_small_sum(op: tf.Operation) -> bool:
    """Whether an operator adds up numbers of few bits, as truth values are: 32 are enough."""
    source = op.inputs[0].op
    if op.type not in ("Sum", "Cumsum") or source.type != "Cast":
        return False
    before, after = source.inputs[0].dtype, op.outputs[0].dtype
    if before == tf.bool:
        largest = 1
    elif before in _NARROW and before.min >= after.min:
        largest = max(-before.min, before.max)
    else:
        return False
    return math.prod(static_shape(op.inputs[0])) * largest < 2**31


def lacks_bits(scope: Scope, op: tf.Operation) -> bool:
    """Whether an operator reads numbers of which C code has the lowest 32 bits only."""
    return any(_lacks(scope.values.get(tensor.name)) for tensor in _data(op))


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
        if _lacks(scope.values.get(tensor.name)):
            raise ExportError(
                f"{op.type} reads whole numbers of the type {tensor.dtype.name} that "
                f"{tensor.op.type} ({tensor.op.name!r}) makes and that may need more than 32 bits, "
                "with which C code does not compute: compute them as int32 (keras.ops.cast) or "
                "outside the model"
            )


def _lacks(value: Value | None) -> bool:
    return isinstance(value, View) and value.buffer.lacks_bits


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
    if after in _NARROW:
        return cut(scope, made, after) if _can_be_beyond(before, after) else made
    lacks = after in _WIDE and (_can_be_beyond(before, after) or view.buffer.lacks_bits)
    if made.buffer is view.buffer and lacks != view.buffer.lacks_bits:
        made = scope.copied(made)
    made.buffer.lacks_bits = lacks
    return made


def _can_be_beyond(before: tf.DType, after: tf.DType) -> bool:
    """Whether numbers of one type can be beyond those of another."""
    if before == tf.bool:
        return False
    return bool(before.is_floating or before.min < after.min or before.max > after.max)


def cut(scope: Scope, view: View, dtype: tf.DType) -> View:
    """The lowest bits of whole numbers, as many as a type of 8 or 16 bits has."""
    return scope.computed(f"to_{dtype.name}", view.shape, "int32", view)
