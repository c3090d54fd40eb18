"""Operators that move numbers: most of them are other views of the same memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnn_apps.export.c.lowering.values import Scope, Value, broadcast, static_shape
from rnn_apps.export.c.programs.program import (
    Index,
    View,
    contiguous_strides,
)
from rnn_apps.export.results import ExportError


def reshaped(scope: Scope, view: View, shape: Sequence[int]) -> View:
    """The numbers of a view, in the same order, in another shape."""
    shape = tuple(shape)
    if view.is_contiguous:
        return View(view.buffer, shape, contiguous_strides(shape), view.offset)
    plain = view.squeezed()
    if tuple(size for size in shape if size != 1) == plain.shape:
        left = iter(plain.strides)
        strides = tuple(0 if size == 1 else next(left) for size in shape)
        return View(view.buffer, shape, strides, view.offset)
    return reshaped(scope, scope.copied(view), shape)


def reshape(scope: Scope, op: tf.Operation) -> Value:
    """Reshape, ExpandDims, Squeeze."""
    value = scope.value(op.inputs[0])
    if isinstance(value, Index):
        return value
    return reshaped(scope, scope.view(op.inputs[0]), static_shape(op.outputs[0]))


def identity(scope: Scope, op: tf.Operation) -> Value:
    """Identity and its kin."""
    return scope.value(op.inputs[0])


def identities(scope: Scope, op: tf.Operation) -> list[Value]:
    """IdentityN, which gradients of one's own leave behind, as those of Keras' silu do."""
    return [scope.value(tensor) for tensor in op.inputs]


def transpose(scope: Scope, op: tf.Operation) -> Value:
    """Transpose."""
    view = scope.view(op.inputs[0])
    order = [int(axis) for axis in scope.array(op.inputs[1], "the order of a transposition")]
    return ordered(view, order)


def broadcast_to(scope: Scope, op: tf.Operation) -> Value:
    """BroadcastTo."""
    return broadcast(scope.view(op.inputs[0]), static_shape(op.outputs[0]))


def fill(scope: Scope, op: tf.Operation) -> Value:
    """Fill, OnesLike and ZerosLike of known shape."""
    shape = static_shape(op.outputs[0])
    if op.type == "Fill":
        return broadcast(scope.view(op.inputs[1]), shape)
    number = 0.0 if op.type == "ZerosLike" else 1.0
    return np.full(shape, number, op.outputs[0].dtype.as_numpy_dtype)


def reverse(scope: Scope, op: tf.Operation) -> Value:
    """ReverseV2."""
    view = scope.view(op.inputs[0])
    strides, offset = list(view.strides), view.offset
    for axis in scope.array(op.inputs[1], "the axis of a reversal").ravel().tolist():
        offset = offset + strides[axis] * (view.shape[axis] - 1)
        strides[axis] = -strides[axis]
    return View(view.buffer, view.shape, tuple(strides), offset)


def strided_slice(scope: Scope, op: tf.Operation) -> Value:
    """StridedSlice, whose masks say how it was written in Python."""
    view = scope.view(op.inputs[0])
    begin, end, step = (
        None if isinstance(scope.value(tensor), Index) else scope.value(tensor)
        for tensor in op.inputs[1:4]
    )
    if not all(isinstance(part, np.ndarray) for part in (begin, end, step)):
        raise ExportError("a slice's place depends on the inputs; in C it must be a constant")
    return _sliced(view, op, begin, end, step)


def _sliced(view: View, op: tf.Operation, begin: Any, end: Any, step: Any) -> View:
    masks = {
        name: int(op.get_attr(f"{name}_mask"))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    count = len(begin)
    shape: list[int] = []
    strides: list[int] = []
    offset, axis = view.offset, 0
    for place in range(count):
        bit = 1 << place
        if masks["ellipsis"] & bit:
            later = sum(not masks["new_axis"] & (1 << other) for other in range(place + 1, count))
            while axis < len(view.shape) - later:
                shape.append(view.shape[axis])
                strides.append(view.strides[axis])
                axis += 1
            continue
        if masks["new_axis"] & bit:
            shape.append(1)
            strides.append(0)
            continue
        size, stride = view.shape[axis], view.strides[axis]
        if masks["shrink_axis"] & bit:
            index = int(begin[place])
            offset = offset + stride * (index + size if index < 0 else index)
        else:
            taken = slice(
                None if masks["begin"] & bit else int(begin[place]),
                None if masks["end"] & bit else int(end[place]),
                int(step[place]),
            )
            start, stop, by = taken.indices(size)
            shape.append(len(range(start, stop, by)))
            strides.append(stride * by)
            offset = offset + stride * start
        axis += 1
    return View(
        view.buffer,
        (*shape, *view.shape[axis:]),
        (*strides, *view.strides[axis:]),
        offset,
    )


def slice_(scope: Scope, op: tf.Operation) -> Value:
    """Slice; its place may be a number of a loop's passes."""
    view = scope.view(op.inputs[0])
    begin = _indices(scope, op.inputs[1], "a slice's place")
    offset = view.offset
    for index, stride in zip(begin, view.strides, strict=True):
        offset = offset + index * stride
    return View(view.buffer, static_shape(op.outputs[0]), view.strides, offset)


