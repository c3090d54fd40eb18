"""Recurrent layers of one sequence whose length is known: loops whose bodies do several timesteps.

Measured on LiteRT 2.3 with XNNPACK (one thread, 128 units): an operator inside a part of the graph
that XNNPACK runs as a whole costs 0.05 to 0.1 us beyond its arithmetic, one pass of a loop 2 us
and more, since everything that the loop carries is copied twice. So everything here is
[timesteps, features] without a batch, made of operators that XNNPACK takes (a slice of one row, a
split in at most four, a concatenation of at most four), the body does several timesteps, and only
the raw sequences go around: each chunk is projected where it is used. What is left is the product
with the recurrent kernel, which XNNPACK packs once for each timestep of the body: as many copies as
together still fit a cache, since reading them is what such a product costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from rnn_apps.export.forms.cell_steps import CellSteps, States, cell_steps
from rnn_apps.export.forms.recurrent_outputs import RecurrentOutputs
from rnn_apps.layers.cells.registry import cell_of

# Most timesteps of one pass of the innermost loop, and how many bytes their copies of the recurrent
# kernel may take. Measured: at 1 MB a kernel ten copies are 2.6 times slower than two where other
# work uses the same cache, and 1.1 times where none does.
CHUNK = 10
COPIES_BYTES = 1536 * 1024
# Chunks of one pass of the outer loop, where there is one, and from which size of what goes around
# (bytes) it pays.
CHUNKS_OF_A_BLOCK = 5
CARRIED_BYTES = 256 * 1024
# XNNPACK joins no more tensors than this at once.
JOINED = 4


def is_one_sequence(sequences: tf.Tensor, mask: tf.Tensor | None) -> bool:
    """Whether [batch, timesteps, features] is one sequence of known length, without a mask."""
    return mask is None and sequences.shape[0] == 1 and sequences.shape[1] is not None


def chunk_length(layer: keras.layers.RNN, weight_bytes: int = 4) -> int:
    """Timesteps of one pass, 2 to 10: the more, the smaller the recurrent kernel.

    Args:
        weight_bytes: bytes of a weight on the device.
    """
    return max(2, min(CHUNK, COPIES_BYTES // max(1, recurrent_bytes(layer, weight_bytes))))


def recurrent_bytes(layer: keras.layers.RNN, weight_bytes: int = 4) -> int:
    """Bytes of the weights that every timestep reads."""
    own, cell = layer.cell, cell_of(layer.cell)
    if cell is None:
        kernels = [own.recurrent_kernel] if hasattr(own, "recurrent_kernel") else own.weights
    elif cell.reads_inputs:
        kernels = own.weights
    else:
        kernels = [own.recurrent_kernel] if cell.recurrent else []
    return weight_bytes * sum(math.prod(kernel.shape) for kernel in kernels)


def run_chunked(
    layer: keras.layers.RNN, sequences: tf.Tensor, states: States, weight_bytes: int = 4
) -> RecurrentOutputs:
    """Runs `layer` over one sequence [1, timesteps, features] from flat `states`."""
    timesteps, features = sequences.shape[1], sequences.shape[2]
    chunk = chunk_length(layer, weight_bytes)
    sizes = [min(chunk, timesteps)]
    if 4 * timesteps * (features + cell_steps(layer).output_size) > CARRIED_BYTES:
        block = CHUNKS_OF_A_BLOCK * CHUNK // chunk * chunk
        sizes.insert(0, min(block, timesteps))
    return _run(layer, sequences, states, sizes)


def run_one_unrolled(
    layer: keras.layers.RNN, sequences: tf.Tensor, states: States
) -> RecurrentOutputs:
    """As `run_chunked`, without a loop."""
    return _run(layer, sequences, states, [])


def run_first_step(layer: keras.layers.RNN, sequences: tf.Tensor) -> RecurrentOutputs | None:
    """One timestep [batch, 1, features] from states of zeros, without what zeros cancel.

    None for a cell that isn't one of Keras' own.
    """
    start = cell_steps(layer).start
    if start is None:
        return None
    output, states = start(tf.reshape(sequences, [-1, sequences.shape[2]]))
    return RecurrentOutputs(output, tf.expand_dims(output, 1), states)


def _run(
    layer: keras.layers.RNN, sequences: tf.Tensor, states: States, sizes: Sequence[int]
) -> RecurrentOutputs:
    rows = tf.reshape(sequences, sequences.shape[1:])
    if layer.go_backwards:
        rows = tf.reverse(rows, axis=[0])
    cell = cell_steps(layer)
    output, outputs, states = _walk(cell, rows, states, sizes, layer.return_sequences)
    if outputs is not None:
        outputs = tf.reshape(outputs, [1, *outputs.shape])
    return RecurrentOutputs(output, outputs, states)


_Walked = tuple[tf.Tensor, tf.Tensor | None, States]


def _walk(
    cell: CellSteps, rows: tf.Tensor, states: States, sizes: Sequence[int], collect: bool
) -> _Walked:
    """Last output [1, units], outputs [timesteps, units] (if `collect`) and final states.

    Args:
        rows: features of the sequence, [timesteps, features].
        sizes: numbers of timesteps per pass of each loop, outer before inner.
    """
    if not sizes or rows.shape[0] <= sizes[-1]:
        return _unrolled(cell, rows, states, collect)
    size, *inner = sizes
    timesteps = rows.shape[0]
    whole = timesteps - timesteps % size
    # What is there at first is never read; zeros would be a constant in the file as large as it.
    start = rows[:1, :1]
    last = tf.pad(start, [[0, 0], [0, cell.output_size - 1]])
    collected = tf.pad(start, [[0, timesteps - 1], [0, cell.output_size - 1]]) if collect else last

    def body(index: tf.Tensor, kept: tf.Tensor, *states: tf.Tensor) -> tuple[tf.Tensor, ...]:
        here = tf.gather(rows, index + tf.range(size))
        output, outputs, after = _walk(cell, here, list(states), inner, collect)
        if collect:
            output = keras.ops.slice_update(kept, tf.stack([index, 0]), outputs)
        return index + size, output, *after

    _, kept, *states = tf.while_loop(
        lambda index, *_: index < whole, body, [tf.constant(0), collected, *states]
    )
    if whole == timesteps:
        return (kept[-1:], kept, states) if collect else (kept, None, states)
    output, tail, states = _walk(cell, rows[whole:], states, inner, collect)
    if collect:
        kept = keras.ops.slice_update(kept, [whole, 0], tail)
    return output, kept if collect else None, states


def _unrolled(cell: CellSteps, rows: tf.Tensor, states: States, collect: bool) -> _Walked:
    projected = cell.project(rows)
    made = []
    for index in range(rows.shape[0]):
        output, states = cell.step(tf.slice(projected, [index, 0], [1, -1]), states)
        made.append(output)
    return made[-1], _joined(made) if collect else None, states


def _joined(rows: list[tf.Tensor]) -> tf.Tensor:
    while len(rows) > 1:
        groups = [rows[start : start + JOINED] for start in range(0, len(rows), JOINED)]
        rows = [tf.concat(group, axis=0) if len(group) > 1 else group[0] for group in groups]
    return rows[0]
