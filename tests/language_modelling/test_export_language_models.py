"""Step language models: tokens and explicit states in, logits and states out, tied embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import Input, Model, layers

from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import export_tflite, verify

VOCABULARY, UNITS = 30, 16
TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (6, 12)).astype(np.int32)
WORKS = [
    ("litert", None),
    ("litert", "dynamic"),
    ("litert", "int8"),
    ("tflm", None),
    ("tflm", "int8"),
]


@keras.saving.register_keras_serializable(package="foreign")
class TiedHead(layers.Layer):
    """Logits by the transposed embedding."""

    def __init__(self, embedding: layers.Embedding, **options: Any) -> None:
        super().__init__(**options)
        self.embedding = embedding

    def build(self, shape: Any) -> None:
        self.bias = self.add_weight(shape=(VOCABULARY,), initializer="normal", name="bias")

    def call(self, hidden: Any) -> Any:
        return keras.ops.matmul(hidden, keras.ops.transpose(self.embedding.embeddings)) + self.bias


def language_model(kind: str) -> Model:
    """Embedding, two layers whose states go in and out under one name, tied logits."""
    keras.utils.set_random_seed(1)
    embedding = layers.Embedding(VOCABULARY, UNITS, embeddings_initializer="glorot_uniform")
    inputs: dict[str, Any] = {"tokens": Input((None,), dtype="int32", name="tokens")}
    outputs: dict[str, Any] = {}
    hidden = embedding(inputs["tokens"])
    for _ in range(2):
        names = [f"state_{len(outputs) + i}" for i in range(2 if kind == "LSTM" else 1)]
        states = [Input((UNITS,), name=name) for name in names]
        layer = getattr(layers, kind)(
            UNITS, return_sequences=True, return_state=True, bias_initializer="normal"
        )
        hidden, *after = layer(hidden, initial_state=states)
        inputs |= dict(zip(names, states, strict=True))
        outputs |= dict(zip(names, after, strict=True))
    return Model(inputs, {**outputs, "logits": TiedHead(embedding)(hidden)})


@pytest.mark.parametrize(("target", "quantize"), WORKS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_step_model_streams_tokens(
    kind: str, target: str, quantize: str | None, tmp_path: Path
) -> None:
    model = language_model(kind)
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target=target,
        mode="streaming",
        quantize=quantize,
        representative_data=TOKENS,
        form="rule",
        card=False,
    )
    states = [name for name in result.signatures["step"]["inputs"] if name != "tokens"]
    assert states == [f"state_{index}" for index in range(4 if kind == "LSTM" else 2)]
    session = StreamingSession(load(result.path, target))
    zeros = {name: np.zeros((1, UNITS), np.float32) for name in states}
    for row in (TOKENS[:1], TOKENS[1:2]):
        session.reset()
        steps = [session.step({"tokens": row[:, t : t + 1]}) for t in range(row.shape[1])]
        expected = np.asarray(model({"tokens": row, **zeros})["logits"])
        streamed = np.concatenate(steps, axis=1)
        allowed = 2e-6 if quantize is None else 0.1 * np.abs(expected).max()
        np.testing.assert_allclose(streamed, expected, atol=allowed)
    if quantize is None and target == "litert":
        assert verify(result.path, model, representative_data=TOKENS).ok