def _indices(scope: Scope, tensor: tf.Tensor, what: str) -> list[Index]:
    """A vector of whole numbers that are constants or count the passes of a loop."""
    value = scope.value(tensor)
    if isinstance(value, np.ndarray):
        return [Index(int(number)) for number in value.ravel()]
    source = tensor.op
    while source.type == "Identity":
        source = source.inputs[0].op
    if source.type == "Pack":
        parts = [scope.value(part) for part in source.inputs]
        if all(isinstance(part, Index) or _is_number(part) for part in parts):
            return [p if isinstance(p, Index) else Index(int(p)) for p in parts]  # type: ignore[arg-type]
    raise ExportError(f"{what} depends on the inputs; in C it must be a constant")


def _is_number(value: Value) -> bool:
    return isinstance(value, np.ndarray) and value.size == 1


def split(scope: Scope, op: tf.Operation) -> list[Value]:
    """Split and SplitV."""
    first = op.type == "Split"
    view = scope.view(op.inputs[1 if first else 0])
    axis = int(scope.array(op.inputs[0 if first else 2], "the axis of a split"))
    axis %= len(view.shape)
    parts: list[Value] = []
    offset = view.offset
    for output in op.outputs:
        size = static_shape(output)[axis]
        shape = (*view.shape[:axis], size, *view.shape[axis + 1 :])
        parts.append(View(view.buffer, shape, view.strides, offset))
        offset = offset + size * view.strides[axis]
    return parts


def unpack(scope: Scope, op: tf.Operation) -> list[Value]:
    """Unpack."""
    view = scope.view(op.inputs[0])
    axis = int(op.get_attr("axis")) % len(view.shape)
    rest = [other for other in range(len(view.shape)) if other != axis]
    return [
        View(
            view.buffer,
            tuple(view.shape[other] for other in rest),
            tuple(view.strides[other] for other in rest),
            view.offset + view.strides[axis] * index,
        )
        for index in range(view.shape[axis])
    ]


def concatenate(scope: Scope, op: tf.Operation) -> Value:
    """ConcatV2 and Pack: each part is copied to its place."""
    shape = static_shape(op.outputs[0])
    if op.type == "Pack":
        axis = int(op.get_attr("axis")) % len(shape)
        values = [scope.value(tensor) for tensor in op.inputs]
        if any(isinstance(value, Index) for value in values):
            # Used as a place only, see `_indices`.
            return Index()
        parts = [scope.view(tensor) for tensor in op.inputs]
        parts = [
            View(
                p.buffer,
                (*p.shape[:axis], 1, *p.shape[axis:]),
                (*p.strides[:axis], 0, *p.strides[axis:]),
                p.offset,
            )
            for p in parts
        ]
    else:
        axis = int(scope.array(op.inputs[-1], "the axis of a concatenation")) % len(shape)
        parts = [scope.view(tensor) for tensor in op.inputs[:-1]]
    dtype = parts[0].buffer.dtype
    target = scope.new(shape, dtype)
    offset = 0
    for part in parts:
        place = View(target.buffer, part.shape, target.strides, Index(offset))
        scope.store(place, part)
        offset += part.shape[axis] * target.strides[axis] if shape[axis] > 1 else 0
    return target


def pad(scope: Scope, op: tf.Operation) -> Value:
    """Pad, PadV2 and MirrorPad."""
    view, shape = scope.view(op.inputs[0]), static_shape(op.outputs[0])
    widths = scope.array(op.inputs[1], "the width of padding")
    if op.type == "MirrorPad":
        return _mirrored(scope, view, widths, shape, op.get_attr("mode") in (b"REFLECT", "REFLECT"))
    number = 0.0
    if op.type == "PadV2":
        number = float(scope.array(op.inputs[2], "what padding consists of"))
    target = scope.new(shape, view.buffer.dtype)
    for border in borders(target, widths):
        scope.store(border, number if view.buffer.dtype == "float32" else int(number))
    offset = sum(
        int(before) * stride
        for (before, _), stride in zip(widths, contiguous_strides(shape), strict=True)
    )
    inner = View(target.buffer, view.shape, target.strides, Index(offset))
    scope.store(inner, view)
    return target


