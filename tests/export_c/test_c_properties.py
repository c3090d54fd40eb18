"""Whatever is asked for: code that is right, or a clear refusal that leaves nothing behind."""

from __future__ import annotations

import shutil
import tempfile
import warnings
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

CONVOLUTIONS = ("causal", "grouped", "dilated", "plane")
COMPILERS = ("cc", "cc", "clang") if shutil.which("clang") else ("cc",)
HEADS = ("softmax", "linear", "gelu", "hard_sigmoid", "softplus", "exponential")


# Bytes to clear are as many as the memory has elements, which GCC takes for a mistake.
CLEARED_IN_AS_MANY_BYTES = {
    "kind": "simple",
    "layer": {"units": 2, "return_sequences": True, "use_bias": False, "activation": "tanh"},
    "depth": 2, "masked": False, "normalised": False, "bidirectional": True, "head": "softmax",
    "convolution": "", "attention": "dot", "timesteps": 1, "features": 1,
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
        "convolution": draw(st.sampled_from(["", "", *CONVOLUTIONS])),
        "attention": draw(st.sampled_from(["", "", "dot", "heads"])),
        "ids": draw(st.booleans()),
        "outputs": draw(st.sampled_from([1, 1, 2])),
        "timesteps": draw(st.sampled_from([1, 2, 6, 12])),
        "features": draw(st.integers(1, 9)),
        "compiler": draw(st.sampled_from(COMPILERS)),
        "options": {
            "mode": draw(st.sampled_from(["sequence", "streaming"])),
            "quantize": draw(st.sampled_from([None, None, "int8", "int16x8"])),
            "chunk": draw(st.sampled_from([1, 1, 2, 3])),
            "batch_size": draw(st.sampled_from([None, None, 2])),
            "integer_io": draw(st.sampled_from([False, False, True])),
        },
    }


def convolved(kind: str, hidden: keras.KerasTensor, features: int) -> keras.KerasTensor:
    if kind == "causal":
        return layers.Conv1D(4, 2, padding="causal", activation="relu")(hidden)
    if kind == "grouped":
        return layers.Conv1D(2 * features, 3, groups=features, padding="same")(hidden)
    if kind == "dilated":
        return layers.SeparableConv1D(5, 3, padding="same", dilation_rate=2)(hidden)
    if kind == "plane":
        plane = layers.Reshape((-1, features, 1))(hidden)
        plane = layers.Conv2D(3, (1, min(2, features)), activation="elu")(plane)
        return layers.Reshape((-1, plane.shape[2] * 3))(layers.MaxPooling2D(1)(plane))
    return hidden


def model_of(request: dict[str, Any]) -> tuple[keras.Model, dict[str, np.ndarray]]:
    keras.utils.set_random_seed(3)
    steps, features = request["timesteps"], request["features"]
    series = Input((steps, features), name="series")
    inputs = {"series": series}
    hidden = layers.Masking()(series) if request["masked"] else series
    hidden = convolved(request["convolution"], hidden, features)
    if request.get("ids"):
        inputs["ids"] = Input((steps,), dtype="int32", name="ids")
        hidden = layers.Concatenate()([hidden, layers.Embedding(7, 3)(inputs["ids"])])
    inner = [{**request["layer"], "return_sequences": True}] * (request["depth"] - 1)
    for options in [*inner, request["layer"]]:
        layer = find_cell(request["kind"]).layer(**options)
        hidden = (layers.Bidirectional(layer) if request["bidirectional"] else layer)(hidden)
        if request["normalised"]:
            hidden = layers.LayerNormalization()(hidden)
    if request["attention"] and request["layer"]["return_sequences"]:
        heads = request["attention"] == "heads"
        attention = layers.MultiHeadAttention(2, 3) if heads else layers.Attention()
        hidden = attention(hidden, hidden) if heads else attention([hidden, hidden])
    outputs = {"values": layers.Dense(3, request["head"], name="values")(hidden)}
    if request.get("outputs") == 2:
        outputs["more"] = layers.Activation("tanh", name="more")(hidden)
    draw = np.random.default_rng(4)
    data = {"series": draw.normal(size=(4, steps, features)).astype(np.float32)}
    if request["masked"]:
        data["series"][1, steps // 2 :] = 0
        data["series"][2, :1] = 0
    if request.get("ids"):
        data["ids"] = draw.integers(0, 7, (4, steps)).astype(np.int32)
    return Model(inputs, outputs), data


def check(request: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", request.get("compiler", "cc"))
        _check(request)


def _check(request: dict[str, Any]) -> None:
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
            assert "compile" not in str(refusal) and "Sanitizer" not in str(refusal), refusal
            # A step's product of floats is never so far off that it had to be refused.
            assert "the C code differs" not in str(refusal) or options["quantize"], refusal
            assert not list(Path(name).iterdir())
            return
        assert all(error.within for error in result.errors)
        # Compiled by other options, held to the calls that the export left, called by other code.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = load(folder, "c")
        if options["quantize"] is not None or options["batch_size"] is not None:
            return
        row = {name: value[1:2] for name, value in data.items()}
        expected = {name: np.asarray(value) for name, value in model(row).items()}
        if options["mode"] == "sequence":
            found = loaded(row)
        else:
            session, chunk = StreamingSession(loaded), options["chunk"]
            steps = row["series"].shape[1]
            if steps % chunk:
                return
            made = [
                session.step_by_name({n: value[:, t : t + chunk] for n, value in row.items()})
                for t in range(0, steps, chunk)
            ]
            found = {
                name: np.concatenate([one[name] for one in made], axis=1)
                if value.ndim == 3
                else made[-1][name]
                for name, value in expected.items()
            }
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=2e-5, rtol=1e-4)


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
@settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(requests())
def test_right_code_or_a_refusal_often(request: dict[str, Any]) -> None:
    check(request)
