"""Recurrent layers as a loop that every runtime can run, with free batch and free time.

Keras' own loop collects its outputs in a TensorList. The converter needs that list's shape to be
static, and without it writes a graph that is slow on LiteRT and never returns on TFLite Micro
(tflite-micro issue 3674). Here the outputs are one tensor that the loop updates in place
(`DYNAMIC_UPDATE_SLICE`), and the input projection is done before the loop; or, where memory counts
more than time, inside the loop: TFLite Micro keeps three copies of whatever a loop carries.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from rnn_apps.export.forms.cell_steps import CellSteps, States, cell_steps
from rnn_apps.export.forms.recurrent_outputs import RecurrentOutputs


def run_loop(
    layer: keras.layers.RNN,
    sequences: tf.Tensor,
    states: States,
    mask: tf.Tensor | None,
    *,
    steps_per_iteration: int = 1,
    projects_within: bool = False,
    previous: tf.Tensor | None = None,
) -> RecurrentOutputs:
    """Runs `layer` over [batch, timesteps, features] from flat `states`.

    Args:
        mask: bool [batch, timesteps]; a masked timestep leaves the states as they are and repeats
            the previous output (or zeros, if the layer says `zero_output_for_mask`), as in Keras.
        steps_per_iteration: number of timesteps per pass of the loop's body; more of them make the
            file larger and the loop's overhead smaller. Needs a static number of timesteps.
        projects_within: true if each timestep is projected in the body: the loop then carries the
            features, not their projection, which is several times wider than the layer.
        previous: output before the first timestep [batch, units], which masked timesteps at the
            beginning repeat; zeros if None, as at the beginning of a sequence.
    """
    cell = cell_steps(layer)
    walk = _Walk(layer, cell, sequences, mask, projects_within=projects_within)
    timesteps = sequences.shape[1]
    if timesteps is None:
        steps_per_iteration = 1
    output = _output_before(cell, sequences, states, previous)
    length = tf.shape(sequences)[1] if timesteps is None else timesteps
    outputs = None
    if layer.return_sequences:
        # Zeros are a constant in the file, as large as the output, and so no part of the arena.
        fixed = projects_within and None not in sequences.shape[:2]
        shape = (*sequences.shape[:2], cell.output_size)
        outputs = tf.zeros(shape) if fixed else _space(walk.source, cell)

    whole = length if timesteps is None else timesteps - timesteps % steps_per_iteration

    def body(index: tf.Tensor, *carried: tf.Tensor) -> tuple[tf.Tensor, ...]:
        carried_output, carried_states, collected = walk.unpack(carried)
        made = []
        for offset in range(steps_per_iteration):
            carried_output, carried_states = walk.step(
                index + offset, carried_output, carried_states
            )
            made.append(carried_output)
        if collected is not None:
            block = tf.stack(made, axis=1)
            collected = keras.ops.slice_update(collected, tf.stack([0, index, 0]), block)
        return index + steps_per_iteration, *walk.pack(carried_output, carried_states, collected)

    carried = walk.pack(output, states, outputs)
    _, *carried = tf.while_loop(
        lambda index, *_: index < whole,
        body,
        [tf.constant(0), *carried],
        shape_invariants=[tf.TensorShape([]), *(_free_batch(v, sequences) for v in carried)],
    )
    output, states, outputs = walk.unpack(tuple(carried))
    if timesteps is not None:
        for index in range(timesteps - timesteps % steps_per_iteration, timesteps):
            output, states = walk.step(index, output, states)
            if outputs is not None:
                outputs = keras.ops.slice_update(outputs, [0, index, 0], output[:, None])
    return RecurrentOutputs(output, outputs, states)


def run_unrolled(
    layer: keras.layers.RNN,
    sequences: tf.Tensor,
    states: States,
    mask: tf.Tensor | None,
    previous: tf.Tensor | None = None,
) -> RecurrentOutputs:
    """As `run_loop` without a loop: one copy of the step's operators for each timestep."""
    cell = cell_steps(layer)
    walk = _Walk(layer, cell, sequences, mask)
    output = _output_before(cell, sequences, states, previous)
    made = []
    for index in range(sequences.shape[1]):
        output, states = walk.step(index, output, states)
        made.append(output)
    return RecurrentOutputs(output, _stack(made) if layer.return_sequences else None, states)


