"""A Mogrifier LSTM, whose input and state gate each other before each step, with its gradient.

Melis, Kočiský and Blunsom 2020, "Mogrifier LSTM" (arXiv 1909.01792), equations 6 and 7. In
rounds 1, 2, ... r the input x and the state h take turns, and then an LSTM reads both:

    x <- 2 sigmoid(h Q_i) x    in odd rounds i
    h <- 2 sigmoid(x R_i) h    in even rounds i
    h', c' = LSTM(x, h, c)

With r = 0 it is the LSTM. Each matrix may be the product of two narrow ones (their section 2).
Unlike in other cells the input changes with the state, so its product with the kernel cannot be
computed for all time steps at once.

Backwards a round whose gate is s = 2 sigmoid(a), which made y' = s y, gives

    da = dy' y s (1 - s / 2)
    dy = dy' s

and the source of the gate gets da times the round's matrix, transposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Activations, Cell, Recall, States, Step
from rnn_apps.layers.cells.lstm import LSTM_CELL, LSTMSteps, lstm_step
from rnn_apps.layers.recurrence.activations import activation
from rnn_apps.layers.recurrence.cell_layer import CellLayer
from rnn_apps.layers.recurrence.recurrent import FastRecurrence
from rnn_apps.layers.recurrence.steps_with_gradient import (
    StepsWithGradient,
    Tensors,
    product_over_time,
)

Rounds = Sequence[Sequence[Any]]
"""The factors of each round's matrix: one, or two whose product it is."""