def borders(target: View, widths: np.ndarray) -> list[View]:
    """The parts of a padded tensor that lie before and behind what is padded, each element once.

    Args:
        target: the whole tensor.
        widths: sizes of padding before and behind, [axes, 2].
    """
    borders = []
    starts, sizes = [0] * len(target.shape), list(target.shape)
    for axis, (before, behind) in enumerate(widths.tolist()):
        for place, count in ((0, before), (target.shape[axis] - behind, behind)):
            if count:
                first, shape = [*starts], [*sizes]
                first[axis], shape[axis] = place, count
                offset = sum(one * step for one, step in zip(first, target.strides, strict=True))
                borders.append(View(target.buffer, tuple(shape), target.strides, Index(offset)))
        # What follows lies inside along this axis.
        starts[axis], sizes[axis] = before, target.shape[axis] - before - behind
    return borders


def _mirrored(
    scope: Scope, view: View, widths: np.ndarray, shape: tuple[int, ...], without_edge: bool
) -> View:
    """Padding by what lies inside, one axis after the other, each over all that is there by then.

    Args:
        without_edge: True if the outermost numbers are not repeated ("REFLECT").
    """
    target = scope.new(shape, view.buffer.dtype)
    strides, moved = target.strides, int(without_edge)
    starts = [int(before) for before, _ in widths]
    sizes = list(view.shape)

    def part(places: list[int], counts: list[int], axis: int = 0, direction: int = 1) -> View:
        offset = sum(place * stride for place, stride in zip(places, strides, strict=True))
        steps = [*strides]
        steps[axis] *= direction
        return View(target.buffer, tuple(counts), tuple(steps), Index(offset))

    scope.store(part(starts, sizes), view)
    for axis, (before, after) in enumerate(widths.tolist()):
        first, last = starts[axis], starts[axis] + sizes[axis] - 1
        for count, to, source in (
            (before, first - 1, first + moved),
            (after, last + 1, last - moved),
        ):
            if count:
                counts = [*sizes[:axis], count, *sizes[axis + 1 :]]
                at = [[*starts[:axis], place, *starts[axis + 1 :]] for place in (to, source)]
                outwards = 1 if to > last else -1
                scope.store(
                    part(at[0], counts, axis, outwards),
                    scope.copied(part(at[1], counts, axis, -outwards)),
                )
        starts[axis], sizes[axis] = starts[axis] - before, shape[axis]
    return target


def ordered(view: View, order: Sequence[int]) -> View:
    """A view with its dimensions in another order."""
    return View(
        view.buffer,
        tuple(view.shape[axis] for axis in order),
        tuple(view.strides[axis] for axis in order),
        view.offset,
    )


def tile(scope: Scope, op: tf.Operation) -> Value:
    """Tile."""
    view = scope.view(op.inputs[0])
    times = [int(number) for number in scope.array(op.inputs[1], "how often a tensor is repeated")]
    shape, strides = [], []
    for count, size, stride in zip(times, view.shape, view.strides, strict=True):
        shape += [count, size]
        strides += [0, stride]
    repeated = View(view.buffer, tuple(shape), tuple(strides), view.offset)
    return reshaped(scope, repeated, static_shape(op.outputs[0]))


def update(scope: Scope, op: tf.Operation) -> Value:
    """XlaDynamicUpdateSlice: in place where the loop that it is in allows it, else in a copy."""
    view, new = scope.view(op.inputs[0]), scope.view(op.inputs[1])
    begin = _indices(scope, op.inputs[2], "the place of an update")
    if not (view.buffer.kind == "scratch" and _is_last_use(op)):
        view = scope.copied(view)
    offset = view.offset
    for index, stride in zip(begin, view.strides, strict=True):
        offset = offset + index * stride
    scope.store(View(view.buffer, new.shape, view.strides, offset), new)
    return view


def _is_last_use(op: tf.Operation) -> bool:
    """Whether nothing but the update reads what it changes."""
    return len(op.inputs[0].consumers()) == 1 and op.inputs[0].op.type == "Placeholder"


MOVEMENTS: dict[str, Any] = {
    **dict.fromkeys(("Reshape", "ExpandDims", "Squeeze"), reshape),
    **dict.fromkeys(
        ("Identity", "StopGradient", "PreventGradient", "Snapshot", "EnsureShape"), identity
    ),
    "IdentityN": identities,
    **dict.fromkeys(("Fill", "ZerosLike", "OnesLike"), fill),
    **dict.fromkeys(("Split", "SplitV"), split),
    **dict.fromkeys(("ConcatV2", "Pack"), concatenate),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), pad),
    "Transpose": transpose,
    "BroadcastTo": broadcast_to,
    "ReverseV2": reverse,
    "StridedSlice": strided_slice,
    "Slice": slice_,
    "Unpack": unpack,
    "Tile": tile,
    "XlaDynamicUpdateSlice": update,
}
