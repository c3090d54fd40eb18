"""Cells with layer normalisation inside, and zoneout around any cell; for `keras.layers.RNN`.

Layer normalisation: Ba, Kiros and Hinton 2016, "Layer normalization". Zoneout: Krueger et al.
2017, "Zoneout: regularizing RNNs by randomly preserving hidden activations".
"""

from __future__ import annotations

from typing import Any

import keras

_EPSILON = 1e-5


class _NormalisedCell(keras.layers.Layer):
    """What the three cells have in common: sizes, kernels, the bias, normalisations.

    Args:
        units: size of the state.
        kernel_initializer, recurrent_initializer, bias_initializer: as in Keras' cells.
    """

    gates: int

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.output_size = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    @property
    def state_size(self) -> Any:
        """The size of h."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Makes kernels and bias; a subclass adds its normalisations."""
        columns = self.gates * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], columns), initializer=self.kernel_initializer
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, columns),
            initializer=self.recurrent_initializer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(columns,), initializer=self.bias_initializer
        )

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Zeros [batch, units] for each state."""
        sizes = keras.tree.flatten(self.state_size)
        return [keras.ops.zeros((batch_size, size), self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": serialize(self.kernel_initializer),
            "recurrent_initializer": serialize(self.recurrent_initializer),
            "bias_initializer": serialize(self.bias_initializer),
        }

    def _gain(self, name: str, size: int) -> Any:
        return self.add_weight(name=name, shape=(size,), initializer="ones")


def normalised(values: Any, gain: Any) -> Any:
    """gain * (values - mean) / deviation over the last axis (the paper's equation 3), in float32.

    There is no shift: where it is called, a bias is added after.
    """
    wide = keras.ops.cast(values, "float32")
    mean, variance = keras.ops.moments(wide, axes=-1, keepdims=True)
    scaled = keras.ops.cast((wide - mean) * keras.ops.rsqrt(variance + _EPSILON), values.dtype)
    return scaled * gain


def normalised_simple(
    read: Any, recalled: Any, states: list[Any], vectors: dict[str, Any]
) -> list[Any]:
    """The new state of a `LayerNormSimpleRNNCell`.

    Args:
        read: the input times the kernel, [batch, units].
        recalled: h times the recurrent kernel, [batch, units].
        states: h.
        vectors: the cell's vectors by their names.
    """
    return [keras.ops.tanh(normalised(read + recalled, vectors["gain"]) + vectors["bias"])]


def normalised_lstm(
    read: Any,
    recalled: Any,
    states: list[Any],
    vectors: dict[str, Any],
    forget_bias: float = 1.0,
) -> list[Any]:
    """The new h and c of a `LayerNormLSTMCell`; arguments as of `normalised_simple`."""
    summed = normalised(read, vectors["input_gain"])
    summed += normalised(recalled, vectors["recurrent_gain"])
    write, keep, candidate, give = keras.ops.split(summed + vectors["bias"], 4, axis=-1)
    keep = keras.ops.sigmoid(keep + forget_bias)
    memory = keep * states[1] + keras.ops.sigmoid(write) * keras.ops.tanh(candidate)
    shown = keras.ops.tanh(normalised(memory, vectors["memory_gain"]) + vectors["memory_bias"])
    return [keras.ops.sigmoid(give) * shown, memory]


def normalised_gru(
    read: Any, recalled: Any, states: list[Any], vectors: dict[str, Any]
) -> list[Any]:
    """The new state of a `LayerNormGRUCell`; arguments as of `normalised_simple`."""
    hidden, bias = states[0], vectors["bias"]
    gates = 2 * hidden.shape[-1]
    summed = normalised(read[:, :gates], vectors["input_gate_gain"])
    summed += normalised(recalled[:, :gates], vectors["recurrent_gate_gain"]) + bias[:gates]
    update, reset = keras.ops.split(keras.ops.sigmoid(summed), 2, axis=-1)
    candidate = keras.ops.tanh(
        normalised(read[:, gates:], vectors["input_gain"])
        + bias[gates:]
        + reset * normalised(recalled[:, gates:], vectors["recurrent_gain"])
    )
    return [update * hidden + (1.0 - update) * candidate]


@keras.saving.register_keras_serializable(package="rnn_apps")
class LayerNormSimpleRNNCell(_NormalisedCell):
    """h = tanh(LN(W x + U h) + b): the paper's equation 4."""

    gates = 1

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        super().build(input_shape)
        self.gain = self._gain("gain", self.units)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        read = keras.ops.matmul(inputs, self.kernel)
        recalled = keras.ops.matmul(states[0], self.recurrent_kernel)
        new = normalised_simple(read, recalled, states, {"gain": self.gain, "bias": self.bias})
        return new[0], new


@keras.saving.register_keras_serializable(package="rnn_apps")
class LayerNormLSTMCell(_NormalisedCell):
    """An LSTM that normalises W x, U h and the memory c: the paper's equations 20 to 22.

    Gates are in Keras' order: input, forget, candidate, output. The forget gate's bias is 1 more
    than what `bias_initializer` gives, if `unit_forget_bias` (Jozefowicz et al. 2015).

    Args:
        units: size of h and of c.
        unit_forget_bias: see above.
        **kwargs: initializers, and those of a layer.
    """

    gates = 4

    def __init__(self, units: int, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    @property
    def state_size(self) -> Any:
        """The sizes of h and c."""
        return [self.units, self.units]

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        super().build(input_shape)
        self.input_gain = self._gain("input_gain", 4 * self.units)
        self.recurrent_gain = self._gain("recurrent_gain", 4 * self.units)
        self.memory_gain = self._gain("memory_gain", self.units)
        self.memory_bias = self.add_weight(
            name="memory_bias", shape=(self.units,), initializer="zeros"
        )

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        hidden, memory = states
        read = keras.ops.matmul(inputs, self.kernel)
        recalled = keras.ops.matmul(hidden, self.recurrent_kernel)
        vectors = {
            "bias": self.bias, "input_gain": self.input_gain,
            "recurrent_gain": self.recurrent_gain, "memory_gain": self.memory_gain,
            "memory_bias": self.memory_bias,
        }  # fmt: skip
        new = normalised_lstm(
            read, recalled, [hidden, memory], vectors, 1.0 if self.unit_forget_bias else 0.0
        )
        return new[0], new

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


@keras.saving.register_keras_serializable(package="rnn_apps")
class LayerNormGRUCell(_NormalisedCell):
    """A GRU that normalises W x and U h, the candidate's apart from the gates' (supplement, S4).

    Gates are in Keras' order: update, reset, candidate; h = z * h + (1 - z) * candidate.
    """

    gates = 3

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        super().build(input_shape)
        self.input_gate_gain = self._gain("input_gate_gain", 2 * self.units)
        self.recurrent_gate_gain = self._gain("recurrent_gate_gain", 2 * self.units)
        self.input_gain = self._gain("input_gain", self.units)
        self.recurrent_gain = self._gain("recurrent_gain", self.units)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        read = keras.ops.matmul(inputs, self.kernel)
        recalled = keras.ops.matmul(states[0], self.recurrent_kernel)
        vectors = {
            "bias": self.bias, "input_gate_gain": self.input_gate_gain,
            "recurrent_gate_gain": self.recurrent_gate_gain, "input_gain": self.input_gain,
            "recurrent_gain": self.recurrent_gain,
        }  # fmt: skip
        new = normalised_gru(read, recalled, states, vectors)
        return new[0], new


@keras.saving.register_keras_serializable(package="rnn_apps")
class ZoneoutCell(keras.layers.Layer):
    """Another cell, some of whose state's units keep their value in a timestep.

    In training each unit keeps its value with the state's rate, drawn anew for every timestep; in
    inference every unit takes the expectation (equations 2 and 3). What the cell gives out is its
    first state after zoneout.

    Args:
        cell: a cell whose output is its first state: any of Keras' or of this module, without
            dropout of its own.
        rates: one for each state: of an LSTM h and c.
        seed: of the draws.

    Raises:
        ValueError: rates that are not in [0, 1), or not as many as states; a cell with dropout.
    """

    def __init__(
        self, cell: keras.layers.Layer, rates: list[float], seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        states = len(keras.tree.flatten(cell.state_size))
        if len(rates) != states or not all(0.0 <= rate < 1.0 for rate in rates):
            raise ValueError(f"rates = {rates} must be {states} numbers in [0, 1)")
        if getattr(cell, "dropout", 0.0) or getattr(cell, "recurrent_dropout", 0.0):
            raise ValueError("a cell inside ZoneoutCell cannot have dropout: put it outside")
        self.cell = cell
        self.rates = list(rates)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size = cell.state_size
        self.output_size = cell.output_size

    def build(self, input_shape: Any) -> None:
        """Builds the inner cell, which loading a model has done before."""
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size: Any = None) -> Any:
        """The inner cell's."""
        return self.cell.get_initial_state(batch_size=batch_size)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        before = keras.tree.flatten(states)
        _, new = self.cell(inputs, states)
        after = [
            self._mixed(old, value, rate, training) if rate else value
            for old, value, rate in zip(before, keras.tree.flatten(new), self.rates, strict=True)
        ]
        return after[0], after

    def _mixed(self, old: Any, new: Any, rate: float, training: bool) -> Any:
        if not training:
            return rate * old + (1.0 - rate) * new
        drawn = keras.random.uniform(keras.ops.shape(new), seed=self.seed_generator)
        return keras.ops.where(drawn < rate, old, new)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "rates": self.rates,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ZoneoutCell:
        """The inverse of `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return super().from_config({**config, "cell": cell})
