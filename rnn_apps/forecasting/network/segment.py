"""SegRNN: recurrence over segments, and parallel decoding of all segments to come.

Lin et al. 2023, "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series Forecasting".
`segment_length` values are projected to one step of the recurrence, so that it runs over
lookback / segment_length steps. Every output segment is decoded in one step of a cell from the
encoder's last state ("parallel multi-step forecasting", section 4.2); a learnt position and the
series' embedding tell the segments apart.

Two differences from the paper: the decoding cell has weights of its own, and future segments also
read their known-future covariates and calendar.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.config import OUTPUTS, ForecastingConfig
from rnn_apps.forecasting.network.inputs import past_sequence
from rnn_apps.forecasting.network.network import Features, Network, network
from rnn_apps.forecasting.network.recurrent import stack
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.layers.initializers import ForgetGateBias


@keras.saving.register_keras_serializable(package="rnn_apps")
class ParallelDecoder(keras.layers.Layer):
    """One step of a recurrent cell from one state, for all future segments at once.

    All segments share the state's product with the recurrent kernel, which a recurrent layer called
    once per segment would compute again and again. That makes a long horizon nearly free.

    Args:
        cell: name of a registered cell, such as "gru" (with the reset gate after the product).
        units: size of the state.
        segments: number of segments to decode.

    Call: states, a list of [batch, units], those of the cell; optionally `future`
    [batch, segments, F] and `context` [batch, S] -> [batch, segments, units].
    """

    def __init__(self, cell: str, units: int, segments: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.segments = segments
        self._equations = find_cell(cell)
        gates = self._equations.gates * units
        # Half of the cell's input is the position, as the paper gives the other half to the series.
        # The sublayers keep this layer's precision when a file is loaded under another policy.
        plain: dict[str, Any] = {"use_bias": False, "dtype": self.dtype_policy}
        self.position = keras.layers.Dense(gates, name="position_kernel", **plain)
        self.known = keras.layers.Dense(gates, name="future_kernel", **plain)
        self.described = keras.layers.Dense(gates, name="context_kernel", **plain)
        self.recurrent = (
            keras.layers.Dense(
                gates,
                dtype=self.dtype_policy,
                kernel_initializer=_orthogonal_gates,
                name="recurrent_kernel",
            )
            if self._equations.recurrent
            else None
        )

    def build(
        self,
        states_shape: list[tuple[int | None, ...]],
        future_shape: tuple[int | None, ...] | None = None,
        context_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Makes the weights."""
        size = max(1, self.units // 2)
        self.positions = self.add_weight(
            name="positions",
            shape=(self.segments, size),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self._equations.gates * self.units,), initializer=self._initial_bias
        )
        self.position.build((self.segments, size))
        if self.recurrent is not None:
            self.recurrent.build((None, self.units))
        if future_shape is not None:
            self.known.build(future_shape)
        if context_shape is not None:
            self.described.build(context_shape)

    def call(
        self,
        states: list[tf.Tensor],
        future: tf.Tensor | None = None,
        context: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """See the class."""
        entering = (self.position(ops.convert_to_tensor(self.positions)) + self.bias)[None]
        if future is not None:
            entering = entering + self.known(future)
        if context is not None:
            entering = entering + ops.expand_dims(self.described(context), 1)

        def recall(state: tf.Tensor, gates: slice | None = None) -> tf.Tensor:
            assert self.recurrent is not None
            if state.shape[1] == 1:
                product = ops.expand_dims(self.recurrent(ops.squeeze(state, 1)), 1)
            else:
                product = self.recurrent(state)
            if gates is None:
                return product
            return product[..., gates.start * self.units : gates.stop * self.units]

        own = [ops.expand_dims(state, 1) for state in states]
        step = self._equations.plain_step("a parallel decoder")
        decoded: tf.Tensor = step(entering, recall, own, self._equations.activations)[0]
        return decoded

    def _initial_bias(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Zeros, but ones for a forget gate (Jozefowicz et al. 2015), as in Keras."""
        if self._equations.forget_gate is None:
            return ops.zeros(shape, dtype)
        bias = ForgetGateBias("zeros", self._equations.gates, self._equations.forget_gate)
        return bias(shape, dtype)

    def compute_output_shape(
        self, states_shape: list[tuple[int | None, ...]], *others: Any
    ) -> tuple[int | None, ...]:
        """See the class."""
        return (states_shape[0][0], self.segments, self.units)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        shape = {"cell": self.cell, "units": self.units, "segments": self.segments}
        return {**super().get_config(), **shape}


def _orthogonal_gates(shape: tuple[int, int], dtype: Any = None) -> Any:
    """An orthogonal matrix, Keras' initial recurrent kernel."""
    return keras.initializers.Orthogonal()(shape, dtype)


@network(
    "segment",
    outputs=OUTPUTS,
    past=True,
    future=True,
    static=True,
    calendar=True,
    series_embedding=True,
    sample_paths="copula",
)
class Segment(Network):
    """See the module."""

    def check(self) -> None:
        """Refuses a cell without an input product, and a window that is not whole segments."""
        find_cell(self.config.cell).plain_step("model = 'segment'")
        lookback, length = self.config.lookback, self.config.segment_length
        if lookback % length:
            whole = max(1, round(lookback / length)) * length
            raise ConfigurationError(
                f"lookback = {lookback} is not a multiple of segment_length = {length}: choose "
                f"lookback = {whole}, or another segment_length"
            )

    def outputs(self, features: Features, width: int) -> Any:
        """See `Network`."""
        config = self.config
        length = config.segment_length
        sequence = past_sequence(features, config.lookback)
        channels = sequence.shape[-1]
        segments = keras.layers.Reshape((config.lookback // length, length * channels))(sequence)
        embedded = keras.layers.Dense(config.units, activation="relu", name="segment_embedding")(
            segments
        )
        _, states = stack(
            embedded,
            cell=config.cell,
            options=config.cell_options,
            units=config.units,
            layers=config.layers,
            dropout=config.dropout,
            name="encoder",
        )
        count = -(-config.horizon // length)
        decoder = ParallelDecoder(config.cell, config.units, count, name="decoder")
        future = _future_segments(features, config, count)
        decoded = decoder(states[-1], future=future, context=features.context)
        decoded = keras.layers.Dropout(config.dropout)(decoded)
        raw = keras.layers.Dense(length * width, dtype="float32", name="output")(decoded)
        raw = keras.layers.Reshape((count * length, width), dtype="float32")(raw)
        surplus = count * length - config.horizon
        if surplus:
            raw = keras.layers.Cropping1D((0, surplus), dtype="float32")(raw)
        return raw


def _future_segments(features: Features, config: ForecastingConfig, count: int) -> Any | None:
    """The known inputs of future segments [batch, segments, length * F], padded with zeros."""
    if features.future is None:
        return None
    future = features.future
    surplus = count * config.segment_length - config.horizon
    if surplus:
        future = keras.layers.ZeroPadding1D((0, surplus))(future)
    size = config.segment_length * future.shape[-1]
    return keras.layers.Reshape((count, size))(future)
