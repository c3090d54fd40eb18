"""int8 streams: ranges of whole sequences, also where a model's own length is one chunk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from keras import Input, Sequential, layers

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import export_tflite

FEATURES, STEPS = 2, 24
KINDS = {"LSTM": layers.LSTM, "GRU": layers.GRU}


def models(kind: str, units: int, chunk: int, seed: int) -> tuple[keras.Model, keras.Model]:
    """A stateful model that is made for `chunk` timesteps, and the same for any number of them.

    Its forget and update gates stay open, so that the state grows over many chunks.
    """
    keras.utils.set_random_seed(seed)
    built = []
    for shape, stateful in (((1, chunk, FEATURES), True), ((1, None, FEATURES), False)):
        layer = KINDS[kind](units, return_sequences=True, stateful=stateful, name="cells")
        built.append(
            Sequential(
                [Input(batch_shape=shape, name="series"), layer, layers.Dense(1, name="sum")]
            )
        )
    fixed, free = built
    kernel, recurrent, bias = fixed.get_layer("cells").get_weights()
    gate = slice(units, 2 * units) if kind == "LSTM" else slice(0, units)
    bias[..., gate] = 2.0
    fixed.get_layer("cells").set_weights([kernel, 0.3 * recurrent, bias])
    free.set_weights(fixed.get_weights())
    return fixed, free


def streams(rows: int, seed: int) -> np.ndarray:
    """Sequences above zero, which add up."""
    values = np.random.default_rng(seed).random((rows, STEPS, FEATURES))
    return values.astype(np.float32)


def off(path: Path, target: str, free: keras.Model, data: np.ndarray, chunk: int) -> float:
    """Largest error of streams, in units of the largest value, one after another with a reset."""
    session = StreamingSession(load(path, target))
    found = []
    for row in data:
        session.reset()
        parts = [session.step(row[None, t : t + chunk]) for t in range(0, STEPS, chunk)]
        found.append(np.concatenate(parts, axis=1)[0])
    wanted = np.concatenate([np.asarray(free(row[None])) for row in data])
    return float(np.abs(np.stack(found) - wanted).max() / np.abs(wanted).max())


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    target=st.sampled_from(["litert", "tflm"]),
    units=st.integers(3, 8),
    chunk=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 99),
    whole=st.booleans(),
)
def test_an_int8_stream_is_right_on_whole_streams_or_refused(
    kind: str, target: str, units: int, chunk: int, seed: int, whole: bool
) -> None:
    """Data of whole sequences, or, as the model's own shape says, of one chunk in a row."""
    fixed, free = models(kind, units, chunk, seed)
    data = streams(6, seed)
    given_data = data if whole else data.reshape(-1, chunk, FEATURES)
    options: dict[str, Any] = {"target": target, "mode": "streaming", "quantize": "int8"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.tflite"
        try:
            result = export_tflite(
                fixed, path, chunk=chunk, representative_data=given_data, card=False, **options
            )
        except ConfigurationError as refusal:
            assert not whole
            assert "one chunk" in str(refusal)
            assert not list(Path(folder).iterdir())
            return
        assert whole
        error = off(path, target, free, data, chunk)
        assert error <= 0.1
        assert error <= 1.01 * result.error / result.errors[-1].scale
        assert result.measured_on["step"].sequences == len(data)
        assert result.measured_on["step"].timesteps == STEPS


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_float_stream_is_proven_over_borders_that_its_data_has_not(
    chunk: int, tmp_path: Path
) -> None:
    fixed, free = models("LSTM", 4, chunk, 0)
    data = streams(4, 0)
    result = export_tflite(
        fixed,
        tmp_path / "m.tflite",
        mode="streaming",
        chunk=chunk,
        representative_data=data.reshape(-1, chunk, FEATURES),
        card=False,
    )
    assert result.measured_on["step"].timesteps >= 3 * chunk
    assert off(result.path, "litert", free, data, chunk) < 1e-5


def test_random_streams_have_several_chunks_of_any_size(tmp_path: Path) -> None:
    model = Sequential([Input((None, FEATURES)), layers.GRU(4, return_sequences=True)])
    result = export_tflite(
        model, tmp_path / "m.tflite", mode="streaming", chunk=30, form="rule", card=False
    )
    assert result.measured_on["step"].timesteps == 90
