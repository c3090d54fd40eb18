"""Sentences in, translations out: order, odd input, unknown words, what is drawn, ensembles."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from translation_setup import DIGITS, WORDS, digit_pairs, wild_model

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers import CharacterTokenizer, WordTokenizer, train_tokenizer
from pipelines.tokenizers.sentence_ids import sentence_ids
from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer
from rnn_apps.edge.sampling import SamplingConfig, token_probabilities
from rnn_apps.edge.translation.glossary import (
    looked_up,
    read_glossary,
    text_without_unknown,
    words_of_tokens,
)
from rnn_apps.edge.translation.sentences import EMPTY, one_line
from rnn_apps.translation.search.sampling import narrowed
from rnn_apps.translation.search.search_options import SearchOptions
from rnn_apps.translation.translating import Translator, batches_by_length

GREEDY = SearchOptions(beam_width=1)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator([wild_model()], DIGITS, DIGITS)


def test_translations_come_in_order_and_each_as_if_alone(translator: Translator) -> None:
    sentences = [source for source, _ in digit_pairs(12, seed=4)]
    options = SearchOptions(beam_width=3, n_best=2)
    together = translator.translate(sentences, options)
    for sentence, found in zip(sentences[:3], together[:3], strict=True):
        [alone] = translator.translate([sentence], options)
        assert [one.text for one in found] == [one.text for one in alone]
        np.testing.assert_allclose(
            [one.score for one in found], [one.score for one in alone], rtol=1e-4
        )
    for found in together:
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert all(len(one.tokens) == len(one.alignment) for one in found)
        assert found[0].text == "".join(found[0].tokens)


def test_odd_sentences(translator: Translator) -> None:
    odd = ["", "  \t", "\x00\n", "12\x0034\r\n", "12 34", "Ωж漢🙂12", "12"]
    found = translator.translate(odd, GREEDY)
    assert [one[0] for one in found[:3]] == [EMPTY] * 3
    # A control character is read as a space.
    assert found[3][0].tokens == found[4][0].tokens
    assert found[5][0].text
    assert one_line(" a\u2028b\x85c\n") == "a b c"


def test_a_line_of_ten_thousand_words_is_refused_with_its_row(translator: Translator) -> None:
    with pytest.raises(DataError, match=r"row 2: the sentence has 10,000 words, 19,999 tokens"):
        translator.translate(["1", "1 " * 10_000], GREEDY)
    with pytest.raises(DataError, match="too many tokens"):
        translator.translate(["1" * 2_000_000], GREEDY)


def test_another_models_vocabulary_is_refused() -> None:
    other = CharacterTokenizer("abc")
    with pytest.raises(UserError, match="14 source tokens, the source vocabulary 7"):
        Translator([wild_model()], other, DIGITS)
    with pytest.raises(UserError, match="model 2 has 10 target"):
        Translator([wild_model(), wild_model(target=WORDS)], DIGITS, DIGITS)
    with pytest.raises(UserError, match="no model"):
        Translator([], DIGITS, DIGITS)


def test_what_is_drawn_depends_on_the_seed_and_the_sentence_alone(translator: Translator) -> None:
    sentences = [source for source, _ in digit_pairs(5, seed=8)]
    options = SearchOptions(temperature=1.3, n_best=3, seed=11)
    first = translator.translate(sentences, options)
    [alone] = translator.translate(sentences[2:3], options)
    assert [one.text for one in first[2]] == [one.text for one in alone]
    other = SearchOptions(temperature=1.3, n_best=3, seed=12)
    assert first != translator.translate(sentences, other)
    # Nothing but the most probable token is left to draw from.
    best = [one[0].text for one in translator.translate(sentences, GREEDY)]
    for settings in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        one = SearchOptions(**{"temperature": 1.0, "seed": 3, **settings})
        assert [found[0].text for found in translator.translate(sentences, one)] == best


@pytest.mark.parametrize(
    "rules",
    [
        {"top_k": 3},
        {"top_p": 0.7},
        {"min_p": 0.15},
        {"typical_p": 0.6},
        {"top_k": 6, "top_p": 0.9, "min_p": 0.05, "typical_p": 0.8},
    ],
)
def test_a_graph_draws_from_the_tokens_that_a_device_draws_from(rules: dict[str, Any]) -> None:
    logits = np.random.default_rng(4).normal(0, 1.5, (40, 11)).astype(np.float32)
    options = SearchOptions(temperature=0.9, **rules)
    found = tf.nn.softmax(narrowed(tf.constant(logits) / 0.9, options)).numpy()
    config = SamplingConfig(temperature=0.9, **rules)
    expected = np.array([token_probabilities(row, config) for row in logits])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (expected == 0).any()


def test_draws_follow_the_models_probabilities(translator: Translator) -> None:
    """The first token's frequency in many draws is its probability, within five deviations."""
    count = 2000
    [drawn] = translator.translate(
        ["7"], SearchOptions(temperature=1.0, n_best=count, longest=0, longest_extra=1)
    )
    probabilities: dict[tuple[str, ...], float] = {}
    for one in drawn:
        probabilities[one.tokens] = float(np.exp(one.log_probability))
    for tokens, probability in probabilities.items():
        seen = sum(one.tokens == tokens for one in drawn) / count
        deviation = np.sqrt(probability * (1 - probability) / count)
        assert abs(seen - probability) < 5 * deviation + 1e-3


