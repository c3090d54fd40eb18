"""Inside the graph: tokens are drawn as in numpy, and a served model scores and writes as Keras."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from language_setup import untrained_run

from pipelines.tokenizers import train_tokenizer
from pipelines.tokenizers.in_graph import graph_tokenizer
from rnn_apps.edge.sampling import SamplingConfig, token_probabilities
from rnn_apps.language_modelling.device.graph_sampling import GraphSampling, draw
from rnn_apps.language_modelling.writing import WritingConfig

TEXT = "the cat sat on a mat\nand a naïve dog ate cakes on the mat\n"
LOGITS = np.random.default_rng(3).normal(0, 2, 12).astype(np.float32)


def sampling(config: SamplingConfig) -> GraphSampling:
    return GraphSampling(
        tf.constant(config.temperature, tf.float32), tf.constant(config.top_k),
        tf.constant(config.top_p, tf.float32), tf.constant(config.repetition_penalty, tf.float32),
        tf.constant(config.seed or 0),
    )  # fmt: skip


def drawn(config: SamplingConfig, lately: Any, rows: int, step: int = 0) -> np.ndarray:
    logits = tf.constant(np.tile(LOGITS, (rows, 1)))
    recent = tf.constant(np.tile(lately, (rows, 1)), tf.int32)
    return draw(logits, recent, tf.constant(step), sampling(config), banned=4).numpy()


@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(),
        SamplingConfig(temperature=0.5),
        SamplingConfig(top_k=3),
        SamplingConfig(top_p=0.6),
        SamplingConfig(temperature=1.3, top_k=8, top_p=0.8, repetition_penalty=1.7),
        SamplingConfig(temperature=0, repetition_penalty=3.0),
    ],
)
def test_tokens_are_drawn_from_numpys_distribution(config: SamplingConfig) -> None:
    order = np.argsort(-LOGITS)
    lately = [int(order[0]), -1]
    expected = token_probabilities(LOGITS, config, [lately[0]], banned=[4])
    found = np.bincount(drawn(config, lately, 6000), minlength=12) / 6000
    assert not found[expected == 0].any()
    np.testing.assert_allclose(found, expected, atol=0.025)


def test_a_row_does_not_depend_on_how_many_there_are() -> None:
    config = SamplingConfig(seed=9)
    for step in range(5):
        many = drawn(config, [-1], 7, step)
        np.testing.assert_array_equal(drawn(config, [-1], 3, step), many[:3])
    assert len({tuple(drawn(config, [-1], 30, step)) for step in range(5)}) == 5


@pytest.mark.parametrize("kind", ["bytes", "characters", "words", "subwords"])
def test_the_graph_reads_and_writes_as_the_tokenizer(kind: str) -> None:
    if kind == "subwords":
        pytest.importorskip("tensorflow_text")
    tokenizer = train_tokenizer(kind, [TEXT], vocabulary_size=300 if kind == "subwords" else 0)
    inside = graph_tokenizer(tokenizer)
    texts = [TEXT, "a  cat\tsat\n\n on\n", "", "naïve", "Ω the cat", "\n"]
    ids = inside.encode(tf.constant(texts))
    expected = [tokenizer.encode(text).tolist() for text in texts]
    assert ids.dtype == tf.int32
    assert ids.to_list() == expected
    written = inside.decode(ids).numpy()
    assert [text.decode() for text in written] == [tokenizer.decode(row) for row in expected]
    assert inside.decode(tf.ragged.constant([[], []], dtype=tf.int32)).numpy().tolist() == [
        b"",
        b"",
    ]


@pytest.fixture(scope="module", params=["characters", "words"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    run = untrained_run(
        tmp_path_factory.mktemp("served"), TEXT * 30, request.param, cell="gru", layers=2
    )
    folder = run.folder.path.parent / "exported"
    [row] = run.export(folder, ("saved_model",))["table"]["rows"]
    assert row[0] == "saved_model" and row[4] is True
    return run, tf.saved_model.load(str(folder / "saved_model"))


def generated(loaded: Any, prompts: list[str], **settings: Any) -> list[str]:
    chosen = {"most_tokens": 25, "temperature": 0.0, "top_k": 0, "top_p": 1.0,
              "repetition_penalty": 1.0, "seed": 0, **settings}  # fmt: skip
    arguments = {name: tf.constant(value) for name, value in chosen.items()}
    outputs = loaded.signatures["generate"](prompt=tf.constant(prompts), **arguments)
    return [text.decode() for text in outputs["text"].numpy()]


def test_a_served_model_scores_as_keras(served: Any) -> None:
    run, loaded = served
    texts = ["the cat sat on the mat", "a mat\nthe cat", "the"]
    outputs = loaded.signatures["score"](text=tf.constant(texts))
    for row, text in enumerate(texts[:2]):
        scored = run.score(text)
        length = int(outputs["lengths"][row])
        assert length == len(scored)
        names = [name.decode() for name in outputs["tokens"][row].numpy()]
        assert names[:length] == [one.token for one in scored]
        assert not any(names[length:])
        found = outputs["log_probabilities"][row].numpy()
        assert found[0] == 0 and not found[length:].any()
        expected = [one.log_probability for one in scored[1:]]
        np.testing.assert_allclose(found[1:length], expected, atol=1e-4)
        assert float(outputs["nats"][row]) == pytest.approx(-sum(expected), abs=1e-3)
    strange = loaded.signatures["score"](text=tf.constant(["Ω cat", "cat"]))
    assert strange["unknown"].numpy().tolist() == [1, 0]


def test_a_served_model_writes_as_keras(served: Any) -> None:
    run, loaded = served
    prompts = ["the cat", "a", "", "the cat sat on the mat\n" * 30]
    config = WritingConfig(25, SamplingConfig(temperature=0))
    expected = run.generate(prompts, config)
    assert generated(loaded, prompts) == expected
    assert generated(loaded, prompts[:1]) == expected[:1]
    penalty = SamplingConfig(temperature=0, repetition_penalty=1.6)
    assert generated(loaded, prompts, repetition_penalty=1.6) == run.generate(
        prompts, WritingConfig(25, penalty)
    )


def test_a_served_text_depends_on_its_seed_and_on_no_other_text(served: Any) -> None:
    _, loaded = served
    drawn_twice = [generated(loaded, ["the", "a cat"], temperature=1.0, seed=3) for _ in range(2)]
    assert drawn_twice[0] == drawn_twice[1]
    assert generated(loaded, ["the", ""], temperature=1.0, seed=3)[0] == drawn_twice[0][0]
    assert generated(loaded, ["the", "a cat"], temperature=1.0, seed=4) != drawn_twice[0]


@pytest.mark.parametrize("wrong", [{"temperature": math.nan}, {"temperature": math.inf},
                                   {"top_p": -1.0}, {"repetition_penalty": 0.0}])  # fmt: skip
def test_a_served_model_refuses_settings_out_of_range(served: Any, wrong: dict[str, float]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{next(iter(wrong))} must be"):
        generated(served[1], ["the"], most_tokens=2, **wrong)


def test_a_served_model_refuses_an_unknown_prompt(served: Any) -> None:
    _, loaded = served
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in the vocabulary"):
        generated(loaded, ["the Ω"])
