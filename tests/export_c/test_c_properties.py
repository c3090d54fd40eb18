"""Whatever is asked for: code that is right, or a clear refusal that leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from keras import Input, Model, layers

from pipelines.base.errors import UserError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export.c import export_c
from rnn_apps.layers.cells.registry import cell_names, find_cell

HEADS = ("softmax", "linear", "gelu", "hard_sigmoid", "softplus", "exponential")


# Bytes to clear are as many as the memory has elements, which GCC takes for a mistake.
CLEARED_IN_AS_MANY_BYTES = {
    "kind": "simple",
    "layer": {"units": 2, "return_sequences": True, "use_bias": False, "activation": "tanh"},
    "depth": 2, "masked": False, "normalised": False, "bidirectional": True, "head": "softmax",
    "convolution": "", "attention": True, "timesteps": 1, "features": 1,
    "options": {"mode": "sequence", "quantize": None, "chunk": 1, "batch_size": 2},
}  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A model's description and the options of its export."""
    kind = draw(st.sampled_from(cell_names()))
    bidirectional = draw(st.booleans())
    layer: dict[str, Any] = {
        "units": draw(st.integers(1, 19)),
        "return_sequences": draw(st.booleans()),
        # Keras itself refuses Bidirectional around a layer that goes backwards.
        "go_backwards": not bidirectional and draw(st.booleans()),
        "use_bias": draw(st.booleans()),
    }
    if kind == "gru":
        layer["reset_after"] = draw(st.booleans())
    if kind in ("simple", "lstm"):
        layer["activation"] = draw(st.sampled_from(["tanh", "relu", "elu"]))
    if draw(st.booleans()):
        layer["zero_output_for_mask"] = True
    return {
        "kind": kind,
        "layer": layer,
        "depth": draw(st.integers(1, 2)),
        "masked": draw(st.booleans()),
        "normalised": draw(st.booleans()),
        "bidirectional": bidirectional,
        "head": draw(st.sampled_from(HEADS)),
        "convolution": draw(st.sampled_from(["", "", "causal", "grouped"])),
        "attention": draw(st.booleans()),
        "timesteps": draw(st.sampled_from([1, 2, 6, 12])),
        "features": draw(st.integers(1, 9)),
        "options": {
            "mode": draw(st.sampled_from(["sequence", "streaming"])),
            "quantize": draw(st.sampled_from([None, None, "int8"])),
            "chunk": draw(st.sampled_from([1, 1, 2, 3])),
            "batch_size": draw(st.sampled_from([None, None, 2])),
            "integer_io": draw(st.sampled_from([False, False, True])),
        },
    }


def model_of(request: dict[str, Any]) -> tuple[keras.Model, np.ndarray]:
    keras.utils.set_random_seed(3)
    steps, features = request["timesteps"], request["features"]
    series = Input((steps, features), name="series")
    hidden = layers.Masking()(series) if request["masked"] else series
    if request["convolution"] == "causal":
        hidden = layers.Conv1D(4, 2, padding="causal", activation="relu")(hidden)
    elif request["convolution"] == "grouped":
        hidden = layers.Conv1D(2 * features, 3, groups=features, padding="same")(hidden)
    inner = [{**request["layer"], "return_sequences": True}] * (request["depth"] - 1)
    for options in [*inner, request["layer"]]:
        layer = find_cell(request["kind"]).layer(**options)
        hidden = (layers.Bidirectional(layer) if request["bidirectional"] else layer)(hidden)
        if request["normalised"]:
            hidden = layers.LayerNormalization()(hidden)
    if request["attention"] and request["layer"]["return_sequences"]:
        hidden = layers.Attention()([hidden, hidden])
    model = Model(series, layers.Dense(3, request["head"], name="values")(hidden))
    data = np.random.default_rng(4).normal(size=(4, steps, features)).astype(np.float32)
    if request["masked"]:
        data[1, steps // 2 :] = 0
        data[2, :1] = 0
    return model, data


def check(request: dict[str, Any]) -> None:
    model, data = model_of(request)
    options = dict(request["options"])
    if options["mode"] == "sequence":
        options["chunk"] = 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "code"
        try:
            result = export_c(model, folder, representative_data=data, **options)
        except UserError as refusal:
            assert len(str(refusal)) > 20
            assert "compiler" not in str(refusal) and "Sanitizer" not in str(refusal), refusal
            # A step's product of floats is never so far off that it had to be refused.
            assert "the C code differs" not in str(refusal) or options["quantize"], refusal
            assert not list(Path(name).iterdir())
            return
        assert all(error.within for error in result.errors)
        if options["quantize"] is not None or options["batch_size"] is not None:
            return
        # Compiled by other options, and called by other code.
        loaded = load(folder, "c")
        if options["mode"] == "sequence":
            found = loaded(data[1:2])["values"]
            np.testing.assert_allclose(found, model(data[1:2]), atol=2e-5, rtol=1e-4)
            return
        session, chunk = StreamingSession(loaded), options["chunk"]
        whole = data.shape[1] // chunk * chunk
        made = [session.step(data[:1, t : t + chunk]) for t in range(0, whole, chunk)]
        if whole == data.shape[1]:
            expected = np.asarray(model(data[:1]))
            found = np.concatenate(made, axis=1) if expected.ndim == 3 else made[-1]
            np.testing.assert_allclose(found, expected, atol=2e-5, rtol=1e-4)


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(requests())
@example(CLEARED_IN_AS_MANY_BYTES)
def test_right_code_or_a_refusal(request: dict[str, Any]) -> None:
    check(request)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(requests())
def test_right_code_or_a_refusal_often(request: dict[str, Any]) -> None:
    check(request)
