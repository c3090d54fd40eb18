"""Outputs to transcripts: words, times, confidence, word models, hot words, bounded search."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers import train_tokenizer
from rnn_apps.edge import WordModel, read_arpa
from rnn_apps.edge.sequence_to_sequence import log_softmax
from rnn_apps.edge.speech import ctc_beam
from rnn_apps.edge.speech.ctc import CtcGreedy, ctc_greedy
from rnn_apps.edge.speech.ctc_beam import CtcBeamSearch
from rnn_apps.edge.speech.hot_words import HotWords
from rnn_apps.edge.speech.word_model import BEGIN, END, UNKNOWN, perplexity
from rnn_apps.edge.speech.word_scorer import WordScorer, WordWeights
from rnn_apps.speech.decoding import (
    DecodingConfig,
    SpeechDecoder,
    SpeechLabels,
    decode,
)
from rnn_apps.speech.word_model import train_word_model

LETTERS = " abcdefghijklmnopqrstuvwxyz"
LABELS = SpeechLabels((*(c.encode() for c in LETTERS), b""), len(LETTERS))
SENTENCES = ["one two three", "one two", "two two three four", "five", "nine one two"] * 3


def spelled(text, doubts=(), frames=2, sure=6.0):
    """Logits that spell a text, a letter and a blank in turn.

    `doubts` names places that are heard almost as well as another letter: {place: letter}.
    """
    rows = []
    doubts = dict(doubts)
    for place, letter in enumerate(text):
        row = np.zeros(len(LABELS.pieces))
        row[LETTERS.index(letter)] = sure
        if place in doubts:
            row[LETTERS.index(doubts[place])] = sure + 0.5
        rows += [row] * frames
        blank = np.zeros(len(LABELS.pieces))
        blank[LABELS.blank] = sure
        rows += [blank] * frames
    return np.array(rows)


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_words_have_times_and_confidence(method):
    (found,) = decode(spelled("one two"), LABELS, DecodingConfig(method=method), 0.02)
    assert found.text == "one two" and [word.text for word in found.words] == ["one", "two"]
    # Each letter takes four frames, of which it is heard in the first two.
    assert [(word.start, word.end) for word in found.words] == [
        (pytest.approx(0.0), pytest.approx(0.2)),
        (pytest.approx(0.32), pytest.approx(0.52)),
    ]
    sure = math.exp(6) / (math.exp(6) + len(LETTERS))
    assert found.confidence == pytest.approx(sure)
    assert all(word.confidence == pytest.approx(sure) for word in found.words)
    (doubtful,) = decode(spelled("one two", {5: "x"}), LABELS, DecodingConfig(method=method))
    first, second = doubtful.words
    assert second.text == "txo" and second.confidence < 0.9 < first.confidence


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_nothing_is_heard_in_silence(method):
    logits = np.zeros((7, len(LABELS.pieces)))
    logits[:, LABELS.blank] = 9.0
    (found,) = decode(logits, LABELS, DecodingConfig(method=method))
    assert found.text == "" and found.words == () and found.confidence > 0.99
    (nothing,) = decode(logits[:0], LABELS, DecodingConfig(method=method))
    assert nothing.text == "" and nothing.confidence == 1.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 60))
def test_greedy_in_pieces_is_greedy_at_once(seed, cut):
    values = log_softmax(np.random.default_rng(seed).normal(size=(60, 5)) * 2)
    search = CtcGreedy(blank=4)
    search.push(values[:cut])
    taken = search.take_settled()
    search.push(values[cut:])
    taken += search.take_settled()
    taken += search.hypotheses()[0].alignment
    assert tuple(item.label for item in taken) == ctc_greedy(values, 4)
    best = values.argmax(axis=1)
    for item in taken:
        assert set(best[item.start : item.end]) == {item.label}
        assert item.log_probability == values[item.start : item.end, item.label].max()


def best_alignment(values, labels, blank):
    """The most probable path that gives these labels, by trying all paths; none of them ties."""
    best, found = -math.inf, None
    for path in itertools.product(range(values.shape[1]), repeat=len(values)):
        collapsed = tuple(label for label, _ in itertools.groupby(path) if label != blank)
        score = values[np.arange(len(values)), path].sum()
        if collapsed == labels and score > best:
            best, found = score, path
    spans, place = [], 0
    for label, run in itertools.groupby(found):
        length = len(list(run))
        if label != blank:
            spans.append((label, place, place + length))
        place += length
    return spans


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_alignment_is_the_best_one(seed):
    values = log_softmax(np.random.default_rng(seed).normal(size=(6, 3)) * 2)
    search = CtcBeamSearch(blank=2, beam=1000)
    search.push(values)
    for hypothesis in search.hypotheses(5):
        spans = [(item.label, item.start, item.end) for item in hypothesis.alignment]
        assert spans == best_alignment(values, hypothesis.labels, 2)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 399))
def test_what_is_settled_belongs_to_the_result_of_the_whole(seed, cut):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(400, 6)) * 1.5
    values[np.arange(400), generator.integers(0, 6, 400)] += 4
    values = log_softmax(values)
    whole = CtcBeamSearch(blank=5, beam=8)
    whole.push(values)
    (expected,) = whole.hypotheses()
    parts = CtcBeamSearch(blank=5, beam=8)
    taken = []
    for piece in (values[:cut], values[cut:]):
        parts.push(piece)
        taken += parts.take_settled()
    (rest,) = parts.hypotheses()
    assert taken and (*taken, *rest.alignment) == expected.alignment
    assert rest.score == expected.score
    spans = [(item.start, item.end) for item in expected.alignment]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_a_search_that_never_agrees_stays_small(monkeypatch):
    # Each letter may be left out at the same price, so that no prefix is ever dropped for good.
    monkeypatch.setattr(ctc_beam, "MOST_OPEN", 20)
    logits = spelled("abcdefghij" * 12, sure=3.0, frames=1)
    search = CtcBeamSearch(LABELS.blank, beam=16)
    depths = []
    for frame in log_softmax(logits):
        search.push(frame[None])
        depths.append(search._beam.prefixes[0].depth - search._root.depth)
    # A look every fifty frames, in which 25 letters come in.
    assert max(depths) <= 20 + 25 + 1
    labels = [item.label for item in search.take_settled()]
    labels += search.hypotheses()[0].labels
    assert "".join(LETTERS[label] for label in labels) == "abcdefghij" * 12


def test_n_best_are_different_texts_best_first():
    # One frame a letter: there is no room for both.
    logits = spelled("tea", {1: "o"}, frames=1)
    found = decode(logits, LABELS, DecodingConfig(n_best=4))
    assert [one.text for one in found][:2] == ["toa", "tea"]
    assert len({one.text for one in found}) == len(found) == 4
    assert all(a.score >= b.score for a, b in itertools.pairwise(found))
    # Two spaces are one text with one.
    doubled = decode(spelled("a  b"), LABELS, DecodingConfig(n_best=3))
    assert [one.text for one in doubled].count("a b") == 1


def test_a_word_model_decides_between_words_that_sound_alike():
    logits = spelled("one tao three", {5: "x"})
    assert decode(logits, LABELS)[0].text == "one txo three"
    logits = spelled("one two three", {5: "x"})
    model = train_word_model(SENTENCES)
    (found,) = decode(logits, LABELS, DecodingConfig(), word_model=model)
    assert found.text == "one two three"
    assert found.words[1].confidence < found.words[0].confidence


def test_a_word_model_is_read_from_its_file(tmp_path):
    path = tmp_path / "words.arpa"
    train_word_model(SENTENCES).save(path)
    config = DecodingConfig(word_model=str(path))
    assert decode(spelled("one two", {5: "x"}), LABELS, config)[0].text == "one two"
    with pytest.raises(DataError, match=r"missing\.arpa"):
        decode(spelled("one"), LABELS, DecodingConfig(word_model=str(tmp_path / "missing.arpa")))


def test_hot_words_are_heard_and_others_are_not_bent():
    logits = spelled("new yark", {5: "o"}, sure=4.0)
    plain, hot = DecodingConfig(), DecodingConfig(hot_words=("new yark",))
    assert decode(logits, LABELS, plain)[0].text == "new york"
    assert decode(logits, LABELS, hot)[0].text == "new yark"
    other = spelled("old house", sure=6.0)
    assert decode(other, LABELS, hot)[0].text == "old house"
    # What begins like one and goes on otherwise keeps nothing; the search prunes a little less.
    begun = decode(spelled("new yard"), LABELS, hot)[0]
    assert begun.text == "new yard"
    without = decode(spelled("new yard"), LABELS, plain)[0]
    assert begun.score == pytest.approx(without.score, abs=0.1)


def test_a_hot_word_that_the_word_model_does_not_know_is_not_fined():
    model = train_word_model(SENTENCES)
    scorer = WordScorer(LABELS.pieces, WordWeights(), model, HotWords(("zork",), 6.0), ("zork",))

    def total(text):
        state, total = scorer.start(), 0.0
        for letter in text:
            state, gained = scorer.extend(state, LETTERS.index(letter))
            total += gained
        return total + scorer.finish(state)

    assert total("one zork") - total("one bork") == pytest.approx(6.0 + WordWeights().unknown)
    # A known beginning is no known word.
    weights = WordWeights()
    known = weights.model * model.log_probability("one thre") + 2 * weights.bonus
    assert total("one thre") == pytest.approx(known - weights.unknown)


@settings(max_examples=100, deadline=None)
@given(text=st.text("ab ", max_size=14))
def test_hot_words_gain_their_bonus_for_every_time_they_are_there(text):
    phrases = ("a", "a b", "b a b", "aa")
    hot = HotWords(phrases, 3.0)
    text = " ".join(text.split())
    state, gained = hot.read(hot.start, text.encode())
    gained += hot.finish(state)
    words = text.split()
    times = sum(
        words[i : i + len(phrase.split())] == phrase.split()
        for phrase in phrases
        for i in range(len(words))
    )
    assert gained == pytest.approx(3.0 * times)


def test_a_trained_word_model_is_a_distribution_after_every_history(tmp_path):
    histories = [(), (BEGIN,), (BEGIN, "one"), ("one", "two"), ("nine", "four"), ("zzz", "two")]
    # Text for other programs names the unknown word.
    named = train_word_model([*SENTENCES, "one <unk> two", "<UNK> one"], order=3)
    for model in (named, train_word_model(SENTENCES, order=3)):
        words = [word for (word,) in model.tables[0] if word != BEGIN]
        assert UNKNOWN in words and END in words and "<UNK>" not in words
        for history in histories:
            total = sum(10 ** model._log10(history, word) for word in words)
            assert total == pytest.approx(1.0)
    marked = train_word_model([f"<s> {one} </s>" for one in SENTENCES])
    assert marked.tables == model.tables
    assert perplexity(model, ["one two three"]) < perplexity(model, ["three two one"])
    path = tmp_path / "words.arpa.gz"
    import gzip

    model.save(tmp_path / "words.arpa")
    path.write_bytes(gzip.compress((tmp_path / "words.arpa").read_bytes()))
    again = read_arpa(path)
    for sentence in ("one two", "five six seven", ""):
        assert again.log_probability(sentence) == pytest.approx(
            model.log_probability(sentence), abs=1e-5
        )


def test_every_occurrence_of_a_sentence_counts_in_the_perplexity():
    model = train_word_model(["yes"] * 5 + ["call home now"])
    assert perplexity(model, ["yes", "yes", "no"]) == perplexity(model, {"yes": 2, "no": 1})


def test_a_word_model_passes_on_as_katz_wrote():
    table = [
        {("a",): (-1.0, -0.5), ("b",): (-2.0, 0.0), (BEGIN,): (-99.0, -0.25), (END,): (-0.5, 0.0)},
        {("a", "b"): (-0.125, 0.0), (BEGIN, "a"): (-0.75, 0.0)},
    ]
    model = WordModel(table)
    ten = math.log(10)
    state, first = model.score(model.start(), "a")
    assert first == pytest.approx(-0.75 * ten)
    assert model.score(state, "b")[1] == pytest.approx(-0.125 * ten)
    assert model.score(state, "a")[1] == pytest.approx((-0.5 - 1.0) * ten)
    assert model.score(model.start(), "b")[1] == pytest.approx((-0.25 - 2.0) * ten)
    # No <unk>: as unlikely as one in ten million.
    assert model.score(state, "what")[1] == pytest.approx((-0.5 - 7.0) * ten)
    assert model.finish(state) == pytest.approx((-0.5 - 0.5) * ten)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\\data\\\nngram 1=1\n\n\\1-grams:\n-1.0 a\n", "no line"),
        ("\\data\\\nngram 1=2\n\n\\1-grams:\n-1.0 a\n\\end\\\n", "announces 2 1-grams and holds 1"),
        ("\\data\\\nngram 1=1\n\n\\1-grams:\nx a\n\\end\\\n", "row 5: 'x a'"),
        ("\\data\\\nngram one\n\\end\\\n", "row 2"),
        ("\\data\\\n\\2-grams:\n-1 a b\n\\end\\\n", "not the next part"),
        ("\\data\\\n\\1-grams:\nnan a\n\\end\\\n", "NaN"),
        ("\\data\\\n\\end\\\n", "no words"),
        ("hello\n", "no line"),
    ],
)
def test_a_damaged_word_model_is_named_with_its_row(tmp_path, content, message):
    path = tmp_path / "bad.arpa"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.arpa") as error:
        read_arpa(path)
    assert message in str(error.value)


def test_too_little_for_a_word_model_is_refused():
    with pytest.raises(DataError, match="no words"):
        train_word_model(["", "  "])
    with pytest.raises(ConfigurationError, match="order = 0"):
        train_word_model(["a"], order=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "viterbi"}, {"beam_width": 0}, {"n_best": 0}, {"least_probability": 1.0},
        {"word_model_weight": -1.0}, {"beam_nats": math.inf}, {"word_bonus": math.nan},
        {"hot_word_boost": math.inf}, {"hot_word_boost": math.nan}, {"least_probability": math.nan},
        {"hot_words": ("a",), "method": "greedy"},
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="|".join(wrong)):
        DecodingConfig(**wrong)
    with pytest.raises(ConfigurationError, match="hot_words = 'fade' is not a list"):
        DecodingConfig(hot_words="fade")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="hot_words: one of them is empty"):
        decode(spelled("a"), LABELS, DecodingConfig(hot_words=("a", " ")))


def test_outputs_that_cannot_be_decoded_are_refused():
    decoder = SpeechDecoder(LABELS)
    with pytest.raises(UserError, match="NaN"):
        decoder.push(np.full((2, len(LABELS.pieces)), np.nan))
    with pytest.raises(UserError, match="frames, labels"):
        decoder.push(np.zeros((2, 3)))


def test_labels_of_tokenizers():
    characters = SpeechLabels.of(train_tokenizer("characters", ["ab é"]))
    assert characters.pieces[characters.blank] == b"" and "é".encode() in characters.pieces
    # What is unknown stands for nothing.
    assert characters.silent == [0, characters.blank]
    # A subword may hold the space before a word, or part of a character.
    pieces = (b" on", b"e", b" t", b"wo", b"\xc3", b"\xa9", b"")
    labels = SpeechLabels(pieces, 6)
    logits = np.full((12, 7), -9.0)
    for frame, label in enumerate((0, 1, 6, 2, 3, 6, 2, 4, 5, 6, 6, 6)):
        logits[frame, label] = 9.0
    for method in ("greedy", "beam"):
        (found,) = decode(logits, labels, DecodingConfig(method=method), 0.1)
        assert found.text == "one two té"
        assert [round(word.start, 3) for word in found.words] == [0.0, 0.3, 0.6]
