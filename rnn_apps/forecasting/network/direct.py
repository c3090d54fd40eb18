"""Direct multi-horizon forecasts from the last state of a recurrent encoder.

After the MQ-RNN (Wen et al. 2017, "A multi-horizon quantile recurrent forecaster", section 3.2):
a global layer gives every step of the horizon its own context; a local network, the same for all
steps, combines that context with what is known of the step.
"""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.forecasting.config import OUTPUTS
from rnn_apps.forecasting.network.inputs import past_sequence, with_context
from rnn_apps.forecasting.network.network import Features, Network, network
from rnn_apps.forecasting.network.recurrent import stack

_STEP_CONTEXT = 16
"""Size of the context vector per step of the horizon."""


@network(
    "direct",
    outputs=OUTPUTS,
    past=True,
    future=True,
    static=True,
    calendar=True,
    series_embedding=True,
    sample_paths="copula",
)
class Direct(Network):
    """See the module."""

    def outputs(self, features: Features, width: int) -> Any:
        """See `Network`."""
        config = self.config
        sequence = past_sequence(features, config.lookback)
        sequence = with_context(sequence, features.context, config.lookback)
        state, _ = stack(
            sequence,
            cell=config.cell,
            options=config.cell_options,
            units=config.units,
            layers=config.layers,
            dropout=config.dropout,
            name="encoder",
        )
        state = keras.layers.Dropout(config.dropout)(state)
        context = keras.layers.Dense(
            config.horizon * _STEP_CONTEXT, activation="relu", name="step_contexts"
        )(state)
        steps = keras.layers.Reshape((config.horizon, _STEP_CONTEXT))(context)
        if features.future is not None:
            steps = keras.layers.Concatenate()([steps, features.future])
        steps = with_context(steps, features.context, config.horizon)
        hidden = keras.layers.Dense(config.units, activation="relu", name="step_hidden")(steps)
        return keras.layers.Dense(width, dtype="float32", name="output")(hidden)
