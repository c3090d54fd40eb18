"""A Keras model as a step with explicit state: the caller passes a state in and receives the next.

The states are those that a streaming export of the model has (`streaming_plan`); here Keras itself
computes the step, in this process, and nothing is converted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import keras
import numpy as np
import tensorflow as tf

from rnn_apps.export.planning.stream_step import StreamingStep, of_any_length
from rnn_apps.export.signature.model_signature import signature_of

Tensors = dict[str, tf.Tensor]


class StatefulStep:
    """Runs a model chunk by chunk, one sequence at a time.

    It keeps no state itself, so that many streams can share it. That the steps of a sequence
    together give what the model gives for the whole is judged where the model is exported
    (`streaming_plan`), not here.

    Attributes:
        inputs: names of the inputs that a step takes alongside its states.

    Args:
        model: a Keras model with recurrent layers, with states of its own (inputs NAME whose next
            values are outputs NAME_out), or with both.
        timed: names of the model's inputs that are sequences and come in chunks.
        chunk: number of timesteps in one step.

    Raises:
        ExportError: the model cannot be traced on single chunks, or has no state.
    """

    def __init__(self, model: keras.Model, timed: Collection[str], chunk: int) -> None:
        whole = signature_of(model, None, batch_size=1)
        inputs = tuple(map(of_any_length, whole.inputs))
        whole = dataclasses.replace(whole, any_length=True, inputs=inputs)
        step = StreamingStep("step", model, whole, frozenset(timed), chunk, False, False)
        step.trace()
        self._states = step.stream().states
        self.inputs = tuple(i.name for i in step.signature.inputs if i.name not in self._states)
        self._function = tf.function(step.function({}), autograph=False)

    def start(self) -> Tensors:
        """The state at the beginning of a sequence: zeros, float32, by name."""
        return {name: tf.zeros(shape) for name, shape in self._states.items()}

    def __call__(
        self, inputs: Mapping[str, np.ndarray], state: Mapping[str, tf.Tensor]
    ) -> tuple[Tensors, Tensors]:
        """Runs one step.

        Args:
            inputs: the arrays of this chunk, [1, chunk, ...], by the names in `inputs`.
            state: the state that `start` or the step before returned.

        Returns:
            The model's outputs by name, and the next state.
        """
        given = {name: tf.constant(inputs[name]) for name in self.inputs}
        outputs = dict(self._function({**given, **state}))
        return outputs, {name: outputs.pop(f"{name}_out") for name in self._states}
