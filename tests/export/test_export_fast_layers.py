"""The layers and cells of `rnn_apps.layers` leave as Keras' own do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import Input, Sequential
from keras import layers as keras_layers

from rnn_apps import layers as fast_layers
from rnn_apps.edge import load
from rnn_apps.export import export_tflite
from rnn_apps.layers.cells import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
    ZoneoutCell,
)

TIMESTEPS, FEATURES = 20, 4
DATA = np.random.default_rng(5).normal(size=(6, TIMESTEPS, FEATURES)).astype(np.float32)
DATA[1, 12:], DATA[2, :3] = 0, 0


def stacked(source: Any, masked: bool) -> keras.Model:
    """LSTM, Bidirectional GRU and SimpleRNN of one module, biases that are not zero."""
    keras.utils.set_random_seed(11)
    return Sequential(
        [
            Input((TIMESTEPS, FEATURES), name="series"),
            *([keras_layers.Masking()] if masked else []),
            source.LSTM(5, return_sequences=True, bias_initializer="glorot_uniform", name="lstm"),
            source.Bidirectional(
                source.GRU(4, return_sequences=True, bias_initializer="glorot_uniform"), name="both"
            ),
            source.SimpleRNN(3, go_backwards=True, name="rnn"),
        ]
    )


@pytest.mark.parametrize("masked", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_file_of_fast_layers_is_that_of_keras_layers(masked: bool, tmp_path: Path) -> None:
    """Not nearly: the same operators and, on the device, the same bits."""
    models = {"keras": stacked(keras_layers, masked), "fast": stacked(fast_layers, masked)}
    models["fast"].set_weights(models["keras"].get_weights())
    found = []
    for name, model in models.items():
        result = export_tflite(
            model,
            tmp_path / f"{name}.tflite",
            representative_data=DATA,
            batch_size=1,
            form="rule",
            card=False,
        )
        assert result.error <= 1e-6
        kinds = [(form.kind, form.form) for form in result.forms]
        outputs = load(result.path)({"series": DATA[1:2]})["rnn"]
        found.append((kinds, result.operators, outputs.tobytes()))
    assert found[0] == found[1]


def test_weights_that_drop_in_training_only_are_whole_in_the_file(tmp_path: Path) -> None:
    keras.utils.set_random_seed(12)
    layer = fast_layers.LSTM(6, recurrent_weight_dropout=0.5, dropout=0.3, name="lstm")
    model = Sequential([Input((None, FEATURES), name="series"), layer])
    model.compile("sgd", "mse")
    model.fit(DATA, np.ones((len(DATA), 6), np.float32), verbose=0)
    result = export_tflite(
        model, tmp_path / "m.tflite", representative_data=DATA, form="fused", card=False
    )
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in result.operators
    plain = keras_layers.LSTM(6)
    plain.build(DATA.shape)
    plain.set_weights(layer.get_weights())
    found = load(result.path)({"series": DATA})["lstm"]
    np.testing.assert_allclose(found, plain(DATA), atol=1e-6)


@pytest.mark.parametrize("target", ["litert", "tflm"])
def test_normalised_and_zoneout_cells(target: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(13)
    cells = [
        ZoneoutCell(LayerNormLSTMCell(5), rates=[0.2, 0.4]),
        LayerNormGRUCell(4),
        LayerNormSimpleRNNCell(4),
    ]
    model = Sequential(
        [
            Input((TIMESTEPS, FEATURES), name="series"),
            *(keras_layers.RNN(cell, return_sequences=True) for cell in cells),
            keras_layers.Dense(2, name="values"),
        ]
    )
    generator = np.random.default_rng(6)
    model.set_weights(
        [w + 0.1 * generator.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()]
    )
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target=target,
        representative_data=DATA,
        form="rule",
        card=False,
    )
    assert {form.form for form in result.forms} == {"loop"}
    found = load(result.path, target)({"series": DATA[:1]})["values"]
    np.testing.assert_allclose(found, model(DATA[:1]), atol=1e-5)