@keras.saving.register_keras_serializable(package="rnn_apps")
class MogrifierCell(keras.layers.LSTMCell):
    """One time step of a `Mogrifier` layer.

    Weights: those of `keras.layers.LSTMCell`, then of each round its matrix `round_N`
    [units, features] in odd and [features, units] in even rounds, or the two factors
    `round_N_left` and `round_N_right` whose product it is. Of the input and of h the same entries
    are dropped for every gate, before the rounds; `implementation` has no effect.

    Args:
        units: size of each state.
        rounds: number of times that input and state gate each other; 0 for an LSTM.
        rank: number of columns of a round's left factor; 0 for whole matrices; None for a twelfth
            of the units, rounded up to a multiple of 4, which with five rounds adds about a tenth
            to the LSTM's weights. Where two factors would not have fewer weights than their
            product, as with few features, the matrix is whole.
        round_initializer: initializer of the rounds' left factors. The right factors and the whole
            matrices are zero at first, so that training begins with every gate at 1, as an LSTM.
        **options: arguments of `keras.layers.LSTMCell`.

    Raises:
        ValueError: rounds or rank below 0.
    """

    def __init__(
        self,
        units: int,
        rounds: int = 5,
        rank: int | None = None,
        round_initializer: Any = "glorot_uniform",
        **options: Any,
    ) -> None:
        for name, value in (("rounds", rounds), ("rank", rank or 0)):
            if value < 0:
                raise ValueError(f"{name} = {value} must be at least 0")
        super().__init__(units, **options)
        # With recurrent_dropout Keras computes gate by gate, with four masks instead of one.
        self.implementation = 2
        self.dropout_mask_count = None
        self.rounds = rounds
        self.rank = rank
        self.round_initializer = keras.initializers.get(round_initializer)

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        super().build(input_shape)
        features = input_shape[-1]
        self.round_factors = [
            self._factors(index, *((features, self.units) if index % 2 else (self.units, features)))
            for index in range(self.rounds)
        ]

    def _factors(self, index: int, rows: int, columns: int) -> list[Any]:
        rank = 4 * -(-self.units // 48) if self.rank is None else self.rank
        name = f"round_{index + 1}"
        if not 0 < rank * (rows + columns) < rows * columns:
            return [self.add_weight(name=name, shape=(rows, columns), initializer="zeros")]
        # Each its own: one initializer gives every matrix of a shape the same numbers.
        own = self.round_initializer.clone()
        return [
            self.add_weight(name=f"{name}_left", shape=(rows, rank), initializer=own),
            self.add_weight(name=f"{name}_right", shape=(rank, columns), initializer="zeros"),
        ]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One time step: inputs [batch, features], states h and c [batch, units]."""
        hidden, memory = states
        if training and 0.0 < self.dropout < 1.0:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and 0.0 < self.recurrent_dropout < 1.0:
            hidden = hidden * self.get_recurrent_dropout_mask(hidden)
        inputs, hidden = mogrified(inputs, hidden, self.round_factors)
        # What is dropped in training has been dropped above.
        output, new = super().call(inputs, [hidden, memory], training=False)
        return output, new

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "rounds": self.rounds,
            "rank": self.rank,
            "round_initializer": keras.initializers.serialize(self.round_initializer),
        }


def mogrified(inputs: Any, hidden: Any, rounds: Rounds) -> tuple[Any, Any]:
    """The input and the state after all rounds, see the module.

    Args:
        inputs: input of a time step, [..., features].
        hidden: state h before it, [..., units].
        rounds: factors of each round's matrix.
    """
    for index, factors in enumerate(rounds):
        product = inputs if index % 2 else hidden
        for factor in factors:
            product = keras.ops.matmul(product, factor)
        gate = 2.0 * keras.ops.sigmoid(product)
        if index % 2:
            hidden = gate * hidden
        else:
            inputs = gate * inputs
    return inputs, hidden


@dataclass(frozen=True)
class MogrifierSteps(StepsWithGradient):
    """See `StepsWithGradient`; the states are h and c, and `projected` is the input itself.

    The weights are the kernel on top of the recurrent kernel [features + units, 4 * units], the
    bias, and all factors of all rounds.

    Args:
        units: size of each state.
        features: size of the input. TensorFlow forgets a size that differs from call to call, so
            layers with inputs of different sizes must not be equal.
        lstm: steps of the LSTM that reads what the rounds made.
        factors: numbers of columns of the one or two factors of each round's matrix.
    """

    units: int
    features: int
    lstm: LSTMSteps
    factors: tuple[tuple[int, ...], ...]

    @property
    def saved(self) -> int:
        """Those of the LSTM, the input, each round's gate, and what is between two factors."""
        return self.lstm.saved + 1 + sum(map(len, self.factors))

    @property
    def collected(self) -> int:
        """The gradients of the LSTM's gates, of the input, and after each factor's product."""
        return 2 + sum(map(len, self.factors))

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        inputs, (hidden, memory) = projected, states
        kernel, bias, *flat = weights
        narrow, gates = [], []
        for index, factors in enumerate(self._by_round(flat)):
            product = inputs if index % 2 else hidden
            for factor in factors[:-1]:
                product = tf.matmul(product, factor)
                narrow.append(product)
            gates.append(2.0 * tf.sigmoid(tf.matmul(product, factors[-1])))
            if index % 2:
                hidden = gates[-1] * hidden
            else:
                inputs = gates[-1] * inputs
        z = tf.matmul(tf.concat([inputs, hidden], axis=-1), kernel) + bias
        new, kept = self.lstm.advance(z, memory)
        return new, [*kept, projected, *gates, *narrow]

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
        of_lstm, inputs, gates, _ = self._parts(saved)
        dz, d_memory = self.lstm.gate_gradients(d_states, of_lstm, mask)
        kernel, _, *flat = weights
        d_inputs, d_hidden = tf.split(tf.matmul(dz, kernel), [self.features, self.units], axis=-1)
        pairs = _pairs(inputs, before, gates)
        collected: Tensors = []
        for index, factors in reversed(list(enumerate(self._by_round(flat)))):
            gate, (x, h) = gates[index], pairs[index]
            d_gated, gated = (d_hidden, h) if index % 2 else (d_inputs, x)
            d_product = d_gated * gated * gate * (1.0 - 0.5 * gate)
            for factor in reversed(factors):
                collected.insert(0, d_product)
                d_product = tf.matmul(d_product, factor)
            if index % 2:
                d_inputs, d_hidden = d_inputs + d_product, d_hidden * gate
            else:
                d_inputs, d_hidden = d_inputs * gate, d_hidden + d_product
        if mask is not None:
            d_hidden = tf.where(mask, d_hidden, d_states[0])
        return [d_hidden, d_memory], [dz, d_inputs, *collected]

    def collect_gradients(
        self, before: tf.Tensor, collected: Tensors, saved: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """The gradients that no step waits for."""
        dz, d_inputs, *d_products = collected
        _, inputs, gates, narrow = self._parts(saved)
        *pairs, last = _pairs(inputs, before, gates)
        kernel = product_over_time(tf.concat(last, axis=-1), dz)
        of_rounds: Tensors = []
        between = iter(narrow)
        for index, (d_factors, pair) in enumerate(
            zip(self._by_round(d_products), pairs, strict=True)
        ):
            multiplied = [
                pair[0] if index % 2 else pair[1],
                *(next(between) for _ in d_factors[1:]),
            ]
            of_rounds += map(product_over_time, multiplied, d_factors)
        return d_inputs, [kernel, tf.reduce_sum(dz, axis=[0, 1]), *of_rounds]

    def _parts(self, saved: Tensors) -> tuple[Tensors, tf.Tensor, Tensors, Tensors]:
        """What `forward` keeps: the LSTM's, the input, the gates, what is between two factors."""
        of_lstm, rest = saved[: self.lstm.saved], saved[self.lstm.saved :]
        rounds = len(self.factors)
        return of_lstm, rest[0], rest[1 : 1 + rounds], rest[1 + rounds :]

    def _by_round(self, flat: Tensors) -> list[Tensors]:
        """What there is one of per factor, in a list for each round."""
        following = iter(flat)
        return [[next(following) for _ in columns] for columns in self.factors]


def _pairs(inputs: tf.Tensor, hidden: tf.Tensor, gates: Tensors) -> list[Tensors]:
    """Input and state before each round, and after the last one."""
    pairs = [[inputs, hidden]]
    for index, gate in enumerate(gates):
        x, h = pairs[-1]
        pairs.append([x, gate * h] if index % 2 else [gate * x, h])
    return pairs


@keras.saving.register_keras_serializable(package="rnn_apps")
class Mogrifier(FastRecurrence, CellLayer):
    """A Mogrifier LSTM (Melis et al. 2020) over a sequence.

    Arguments are those of `MogrifierCell` and of `keras.layers.RNN`; see `FastRecurrence` for one
    more.
    """

    cell_type = MogrifierCell

    def _steps(self) -> StepsWithGradient:
        lstm = LSTMSteps(
            self.units,
            activation(self.cell.activation),
            activation(self.cell.recurrent_activation),
        )
        # Without a round the input's product waits for no state: it is an LSTM in all respects.
        if not self.cell.rounds:
            return lstm
        factors = tuple(tuple(one.shape[1] for one in of) for of in self.cell.round_factors)
        return MogrifierSteps(self.units, self.cell.kernel.shape[0], lstm, factors)

    def _weights(self) -> tuple[tf.Tensor | None, list[tf.Tensor]]:
        if not self.cell.rounds:
            return super()._weights()
        kernel, recurrent_kernel = self._weight("kernel"), self._weight("recurrent_kernel")
        bias = self._weight("bias") if self.use_bias else tf.zeros([4 * self.units], kernel.dtype)
        factors = [
            tf.cast(keras.ops.convert_to_tensor(factor), self.compute_dtype)
            for of_round in self.cell.round_factors
            for factor in of_round
        ]
        return None, [tf.concat([kernel, recurrent_kernel], axis=0), bias, *factors]

    def _project(self, sequences: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        if not self.cell.rounds:
            return super()._project(sequences, bias)
        return tf.cast(sequences, self.compute_dtype)


def _variant(own: Any) -> Step:
    """The equations with the weights of one cell; `read` is its input."""
    kernel = tf.convert_to_tensor(own.kernel)
    bias = None if own.bias is None else tf.convert_to_tensor(own.bias)
    rounds = [[tf.convert_to_tensor(factor) for factor in factors] for factors in own.round_factors]

    def step(read: Any, recall: Recall, states: States, activations: Activations) -> States:
        inputs, hidden = mogrified(read, states[0], rounds)
        projected = keras.ops.matmul(inputs, kernel)
        projected = projected if bias is None else projected + bias
        return lstm_step(projected, recall, [hidden, states[1]], activations)

    return step


MOGRIFIER_CELL = Cell(
    name="mogrifier",
    title="Mogrifier LSTM",
    gates=4,
    states=("h", "c"),
    layer=Mogrifier,
    keras_cell=MogrifierCell,
    step=None,
    # A state of zeros opens each input gate to 1 and stays zero: the first step is an LSTM's.
    start=LSTM_CELL.start,
    forget_gate=1,
    variant=_variant,
    long_memory=LSTM_CELL.long_memory,
    options={"rounds": 0, "rank": 0},
)
