"""Look-ups, and the rearranging that TensorFlow writes dilated convolutions with."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from rnn_apps.export.c.lowering.movement import ordered, reshaped
from rnn_apps.export.c.lowering.values import Scope, Value, at_place, static_shape
from rnn_apps.export.c.programs.program import Assignment, Index, Loop, View


def gather(scope: Scope, op: tf.Operation) -> Value:
    """GatherV2: a view where the place is known, a look-up where it is data (an embedding)."""
    view = scope.view(op.inputs[0])
    place = scope.value(op.inputs[1])
    axis = int(scope.array(op.inputs[2], "the axis of a look-up")) % len(view.shape)
    if lead := int(op.get_attr("batch_dims")):
        return _row_by_row(scope, op, view, axis, lead)
    if isinstance(place, np.ndarray) and place.ndim == 0:
        place = Index(int(place) % view.shape[axis])
    if isinstance(place, Index):
        rest = [other for other in range(len(view.shape)) if other != axis]
        return View(
            view.buffer,
            tuple(view.shape[other] for other in rest),
            tuple(view.strides[other] for other in rest),
            view.offset + place * view.strides[axis],
        )
    return _looked_up(scope, view, scope.view(op.inputs[1]), axis, static_shape(op.outputs[0]))


def _row_by_row(scope: Scope, op: tf.Operation, view: View, axis: int, lead: int) -> View:
    """A look-up in which each place of the leading dimensions has indices of its own."""
    indices, shape = scope.view(op.inputs[1]), static_shape(op.outputs[0])
    target = scope.new(shape, view.buffer.dtype)
    for place in np.ndindex(*shape[:lead]):
        row, own = at_place(view, place), at_place(indices, place)
        made = _looked_up(scope, row, own, axis - lead, shape[lead:])
        scope.store(at_place(target, place), made)
    return target


def _looked_up(scope: Scope, view: View, indices: View, axis: int, shape: tuple[int, ...]) -> View:
    """What lies along an axis at places that are data."""
    before, after = view.shape[:axis], view.shape[axis + 1 :]
    table = View(
        view.buffer,
        (view.shape[axis], *shape),
        (
            view.strides[axis],
            *view.strides[:axis],
            *(0 for _ in indices.shape),
            *view.strides[axis + 1 :],
        ),
        view.offset,
    )
    placed = View(
        indices.buffer,
        shape,
        (*(0 for _ in before), *indices.strides, *(0 for _ in after)),
        indices.offset,
    )
    return scope.computed("gather", shape, view.buffer.dtype, table, placed)


def one_hot(scope: Scope, op: tf.Operation) -> Value:
    """OneHot: each place compared with the index."""
    shape = static_shape(op.outputs[0])
    axis = int(op.get_attr("axis")) % len(shape)
    on, off = (float(scope.array(tensor, "a one-hot number")) for tensor in op.inputs[2:4])
    indices = scope.view(op.inputs[0])
    places = scope.constants.view(np.arange(shape[axis], dtype=np.int32))
    strides = [0] * len(shape)
    strides[axis] = 1 if shape[axis] > 1 else 0
    dtype = "float32" if op.outputs[0].dtype.is_floating else "int32"
    target = scope.new(shape, dtype)
    numbers = (on, off) if dtype == "float32" else (int(on), int(off))
    scope.emit(
        Loop(
            shape,
            [
                Assignment(
                    "here",
                    "equal",
                    (
                        View(places.buffer, shape, tuple(strides)),
                        View(
                            indices.buffer,
                            shape,
                            (*indices.strides[:axis], 0, *indices.strides[axis:]),
                            indices.offset,
                        ),
                    ),
                    "bool",
                ),
                Assignment("t", "select", ("here", *numbers), dtype),
            ],
            [(target, "t")],
        )
    )
    return target


def space_to_batch(scope: Scope, op: tf.Operation) -> Value:
    """SpaceToBatchND, with which TensorFlow writes dilated convolutions."""
    view = scope.view(op.inputs[0])
    blocks = [int(size) for size in scope.array(op.inputs[1], "a dilation")]
    widths = scope.array(op.inputs[2], "the width of padding")
    count = len(blocks)
    sizes = [
        size + int(before) + int(after)
        for size, (before, after) in zip(view.shape[1 : count + 1], widths, strict=True)
    ]
    rest = view.shape[count + 1 :]
    padded = scope.new((view.shape[0], *sizes, *rest), view.buffer.dtype)
    scope.store(padded, 0.0 if view.buffer.dtype == "float32" else 0)
    offset = sum(
        int(before) * stride
        for (before, _), stride in zip(widths, padded.strides[1 : count + 1], strict=True)
    )
    scope.store(View(padded.buffer, view.shape, padded.strides, Index(offset)), view)
    pairs = [part for size, by in zip(sizes, blocks, strict=True) for part in (size // by, by)]
    apart = reshaped(scope, padded, (view.shape[0], *pairs, *rest))
    last = range(2 * count + 1, len(apart.shape))
    order = [*range(2, 2 * count + 1, 2), 0, *range(1, 2 * count + 1, 2), *last]
    return reshaped(scope, ordered(apart, order), static_shape(op.outputs[0]))


def batch_to_space(scope: Scope, op: tf.Operation) -> Value:
    """BatchToSpaceND, the inverse of `space_to_batch`."""
    view = scope.view(op.inputs[0])
    blocks = [int(size) for size in scope.array(op.inputs[1], "a dilation")]
    crops = scope.array(op.inputs[2], "the width of a crop")
    count = len(blocks)
    batch = view.shape[0] // int(np.prod(blocks))
    apart = reshaped(scope, view, (*blocks, batch, *view.shape[1:]))
    pairs = [axis for place in range(count) for axis in (count + 1 + place, place)]
    order = [count, *pairs, *range(2 * count + 1, len(apart.shape))]
    sizes = [size * by for size, by in zip(view.shape[1 : count + 1], blocks, strict=True)]
    whole_view = reshaped(scope, ordered(apart, order), (batch, *sizes, *view.shape[count + 1 :]))
    offset = whole_view.offset
    for (before, _), stride in zip(crops, whole_view.strides[1 : count + 1], strict=True):
        offset = offset + int(before) * stride
    return View(whole_view.buffer, static_shape(op.outputs[0]), whole_view.strides, offset)


LOOKUPS: dict[str, Any] = {
    "GatherV2": gather,
    "OneHot": one_hot,
    "SpaceToBatchND": space_to_batch,
    "BatchToSpaceND": batch_to_space,
}