def _free_batch(value: tf.Tensor, sequences: tf.Tensor) -> tf.TensorShape:
    batch = None if sequences.shape[0] is None else value.shape[0]
    return tf.TensorShape([batch, *value.shape[1:]])


def _stack(outputs: list[tf.Tensor]) -> tf.Tensor:
    """Stacks along time by a tree: TFLite Micro joins no more than ten tensors at once."""
    parts = [output[:, None] for output in outputs]
    while len(parts) > 1:
        parts = [
            tf.concat(parts[i : i + 10], axis=1) if len(parts[i : i + 10]) > 1 else parts[i]
            for i in range(0, len(parts), 10)
        ]
    return parts[0]


def _space(source: tf.Tensor, cell: CellSteps) -> tf.Tensor:
    """[batch, timesteps, units] to be filled, made at run time of what goes in.

    Every number is written before it is read. What is cut or padded by a known width is as long as
    what goes in without any computing of sizes (`known_sizes` says why that matters).
    """
    missing = cell.output_size - source.shape[-1]
    if missing <= 0:
        return source[:, :, : cell.output_size]
    return tf.pad(source, [[0, 0], [0, 0], [0, missing]])


def _output_before(
    cell: CellSteps, sequences: tf.Tensor, states: States, previous: tf.Tensor | None
) -> tf.Tensor:
    if previous is not None:
        return previous
    return tf.zeros_like(states[0]) if cell.output_is_first_state else _zeros(sequences, cell)


def _zeros(sequences: tf.Tensor, cell: CellSteps) -> tf.Tensor:
    batch = tf.shape(sequences)[0] if sequences.shape[0] is None else sequences.shape[0]
    return tf.zeros((batch, cell.output_size))


def _at(sequences: tf.Tensor, index: int | tf.Tensor) -> tf.Tensor:
    # TFLite Micro's STRIDED_SLICE takes no computed index; its GATHER does.
    return sequences[:, index] if isinstance(index, int) else tf.gather(sequences, index, axis=1)


class _Walk:
    """Steps through the timesteps of one call, forwards or backwards, with the mask."""

    def __init__(
        self,
        layer: keras.layers.RNN,
        cell: CellSteps,
        sequences: tf.Tensor,
        mask: tf.Tensor | None,
        *,
        projects_within: bool = False,
    ) -> None:
        self.layer = layer
        self.cell = cell
        self.projects_within = projects_within
        self.source = sequences if projects_within else cell.project(sequences)
        self.mask = mask
        # For a computed index: TFLite Micro gathers no booleans. (The converter undoes a cast.)
        self.mask_numbers = None if mask is None else tf.where(mask, 1.0, -1.0)
        # The output is carried on its own only where it isn't simply the first state.
        self.carries_output = mask is not None or not cell.output_is_first_state

    def step(
        self, index: int | tf.Tensor, output: tf.Tensor, states: States
    ) -> tuple[tf.Tensor, States]:
        if self.layer.go_backwards:
            length = self.source.shape[1]
            index = (tf.shape(self.source)[1] if length is None else length) - 1 - index
        here = _at(self.source, index)
        projected = self.cell.project(here) if self.projects_within else here
        new_output, new_states = self.cell.step(projected, states)
        if self.mask is None:
            return new_output, new_states
        computed = not isinstance(index, int)
        valid = _at(self.mask_numbers, index) > 0 if computed else _at(self.mask, index)
        valid = valid[:, None]
        kept = tf.zeros_like(new_output) if self.layer.zero_output_for_mask else output
        return tf.where(valid, new_output, kept), [
            tf.where(valid, new, old) for new, old in zip(new_states, states, strict=True)
        ]

    def pack(self, output: tf.Tensor, states: States, outputs: tf.Tensor | None) -> list[tf.Tensor]:
        carried = [*states]
        if self.carries_output:
            carried.append(output)
        if outputs is not None:
            carried.append(outputs)
        return carried

    def unpack(self, carried: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, States, tf.Tensor | None]:
        values = list(carried)
        outputs = values.pop() if self.layer.return_sequences else None
        output = values.pop() if self.carries_output else values[0]
        return output, values, outputs
