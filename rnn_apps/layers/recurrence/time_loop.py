"""One loop over time: reads a slice of each sequence, carries states, collects what steps give."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

Tensors = Sequence[tf.Tensor]
LoopStep = Callable[[list[tf.Tensor], list[tf.Tensor]], tuple[list[tf.Tensor], list[tf.Tensor]]]
"""(slices of this time step, carried) -> (carried on, collected)."""


def time_loop(
    step: LoopStep,
    sequences: Tensors,
    carried: Tensors,
    timesteps: tf.Tensor,
    *,
    collect: int,
    backwards: bool = False,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Runs `step` for the first time steps of some sequences.

    Args:
        step: function that computes a time step; its tensors keep their shapes.
        sequences: tensors [T, ...] whose slices the steps read.
        carried: values that the first step receives.
        timesteps: number of time steps to run, int32 scalar, at most T.
        collect: number of tensors that a step collects.
        backwards: True to run from the last of the time steps to the first; the collected
            tensors stay in the sequences' order.

    Returns:
        The values that the last step carried on, and each collected tensor as [T, ...], which holds
        zeros after the first `timesteps`.
    """
    size = tf.shape(sequences[0])[0]
    dtype = carried[0].dtype
    arrays = [tf.TensorArray(x.dtype, size).unstack(x) for x in sequences]
    collected = [tf.TensorArray(dtype, size) for _ in range(collect)]

    def body(
        index: tf.Tensor, values: list[tf.Tensor], made: list[tf.TensorArray]
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.TensorArray]]:
        at = timesteps - 1 - index if backwards else index
        values, collected_now = step([array.read(at) for array in arrays], values)
        made = [array.write(at, x) for array, x in zip(made, collected_now, strict=True)]
        return index + 1, values, made

    _, final, collected = tf.while_loop(
        lambda index, *_: index < timesteps,
        body,
        (tf.constant(0), list(carried), collected),
        parallel_iterations=1,
        maximum_iterations=size,
    )
    return final, [array.stack() for array in collected]
