"""What holds for every registered kind of attention, and a kind that comes from outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
from translation_setup import digit_pairs

from pipelines.base.errors import ConfigurationError
from rnn_apps import translation
from rnn_apps.application.command_line import main
from rnn_apps.layers.attention import (
    AttentionKind,
    AttentionWeight,
    Memory,
    Stage,
    attention_names,
    find_attention,
    register_attention,
)
from rnn_apps.layers.attention.registry import _ADDRESSES, attention_choices
from rnn_apps.translation import SearchOptions
from rnn_apps.translation.device.device_models import (
    LOGITS,
    SUCCESSOR,
    TOKEN,
    TOKENS,
    device_models,
)
from rnn_apps.translation.network.decoder_loop import run_decoder
from rnn_apps.translation.network.model import Network, TranslationModel

ROOT = Path(__file__).parents[2]


class Toy(AttentionKind):
    """q . (W a), and a learnt part of the weights of the step before: a kind as a user writes it.

    It reads after the cells and remembers, which none of the kinds of the toolkit does.
    """

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "attention that remembers its last weights"
    stage: ClassVar[Stage] = Stage.AFTER

    @property
    def weights(self) -> tuple[AttentionWeight, ...]:
        return (
            AttentionWeight("query_kernel", ("query", "annotation"), "product"),
            AttentionWeight("stay", (1,), "step", initializer="ones"),
        )

    @property
    def memories(self) -> tuple[Memory, ...]:
        return (Memory("last_weights", keras.ops.zeros_like, lambda value, weights: weights),)

    def energies(self, query: Any, keys: Any, memories: Mapping[str, Any], products: Any) -> Any:
        asked = products.times(query, "query_kernel")
        return products.inner(asked, keys) + products.vector("stay") * memories["last_weights"]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_ADDRESSES, "toy", "")
    monkeypatch.delitem(_ADDRESSES, "toy")
    register_attention("toy", f"{__name__}:Toy")


def test_names_that_are_not_registered_or_taken_are_refused() -> None:
    assert attention_choices() == ("none", *attention_names())
    with pytest.raises(ConfigurationError, match="attention = 'sharp': choose from bahdanau, dot"):
        find_attention("sharp")
    for name in ("none", "dot"):
        with pytest.raises(ConfigurationError, match=f"{name!r} is taken by"):
            register_attention(name, f"{__name__}:Toy")


def test_the_names_are_known_without_tensorflow() -> None:
    script = (
        "import sys; from rnn_apps.layers.attention import attention_names; "
        "from rnn_apps.translation.config import TranslationConfig; "
        "assert 'dot' in attention_names(); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_the_documentation_names_each_kind_where_it_reads() -> None:
    rows = (ROOT / "docs" / "translation.md").read_text(encoding="utf-8").splitlines()
    words = {Stage.BEFORE: "before the cells", Stage.AFTER: "after the cells"}
    for name in attention_names():
        kind = find_attention(name)
        assert kind.name == name
        plain = [row for row in rows if row.startswith("| `plain`") and words[kind.stage] in row]
        assert len(plain) == 1 and f"`{name}`" in plain[0]


def test_a_kind_from_outside_trains_as_its_steps_do_and_leaves_for_the_device(toy: None) -> None:
    model = TranslationModel(
        Network(15, 15, units=6, embedding_size=5, attention="toy", decoder="plain")
    )
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(0, 0.6, w.shape) for w in model.get_weights()])
    source = tf.constant(generator.integers(4, 15, (1, 7)), tf.int32)
    target = tf.constant(generator.integers(4, 15, (1, 5)), tf.int32)

    def gradients(in_loop: bool) -> list[Any]:
        with tf.GradientTape() as tape:
            encoded, states = model.encode(source)
            embedded = model.target_embedding(target)
            decoded = run_decoder(model.step, embedded, encoded, states) if in_loop else None
            readouts, weights = decoded or model.decode(target, encoded, states)
            loss = tf.reduce_sum(tf.sin(readouts)) + tf.reduce_sum(weights**2)
        used = [model.step.attention.query_kernel, model.step.attention.stay, model.step.cells[0]]
        variables = [*used[:2], *used[2].trainable_variables, *model.bridge.trainable_variables]
        found = [tf.convert_to_tensor(one) for one in tape.gradient(loss, variables)]
        return [readouts, weights, *found]

    looped = gradients(in_loop=True)
    assert all(float(tf.norm(one)) > 0 for one in looped)
    for one, other in zip(looped, gradients(in_loop=False), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)

    encoder, decoder = device_models(model)
    inputs = dict(encoder({TOKENS: source}))
    assert "last_weights" in inputs
    expected = model({"source": source, "target": target})
    for step in range(target.shape[1]):
        found = decoder({**inputs, TOKEN: target[:, step]})
        np.testing.assert_allclose(found[LOGITS], expected[:, step], atol=1e-5)
        inputs |= {name: found[SUCCESSOR.format(name)] for name in model.step.state_names}


@pytest.mark.slow
def test_a_kind_from_outside_goes_from_pairs_to_the_device(toy: None, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    rows = digit_pairs(120, seed=4)
    pairs.write_text("".join(f"{one}\t{other}\n" for one, other in rows), encoding="utf-8")
    run = tmp_path / "run"
    arguments = [
        "translate", "train", "--data", f"file:{pairs}", "--run", str(run), "--attention", "toy",
        "--decoder", "plain", "--tokenizer", "characters", "--units", "12",
        "--embedding-size", "8", "--epochs", "1", "--beam-width", "2", "--bleu-tokenizer", "char",
        "--no-gradient-flow",
    ]  # fmt: skip
    assert main(arguments) == 0
    trained = translation.load(run)
    sentences = [source for source, _ in rows[:4]]
    for width in (1, 3):
        options = SearchOptions(beam_width=width)
        texts = [best[0].text for best in trained.translate(sentences, options)]
        assert len(texts) == 4
    exported = tmp_path / "exported"
    table = trained.export(exported, ("tflite",))["table"]
    assert table["rows"][0][5], "the device's greedy translations are Keras'"
    from rnn_apps.edge import EdgeTranslator

    device = EdgeTranslator(exported)
    options = SearchOptions(beam_width=3)
    assert [best[0].text for best in device.translate(sentences, options)] == [
        best[0].text for best in trained.translate(sentences, options)
    ]
