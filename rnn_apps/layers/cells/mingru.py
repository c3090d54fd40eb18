"""The minimal gated recurrent unit, whose gates read the input alone.

Feng et al. 2024, "Were RNNs all we needed?" (arXiv 2410.01201), section 3.1, in the gate order
write, candidate:

    z, g = sigmoid(x_z), x_g
    h' = h + z (g - h)

Nothing is multiplied with the state, so the steps do not wait for each other: training computes
all of them by a parallel scan, and a device takes one plain step at a time, without a recurrent
kernel to read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Activations, Cell, Recall, States
from rnn_apps.layers.initializers import ChronoMinGRUBias
from rnn_apps.layers.recurrence.activations import DifferentiableActivation, activation
from rnn_apps.layers.recurrence.cell_layer import CellLayer
from rnn_apps.layers.recurrence.linear_recurrence import linear_recurrence
from rnn_apps.layers.recurrence.paths import gpu_is_visible
from rnn_apps.layers.recurrence.recurrent import FastRecurrence
from rnn_apps.layers.recurrence.steps_with_gradient import StepsWithGradient, Tensors, where_present


@keras.saving.register_keras_serializable(package="rnn_apps")
class MinGRUCell(keras.layers.Layer):
    """One time step of a `MinGRU` layer.

    Weights: `kernel` [features, 2 * units] and `bias` [2 * units], in the gate order write,
    candidate.

    Args:
        units: size of the state.
        activation: function of the candidate; linear in the paper's section 3.1.
        recurrent_activation: function of the write gate.
        use_bias: True if there is a bias.
        kernel_initializer, bias_initializer: initializers of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, bias_constraint: constraints of the weights.
        seed: seed of the layer's dropout.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "linear",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units = {units} must be at least 1")
        self.units = units
        self.state_size = units
        self.output_size = units
        self.activation = keras.activations.get(activation)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], 2 * self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(2 * self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Zeros [batch, units]."""
        return [keras.ops.zeros((batch_size, self.units), self.compute_dtype)]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One time step: inputs [batch, features], the state [batch, units]."""
        read = keras.ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            read = read + self.bias
        state = states[0] if isinstance(states, list | tuple) else states
        activations = Activations(self.activation, self.recurrent_activation)
        new = mingru_step(read, _recalls_nothing, [state], activations)
        return new[0], new

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class MinGRUSteps(StepsWithGradient):
    """See `StepsWithGradient`; the state is h, and there are no weights except the input's."""

    units: int
    activation: DifferentiableActivation
    recurrent_activation: DifferentiableActivation
    saved: ClassVar[int] = 2
    collected: ClassVar[int] = 1

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        x_z, x_g = tf.split(projected, 2, axis=-1)
        z = self.recurrent_activation.function(x_z)
        g = self.activation.function(x_g)
        return [states[0] + z * (g - states[0])], [z, g]

    def backward(
        self,
        d_states: Tensors,
        before: tf.Tensor,
        after: tf.Tensor,
        saved: Tensors,
        weights: Tensors,
        mask: tf.Tensor | None,
    ) -> tuple[Tensors, Tensors]:
        """The gradient of one time step."""
        (dh,) = d_states
        z, g = saved
        d_gate = dh * (g - before) * self.recurrent_activation.derivative(z)
        d_candidate = dh * z * self.activation.derivative(g)
        d_projected = where_present(mask, tf.concat([d_gate, d_candidate], axis=-1), 0.0)
        return [dh * where_present(mask, 1 - z, 1.0)], [d_projected]

    def collect_gradients(
        self, before: tf.Tensor, collected: Tensors, saved: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """The gradient with respect to `projected`; no weights have one."""
        return collected[0], []


@keras.saving.register_keras_serializable(package="rnn_apps")
class MinGRU(FastRecurrence, CellLayer):
    """The minimal gated recurrent unit over a sequence (Feng et al. 2024).

    In training all time steps are computed at once: on a GPU by a parallel scan, on a CPU by a
    compiled loop of elementwise steps, which touches every number once.

    Args:
        units: size of the state.
        dropout: share of the input's features that are dropped in training, the same ones at all
            time steps.
        parallel: True if training takes the parallel scan; None to do so only where there is a
            GPU.
        **options: arguments of `MinGRUCell` and of `keras.layers.RNN`.

    Raises:
        ValueError: `recurrent_weight_dropout` is given: there are no recurrent weights.
    """

    cell_type = MinGRUCell
    runs_on_gpu = True

    def __init__(
        self, units: int, dropout: float = 0.0, parallel: bool | None = None, **options: Any
    ) -> None:
        if options.get("recurrent_weight_dropout"):
            raise ValueError("recurrent_weight_dropout: a MinGRU has no recurrent weights to drop")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout = {dropout} must be in [0, 1)")
        super().__init__(units, **options)
        self.dropout = dropout
        self.parallel = parallel
        self.seed_generator = keras.random.SeedGenerator(self.cell.seed)

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """All time steps, as Keras' own method of this name; see `FastRecurrence`."""
        if training and self.dropout:
            shape = keras.ops.shape(sequences)
            sequences = keras.random.dropout(
                sequences,
                self.dropout,
                noise_shape=(shape[0], 1, shape[2]),
                seed=self.seed_generator,
            )
        return super().inner_loop(sequences, initial_state, mask, training=training)

    def _steps(self) -> StepsWithGradient:
        return MinGRUSteps(
            self.units,
            activation(self.cell.activation),
            activation(self.cell.recurrent_activation),
        )

    def _weights(self) -> tuple[tf.Tensor | None, list[tf.Tensor]]:
        return (self._weight("bias") if self.use_bias else None), []

    def _run_part(
        self, sequences: tf.Tensor, mask: Any, *states: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        parallel = gpu_is_visible() if self.parallel is None else self.parallel
        if not parallel:
            return super()._run_part(sequences, mask, *states)
        bias, _ = self._weights()
        projected = self._project(tf.transpose(sequences, [1, 0, 2]), bias)
        gate, candidate = tf.split(projected, 2, axis=-1)
        write = self.cell.recurrent_activation(gate)
        if mask is not None:
            write = tf.where(tf.transpose(mask)[..., None], write, tf.zeros_like(write))
        hiddens = linear_recurrence(1 - write, write * self.cell.activation(candidate), states[0])
        last = hiddens[-1]
        return (tf.transpose(hiddens, [1, 0, 2]) if self.return_sequences else last), last

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dropout": self.dropout, "parallel": self.parallel}


def _recalls_nothing(state: Any, gates: slice | None = None) -> Any:
    raise AssertionError("a minimal gated recurrent unit multiplies nothing with its state")


def mingru_step(read: Any, recall: Recall, states: States, activations: Activations) -> States:
    """The new state, see the module; a `Step`."""
    gate, candidate = tf.split(read, 2, axis=-1)
    candidate = activations.candidate(candidate)
    return [states[0] + activations.gate(gate) * (candidate - states[0])]


def mingru_start(
    read: Callable[[tuple[int, ...]], Any], recurrent_bias: Any, activations: Activations
) -> States:
    """The first state after zeros; a `Start`."""
    gate, candidate = tf.split(read((0, 1)), 2, axis=-1)
    return [activations.gate(gate) * activations.candidate(candidate)]


def _long_memory(timesteps: int) -> dict[str, Any]:
    return {"bias_initializer": ChronoMinGRUBias(timesteps)}


MINGRU_CELL = Cell(
    name="mingru",
    title="minGRU",
    gates=2,
    states=("h",),
    layer=MinGRU,
    keras_cell=MinGRUCell,
    step=mingru_step,
    start=mingru_start,
    recurrent=False,
    activations=Activations(candidate=tf.identity),
    long_memory=_long_memory,
)
