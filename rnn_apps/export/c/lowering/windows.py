"""Windows that slide over a picture or a sequence: convolutions and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from rnn_apps.export.c.lowering.values import Scope, Value, at_place, static_shape
from rnn_apps.export.c.programs.program import View, Window
from rnn_apps.export.results import ExportError


def convolution(scope: Scope, op: tf.Operation) -> Value:
    """Conv2D and DepthwiseConv2dNative, which Keras' Conv1D is too, with one row."""
    depthwise = op.type != "Conv2D"
    weights = scope.view(op.inputs[1])
    source, shape = scope.view(op.inputs[0]), static_shape(op.outputs[0])
    groups = source.shape[-1] // weights.shape[2]
    if not depthwise and groups != 1:
        return _grouped(scope, op, source, shape, groups)
    kind = "depthwise" if depthwise else "convolution"
    return _windows(scope, op, kind, source, shape, weights)


def _grouped(
    scope: Scope, op: tf.Operation, source: View, shape: tuple[int, ...], groups: int
) -> View:
    """A convolution of each group of channels by itself."""
    weights = scope.array(op.inputs[1], "the kernel of a convolution with groups")
    target = scope.new(shape)
    for group, kernel in enumerate(np.split(weights, groups, axis=-1)):
        own = _channels(source, group, source.shape[-1] // groups)
        part = _channels(target, group, shape[-1] // groups)
        made = _windows(scope, op, "convolution", own, part.shape, scope.constants.view(kernel))
        scope.store(part, made)
    return target


def _channels(view: View, group: int, size: int) -> View:
    """The channels of one group."""
    offset = view.offset + group * size * view.strides[-1]
    return View(view.buffer, (*view.shape[:-1], size), view.strides, offset)


def pooling(scope: Scope, op: tf.Operation) -> Value:
    """MaxPool and AvgPool."""
    kind = "maximum" if op.type == "MaxPool" else "average"
    source, shape = scope.view(op.inputs[0]), static_shape(op.outputs[0])
    return _windows(scope, op, kind, source, shape, None)


def _windows(
    scope: Scope,
    op: tf.Operation,
    kind: str,
    source: View,
    shape: tuple[int, ...],
    weights: View | None,
) -> View:
    if op.get_attr("data_format") not in (b"NHWC", "NHWC"):
        raise ExportError("channels before space have no C code: use data_format='channels_last'")
    if weights is None:
        sizes = [int(size) for size in op.get_attr("ksize")]
        window, spread = (sizes[1], sizes[2]), [1, 1, 1, 1]
    else:
        window = (weights.shape[0], weights.shape[1])
        spread = [int(step) for step in op.get_attr("dilations")]
    # The kernels know the distances from element to element by the sizes alone.
    source = source if source.is_contiguous else scope.copied(source)
    weights = scope.copied(weights) if weights and not weights.is_contiguous else weights
    steps = tuple(int(step) for step in op.get_attr("strides"))
    padding = op.get_attr("padding")
    padding = padding.decode() if isinstance(padding, bytes) else padding
    before = (0, 0)
    if padding == "SAME":
        before = tuple(  # type: ignore[assignment]
            max(
                0,
                (shape[axis] - 1) * steps[axis]
                + (window[axis - 1] - 1) * spread[axis]
                + 1
                - source.shape[axis],
            )
            // 2
            for axis in (1, 2)
        )
    elif padding == "EXPLICIT":
        explicit = op.get_attr("explicit_paddings")
        before = (int(explicit[2]), int(explicit[4]))
    target = scope.new(shape)
    if weights is not None:
        scope.store(target, 0.0)
    for row in range(shape[0]):
        scope.emit(
            Window(
                kind,
                at_place(target, (row,)),
                at_place(source, (row,)),
                weights,
                window,
                (steps[1], steps[2]),
                (spread[1], spread[2]),
                before,
            )
        )
    return target


WINDOWS: dict[str, Any] = {
    **dict.fromkeys(("Conv2D", "DepthwiseConv2dNative"), convolution),
    **dict.fromkeys(("MaxPool", "AvgPool"), pooling),
}
