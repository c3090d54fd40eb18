"""Whatever is asked for: a verified file or a clear refusal that leaves nothing behind."""

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

from pipelines.base.errors import UserError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import export_tflite

LAYERS = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A model's description and the options of its export."""
    kind = draw(st.sampled_from(sorted(LAYERS)))
    bidirectional = draw(st.booleans())
    layer: dict[str, Any] = {
        "units": draw(st.integers(1, 9)),
        "return_sequences": draw(st.booleans()),
        # Keras itself refuses Bidirectional around a layer that goes backwards.
        "go_backwards": not bidirectional and draw(st.booleans()),
        "use_bias": draw(st.booleans()),
        "activation": draw(st.sampled_from(["tanh", "relu", "linear", "gelu"])),
    }
    if kind == "GRU":
        layer["reset_after"] = draw(st.booleans())
    return {
        "kind": kind,
        "layer": layer,
        "depth": draw(st.integers(1, 2)),
        "masked": draw(st.booleans()),
        "bidirectional": bidirectional,
        "timesteps": draw(st.sampled_from([1, 2, 7, 21])),
        "features": draw(st.integers(1, 5)),
        "free": draw(st.booleans()),
        "options": {
            "target": draw(st.sampled_from(["litert", "tflm"])),
            "mode": draw(st.sampled_from(["sequence", "sequence", "streaming"])),
            "quantize": draw(st.sampled_from([None, None, "dynamic", "float16", "int8"])),
            "form": draw(
                st.sampled_from(["rule", "rule", "fused", "loop", "compact loop", "unrolled"])
            ),
        },
    }


def model_of(request: dict[str, Any]) -> tuple[keras.Model, np.ndarray]:
    keras.utils.set_random_seed(3)
    steps, features = request["timesteps"], request["features"]
    stack = [Input((None if request["free"] else steps, features), name="series")]
    if request["masked"]:
        stack.append(layers.Masking())
    inner = [{**request["layer"], "return_sequences": True}] * (request["depth"] - 1)
    for options in [*inner, request["layer"]]:
        layer = LAYERS[request["kind"]](**options)
        stack.append(layers.Bidirectional(layer) if request["bidirectional"] else layer)
    data = np.random.default_rng(4).normal(size=(4, steps, features)).astype(np.float32)
    if request["masked"]:
        data[1, steps // 2 :] = 0
    return Sequential([*stack, layers.Dense(2, name="values")]), data


def check(request: dict[str, Any]) -> None:
    model, data = model_of(request)
    options = request["options"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.tflite"
        try:
            result = export_tflite(
                model, path, representative_data=data, card=False, time_limit=120, **options
            )
        except UserError as refusal:
            assert len(str(refusal)) > 20
            assert not list(Path(folder).iterdir())
            return
        assert all(error.within for error in result.errors)
        if options["mode"] == "sequence" and options["quantize"] is None:
            # Code that is not the exporter's runs the file in another process' place.
            found = load(path, options["target"])({"series": data[:1]})["values"]
            np.testing.assert_allclose(found, model(data[:1]), atol=2e-5, rtol=1e-4)
        if options["mode"] == "streaming" and options["quantize"] is None:
            session = StreamingSession(load(path, options["target"]))
            for row in (1, 0):
                session.reset()
                steps = [session.step(data[row : row + 1, t : t + 1]) for t in range(data.shape[1])]
                whole = np.asarray(model(data[row : row + 1]))
                found = np.concatenate(steps, axis=1) if whole.ndim == 3 else steps[-1]
                np.testing.assert_allclose(found, whole, atol=2e-5, rtol=1e-4)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(requests())
def test_a_verified_file_or_a_refusal(request: dict[str, Any]) -> None:
    check(request)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(requests())
def test_a_verified_file_or_a_refusal_often(request: dict[str, Any]) -> None:
    check(request)