def test_an_ensemble_of_the_same_model_is_that_model(translator: Translator) -> None:
    sentences = [source for source, _ in digit_pairs(4, seed=2)]
    twice = Translator([wild_model(), wild_model()], DIGITS, DIGITS)
    for one, two in zip(translator.translate(sentences), twice.translate(sentences), strict=True):
        assert one[0].text == two[0].text
        assert one[0].score == pytest.approx(two[0].score, rel=1e-4)


def test_unknown_words_give_way_to_the_source_or_the_glossary(tmp_path: Path) -> None:
    (tmp_path / "glossary.tsv").write_text("Hund\tdog\nKatze\tcat\n", encoding="utf-8")
    glossary = read_glossary(tmp_path / "glossary.tsv")
    target = WordTokenizer(["the", "and"])
    ids = sentence_ids(target, "the wauwau and the Ding the")[:-1]
    words = ["Hund,", "Ding"]
    text = text_without_unknown(target, ids, [0, 0, 0, 1, 1, 2], words, [False] * 2, glossary)
    assert text == "the dog, and the Ding the"
    assert looked_up("«Katze»", glossary) == "«cat»"
    characters = CharacterTokenizer("ab")
    ids = sentence_ids(characters, "aXb")[:-1]
    assert (
        text_without_unknown(characters, ids, [0, 1, 2], list("a7b"), [True, False, True], {})
        == "a7b"
    )


def test_tokens_know_the_words_that_they_are_pieces_of() -> None:
    text = "a man rides a bicycle in the bright morning"
    tokenizer = train_tokenizer(
        "subwords", [f"{text}\n"] * 50, vocabulary_size=290, begin_with_space=True
    )
    words = words_of_tokens(tokenizer, text)
    assert len(words) == len(tokenizer.encode(text))
    assert list(dict.fromkeys(words)) == list(dict.fromkeys(text.split()))
    assert words_of_tokens(WORDS, "one  two") == ["one", "two"]


def test_the_words_of_a_foreign_vocabulary_are_those_of_the_text() -> None:
    """Its unknown pieces say nothing, and have neither a translation nor a text without them."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat sat on the mat"] * 50), model_writer=model,
        vocab_size=26, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    tokenizer = SubwordTokenizer(model.getvalue())
    words = words_of_tokens(tokenizer, "the Ωψ sat, Ж")
    assert list(dict.fromkeys(words)) == ["the", "Ωψ", "sat,", "Ж"]


def test_unknown_words_are_replaced_unless_that_is_not_wanted() -> None:
    model = wild_model(WORDS, WORDS)
    # A model that writes nothing but unknown words, until it must end.
    bias = model.output_layer.bias
    bias.assign(np.eye(len(bias.numpy()))[3] * 100.0)
    translator = Translator([model], WORDS, WORDS, {"Hund": "dog"})
    options = SearchOptions(beam_width=1, longest=0, longest_extra=2)
    [[found]] = translator.translate(["Hund Hund"], options)
    assert set(found.text.split()) <= {"dog"}
    assert found.tokens == ("<unk>", "<unk>")
    [[kept]] = translator.translate(
        ["Hund Hund"],
        SearchOptions(beam_width=1, longest=0, longest_extra=2, replace_unknown=False),
    )
    assert kept.text == "<unk> <unk>"
    [[never]] = translator.translate(
        ["Hund Hund"], dataclasses.replace(options, allow_unknown=False)
    )
    assert "<unk>" not in never.tokens


@pytest.mark.parametrize(
    ("content", "said"),
    [("a b\n", "row 1: a line of a glossary"), ("a\tb\na\tc\n", "row 2: 'a' has two")],
)
def test_a_glossary_that_cannot_be_read_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "glossary.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_glossary(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_glossary(tmp_path / "none.tsv")


def test_batches_take_each_sentence_once_and_no_more_than_fits() -> None:
    lengths = [5, 0, 900, 3, 3, 7] + [4] * 200
    found = list(batches_by_length(lengths, rows_each=5))
    assert sorted(row for batch in found for row in batch) == [
        row for row, length in enumerate(lengths) if length
    ]
    assert all(len(batch) <= 64 for batch in found)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"longest_source": 0}, "longest_source"),
        ({"beam_width": 0}, "beam_width"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        SearchOptions(**wrong)
