"""A Keras model as a step with explicit state: chunk by chunk what it gives for the whole."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers
from streamed_models import FEATURES, TIMESTEPS, normal

from rnn_apps.export import ExportError
from rnn_apps.export.planning.stateful_step import StatefulStep


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(4)
    return Sequential(
        [
            Input((None, FEATURES), name="series"),
            layers.LSTM(4, return_sequences=True),
            layers.GRU(3, return_sequences=True, name="out"),
        ]
    )


def test_streams_that_share_a_step_keep_to_their_own_states(model: keras.Model) -> None:
    step = StatefulStep(model, {"series"}, chunk=3)
    assert step.inputs == ("series",)
    data = normal(2, TIMESTEPS, FEATURES)
    states = [step.start(), step.start()]
    parts: list[list[np.ndarray]] = [[], []]
    for start in range(0, TIMESTEPS, 3):
        for row in (0, 1):
            chunk = {"series": data[row : row + 1, start : start + 3]}
            outputs, states[row] = step(chunk, states[row])
            parts[row].append(outputs["out"].numpy())
    for row in (0, 1):
        streamed = np.concatenate(parts[row], axis=1)
        np.testing.assert_allclose(streamed, model(data[row : row + 1]), atol=2e-6)


def test_a_state_of_the_models_own_is_carried_too(model: keras.Model) -> None:
    series, total = Input((None, FEATURES), name="series"), Input((FEATURES,), name="total")
    hidden = layers.GRU(2, return_sequences=True)(series)
    added = layers.Add()([total, layers.Lambda(lambda x: keras.ops.sum(x, 1))(series)])
    counting = Model({"series": series, "total": total}, {"hidden": hidden, "total_out": added})
    step = StatefulStep(counting, {"series"}, chunk=2)
    data, state = normal(1, 6, FEATURES), step.start()
    assert state["total"].shape == (1, FEATURES)
    for start in range(0, 6, 2):
        outputs, state = step({"series": data[:, start : start + 2]}, state)
        assert set(outputs) == {"hidden"}
    np.testing.assert_allclose(state["total"], data.sum(1), atol=1e-5)


def test_a_model_without_a_state_is_refused() -> None:
    model = Sequential([Input((None, FEATURES), name="series"), layers.Dense(2)])
    with pytest.raises(ExportError, match="carries no state"):
        StatefulStep(model, {"series"}, chunk=2)
