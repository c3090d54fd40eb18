"""Recurrent layers as a loop in a loop, the fastest form on LiteRT for what has no fused operator.

Measured on LiteRT 2.3 with XNNPACK (one thread): an update of the output tensor in place copies the
whole tensor at every timestep, 5 us for 100 KB; a row that is pushed on a short buffer inside
XNNPACK costs 0.3 us. So the inner loop keeps the last outputs in a buffer of one block, and only
the outer loop, once a block, writes into the output tensor. Both loops' bodies hold each weight
once: XNNPACK keeps a packed copy for every operator, and copies that no longer fit the cache
together cost more than the loop saves.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from rnn_apps.export.forms.cell_steps import CellSteps, States, cell_steps
from rnn_apps.export.forms.recurrent_outputs import RecurrentOutputs

# Timesteps of a block: long enough to make the outer loop cheap, short enough for the buffer.
LARGEST_BLOCK = 25
USUAL_BLOCK = 16


def block_length(timesteps: int | None) -> int:
    """Timesteps of a block: the largest divisor in reach, so that no block is cut short."""
    if timesteps is None:
        return USUAL_BLOCK
    divisors = [size for size in range(2, LARGEST_BLOCK + 1) if timesteps % size == 0]
    return divisors[-1] if divisors and divisors[-1] >= 8 else min(USUAL_BLOCK, timesteps)


def run_blocked_loop(
    layer: keras.layers.RNN, sequences: tf.Tensor, states: States
) -> RecurrentOutputs:
    """Runs `layer` over [batch, timesteps, features] from flat `states`, without a mask."""
    cell = cell_steps(layer)
    if layer.go_backwards:
        sequences = tf.reverse(sequences, axis=[1])
    by_time = _time_first(cell.project(sequences))
    length = tf.shape(by_time)[0] if sequences.shape[1] is None else sequences.shape[1]
    if not layer.return_sequences:
        states, _ = _walk(cell, by_time, length, states, None)
        return RecurrentOutputs(states[0], None, states)
    block = block_length(sequences.shape[1])
    # The buffer goes on from block to block, so it always ends with the newest outputs: a last
    # block that is cut short is written with a part of the one before, which is right there too.
    # What both hold at first is never read, but zeros would be constants in the file, as large as
    # the output. A part of the projection that is padded at run time costs nothing there, and
    # computes no size (`known_sizes` says why that matters).
    unread = by_time[..., : cell.output_size]
    sides = [[0, 0]] * (len(unread.shape) - 1)
    outputs = tf.pad(unread, [[0, block], *sides])
    buffer = tf.pad(unread[:1], [[0, block - 1], *sides])

    def one_block(
        start: tf.Tensor, outputs: tf.Tensor, buffer: tf.Tensor, *states: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        count = tf.minimum(block, length - start)
        here = tf.gather(by_time, tf.minimum(start + tf.range(block), length - 1))
        new_states, buffer = _walk(cell, here, count, list(states), buffer)
        at = tf.stack([start + count, *[0] * (len(outputs.shape) - 1)])
        return start + count, keras.ops.slice_update(outputs, at, buffer), buffer, *new_states

    carried = [outputs, buffer, *states]
    _, outputs, _, *states = tf.while_loop(
        lambda start, *_: start < length,
        one_block,
        [tf.constant(0), *carried],
        shape_invariants=[tf.TensorShape([]), *(value.shape for value in carried)],
    )
    return RecurrentOutputs(states[0], _batch_first(outputs[block:], sequences), list(states))


def _walk(
    cell: CellSteps,
    by_time: tf.Tensor,
    count: tf.Tensor | int,
    states: States,
    buffer: tf.Tensor | None,
) -> tuple[States, tf.Tensor | None]:
    """Steps through the first `count` rows; every output is pushed on the end of the buffer."""
    carried = [*states] if buffer is None else [buffer, *states]

    def body(index: tf.Tensor, *carried: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # A list of one index: LiteRT reads a row so in half the time of a slice.
        row = tf.gather(by_time, tf.reshape(index, [1]))
        row = row if len(by_time.shape) == 2 else row[0]
        before = list(carried) if buffer is None else list(carried[1:])
        output, after = cell.step(row, before)
        if buffer is None:
            return index + 1, *after
        newest = output if len(by_time.shape) == 2 else output[None]
        return index + 1, tf.concat([carried[0][1:], newest], axis=0), *after

    _, *carried = tf.while_loop(
        lambda index, *_: index < count,
        body,
        [tf.constant(0), *carried],
        shape_invariants=[tf.TensorShape([]), *(value.shape for value in carried)],
    )
    return (carried, None) if buffer is None else (carried[1:], carried[0])


def _time_first(projected: tf.Tensor) -> tf.Tensor:
    """[timesteps, batch, projected]; without the batch where that is known to be 1."""
    if projected.shape[0] == 1:
        return tf.reshape(projected, [-1, projected.shape[2]])
    return tf.transpose(projected, [1, 0, 2])


def _batch_first(outputs: tf.Tensor, sequences: tf.Tensor) -> tf.Tensor:
    if len(outputs.shape) == 3:
        return tf.transpose(outputs, [1, 0, 2])
    steps = -1 if sequences.shape[1] is None else sequences.shape[1]
    return tf.reshape(outputs, [1, steps, outputs.shape[-1]])
