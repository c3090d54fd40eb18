"""Like is judged with like, any part can be judged, and training says what it understood."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import DataError
from pipelines.pairs.encoding import (
    TokenizerOptions,
    encode_pairs,
    train_tokenizers,
    without_too_long,
)
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from pipelines.tokenizers import CharacterTokenizer, WordTokenizer, train_tokenizer
from pipelines.tokenizers.sentence_ids import comparable_text, sentence_ids
from rnn_apps import translation
from rnn_apps.edge.translation.glossary import text_without_unknown, words_of_tokens
from rnn_apps.translation import TranslationConfig, translation_memory
from rnn_apps.translation.commands import _unknown_words
from rnn_apps.translation.judging.corpus_metrics import (
    CorpusFigures,
    CorpusMetrics,
    unsplit_warning,
)
from rnn_apps.translation.judging.dev_metrics import dev_metrics
from rnn_apps.translation.judging.judgement import _add_baseline, _perplexity
from rnn_apps.translation.judging.scoring import ScoredPair
from rnn_apps.translation.understood import Understood

NARROW = "\u202f"
LONG = 1001


def french(count: int, seed: int = 0) -> SentencePairs:
    """Pairs whose targets have a narrow unbreakable space, as French typography wants it."""
    generator = np.random.default_rng(seed)
    words, other = ("one", "two", "three", "four"), ("un", "deux", "trois", "quatre")
    rows = [generator.integers(0, 4, generator.integers(1, 4)) for _ in range(count)]
    return SentencePairs(
        tuple(" ".join(words[n] for n in row) + "!" for row in rows),
        tuple(" ".join(other[n] for n in row) + f"{NARROW}!" for row in rows),
        "made up",
        tuple(f"line {number}" for number in range(1, count + 1)),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> translation.Run:
    """Trained for a moment, on validation and test parts that have one line that is a document."""
    folder = tmp_path_factory.mktemp("french")
    sources = {}
    for name, count, seed in (("train", 300, 0), ("val", 20, 1), ("test", 20, 2)):
        pairs = french(count, seed)
        rows = list(zip(pairs.source, pairs.target, strict=True))
        if name != "train":
            rows[6] = ("one " * LONG + "!", "un " * LONG + f"{NARROW}!")
        (folder / f"{name}.tsv").write_text(
            "".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8"
        )
        sources[name] = f"file:{folder / f'{name}.tsv'}"
    config = TranslationConfig(
        data=sources["train"], validation=sources["val"], test=sources["test"],
        run=str(folder / "run"), vocabulary_size=310, units=32, embedding_size=24,
        learning_rate=2e-2, epochs=15, batch_size=32, embedding_dropout=0.0, annotation_dropout=0.0,
        output_dropout=0.0, beam_width=2, gradient_flow=False,
    )  # fmt: skip
    return translation.train(config)


def test_references_are_judged_as_the_vocabulary_writes_them(run: translation.Run) -> None:
    found = run.metrics["test"]
    judged = found["translated_by"]["beam 2"]
    written = found["translated_by"]["beam 2, references as written"]
    assert judged["exact"] > 0.5 > written["exact"] == 0.0
    assert any("normalises, as" in note for note in found["notes"])
    # The nearest training sentence is compared in the same way.
    assert found["translated_by"]["nearest training sentence"]["exact"] > 0


def test_validation_is_judged_likewise() -> None:
    pairs = french(30)
    joint, _ = train_tokenizers(pairs, TokenizerOptions(vocabulary_size=310))
    encoded = encode_pairs(pairs, joint, joint)
    assert comparable_text(joint, pairs.target[0]) == pairs.target[0].replace(NARROW, " ")
    from rnn_apps.translation.judging import dev_metrics as module

    class Rows:
        """What a search that knows every reference by heart would give."""

        def __init__(self, rows: list[np.ndarray]) -> None:
            self.rows = rows

        def numpy(self) -> list[np.ndarray]:
            return self.rows

    order = np.argsort([len(one) for one in encoded.source], kind="stable")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            module.tf, "function",
            lambda *_, **__: lambda tokens: Rows([encoded.target[n] for n in order]),
        )  # fmt: skip
        found = dev_metrics(encoded, joint, "13a")(object())  # type: ignore[arg-type]
    assert found["val_exact"] == 1.0 and found["val_bleu"] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\u202fb  c ", "a\u202fb c"), ("\ta\x0bb", "a b"), ("", "")],
)
def test_words_are_normalised_in_their_white_space_alone(text: str, expected: str) -> None:
    assert comparable_text(WordTokenizer(["a"]), text) == expected
    assert comparable_text(CharacterTokenizer("ab"), "a b\x85") == "a b"


def test_a_line_that_is_a_document_leaves_the_run_judgeable(run: translation.Run) -> None:
    found = run.metrics["test"]
    assert found["pairs"] == 19
    [note] = [note for note in found["notes"] if "not judged" in note]
    assert "1 of the 20 pairs of" in note and "test.tsv" in note and "line 7" in note
    assert "19 pairs" in run.evaluate(part="validation")["table"]["title"]
    (run.folder.path.parent / "all.tsv").write_text(f"{'one ' * LONG}\tun\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"all\.tsv: has only sentences of more than 1,000"):
        run.evaluate(f"file:{run.folder.path.parent / 'all.tsv'}")


def test_the_perplexity_is_that_of_all_pairs() -> None:
    good, bad = SentencePairs(("a",), ("b",)), SentencePairs(("a",), ("zzz",))
    count = 2100

    class Scorer:
        """A run to which only the last pairs are improbable and unknown."""

        def score(self, pairs: Sequence[tuple[str, str]]) -> list[ScoredPair]:
            right = ScoredPair(-1.0, ("b", "<end>"), np.full(2, -0.5, "f4"), np.ones((2, 2), "f4"))
            values = np.array([-6.0, -1.0], "f4")
            wrong = ScoredPair(-7.0, ("?", "<end>"), values, np.ones((2, 2), "f4"), (True, False))
            return [right if target == "b" else wrong for _, target in pairs]

        def unknown_text(self, sentences: Sequence[str]) -> str:
            return ""

    both = SentencePairs(
        good.source * count + bad.source * count, good.target * count + bad.target * count
    )
    notes: list[str] = []
    found = _perplexity(Scorer(), both, notes)  # type: ignore[arg-type]
    assert found == pytest.approx(np.exp((1 + 7) / 4))
    [note] = notes
    assert f"{count:,} of the {4 * count:,} tokens" in note
    assert f"and it is {np.exp((1 + 1) / 3):.4g} of the others" in note


def test_the_baseline_says_if_it_has_some_of_the_training_pairs_only(
    run: translation.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation_memory, "MOST_SENTENCES", 150)
    rows: dict[str, CorpusFigures] = {}
    pairs = run.unchanged.part("validation")
    metrics = CorpusMetrics("13a")
    _add_baseline(run, pairs, [(one,) for one in pairs.target], metrics, rows, [])
    assert list(rows) == ["nearest training sentence (of 150 of 300, one in 2)"]


def test_training_says_what_it_understood(run: translation.Run) -> None:
    lines = "\n".join(run.metrics["data"]["understood"])
    assert "300 for training, 19 for validation, 19 for test" in lines
    assert "judged sentences of more than 1,000 tokens: 1, left out (line 7)" in lines
    assert "Left out of" not in lines
    assert "1,000 tokens: 1, left out (line 7)" in run.folder.report.read_text(encoding="utf-8")


def test_what_is_judged_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "all.tsv").write_text(f"{'one ' * LONG}\tun\n", encoding="utf-8")
    config = TranslationConfig(
        test=f"file:{tmp_path / 'all.tsv'}", run=str(tmp_path / "run"), split="0.9,0.1,0"
    )
    with pytest.raises(DataError, match="too many to translate at once"):
        translation.train(dataclasses.replace(config, vocabulary_size=310), data=french(60))
    assert not (tmp_path / "run").exists()


def test_only_what_is_too_long_is_left_out() -> None:
    words = WordTokenizer(["a"])
    pairs = SentencePairs(
        ("a " * 5, "a " * 6, "a", "a" * 90), ("a", "a", "a " * 6, "a"), "made up", tuple("wxyz")
    )
    kept, left_out = without_too_long(pairs, words, words, 5)
    assert left_out == ("x", "y") and len(kept) == 2
    assert pairs.report.count("judged sentences of more than 5 tokens") == 2


def understood(train: SentencePairs, test: SentencePairs | None = None, **changes: object) -> str:
    config = dataclasses.replace(TranslationConfig(tokenizer="words"), **changes)  # type: ignore[arg-type]
    options = TokenizerOptions("words", joint=False)
    source, target = train_tokenizers(train, options)
    training = encode_pairs(
        train, source, target, longest=config.longest, length_ratio=config.length_ratio
    )
    return "\n".join(Understood(PairParts(train, None, test), training, source, target, config)
                     .lines())  # fmt: skip


def test_a_large_share_that_is_left_out_is_said() -> None:
    pairs = SentencePairs(("a b c d e f", "a b", "a b c d e"), ("x", "x y", "x"), "made up")
    text = understood(pairs, longest=4)
    assert "Left out of 3 training pairs: 2 (67%). longer than 4 tokens: 2." in text
    assert "longest = 4 tokens" in text


def test_held_out_sentences_that_training_knows_are_counted() -> None:
    train = SentencePairs(("a", "b"), ("x", "y"), "made up")
    test = SentencePairs(("a", "a", "b", "c"), ("x", "z", "z", "y"))
    text = understood(train, test)
    assert "1 of the 4 test pairs are also in training: " in text
    known = "have a source sentence that is in training with another translation: figures"
    assert f"2 of the 4 test pairs {known}" in text
    assert known not in understood(train, SentencePairs(("c",), ("y",)))


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (
            ("a b", "b a"),
            ("a b", "b a"),
            "100% of the training pairs have the same text on both sides",
        ),
        (("li@@ vre", "a b"), ("x", "y"), "50% of the source sentences hold marks of subwords"),
        (("a", "b"), ("x", "x"), "1 of the 1 test pairs are also in training"),
        (
            ("a", "b"),
            ("我看见狗。", "你吃面包"),
            "BLEU takes a run of letters without a space for one",
        ),
    ],
)
def test_what_is_odd_is_said(source: tuple[str, ...], target: tuple[str, ...], said: str) -> None:
    pairs = SentencePairs(source, target, "made up")
    assert said in understood(pairs, SentencePairs(source[:1], target[:1]))
    plain = SentencePairs(("a", "b"), ("x", "y"), "made up")
    assert said not in understood(plain, SentencePairs(("c",), ("z",)))


def test_nothing_held_out_is_no_failure(tmp_path: Path) -> None:
    config = TranslationConfig(
        run=str(tmp_path / "run"), split="1,0,0", epochs=1, units=4, embedding_size=4,
        tokenizer="words", gradient_flow=False,
    )  # fmt: skip
    run = translation.train(config, data=french(20))
    assert "training" in run.metrics and "test" not in run.metrics


@pytest.mark.parametrize(
    ("looked_at", "unknown", "expected"),
    [
        # The attention is off by one or two: a neighbour that the vocabulary knows is not copied.
        ([0, 1, 1, 2], {3}, "the <unk> in Xanadu"),
        ([0, 2, 1, 1], {1, 3}, "the Xanadu in Kublai"),
        # Nothing unknown is left, or near: nothing is claimed.
        ([0, 1, 2, 3], set(), "the <unk> in <unk>"),
        ([0, 8, 2, 8], {3}, "the <unk> in <unk>"),
    ],
)
def test_only_unknown_words_are_copied(
    looked_at: list[int], unknown: set[int], expected: str
) -> None:
    target = WordTokenizer(["the", "in"])
    ids = sentence_ids(target, "the ? in ?")[:-1]
    words = ["der", "Kublai", "in", "Xanadu"]
    known = [number not in unknown for number in range(len(words))]
    assert text_without_unknown(target, ids, looked_at, words, known, {}) == expected
    # A glossary also has words that the source's vocabulary knows.
    text = text_without_unknown(target, ids, [0, 0, 0, 3], words, [True] * 4, {"Xanadu": "Shangdu"})
    assert text == "the <unk> in Shangdu"


def test_two_unknown_words_keep_their_order() -> None:
    target = WordTokenizer(["and"])
    ids = sentence_ids(target, "? and ?")[:-1]
    words, known = ["Ann", "und", "Bob", "ja"], [False, True, False, True]
    for looked_at in ([0, 1, 2], [1, 1, 2], [2, 2, 2], [0, 0, 0], [1, 1, 1]):
        assert text_without_unknown(target, ids, looked_at, words, known, {}) == "Ann and Bob"
    crossed = text_without_unknown(target, ids, [2, 1, 0], words, known, {})
    assert crossed == "Bob and Ann"
    far = ["Ann", *["und"] * 9]
    assert "<unk>" in text_without_unknown(target, ids, [9, 9, 9], far, [False] + [True] * 9, {})


def test_an_unbreakable_space_does_not_shift_the_words() -> None:
    tokenizer = train_tokenizer("words", ["a b c"])
    text = "a\u00a0x  b\u3000y c"
    assert words_of_tokens(tokenizer, text) == ["a\u00a0x", "b\u3000y", "c"]
    assert len(words_of_tokens(tokenizer, text)) == len(tokenizer.encode(text))


def test_unknown_words_of_what_is_translated_are_said() -> None:
    class WithWords:
        """A run whose vocabulary has two words."""

        source_tokenizer = WordTokenizer(["a", "b"])

    said = _unknown_words(WithWords(), ["a b", "a zebra", "<unk>", "ox"])  # type: ignore[arg-type]
    assert said == [
        "2 of 4 sentences hold words that the model does not know, such as 'zebra' in sentence 2: "
        "look at their translations."
    ]
    assert _unknown_words(WithWords(), ["a", ""]) == []  # type: ignore[arg-type]

    class WithSubwords:
        """A run that has never seen a capital letter."""

        source_tokenizer = train_tokenizer("subwords", ["some small letters\n" * 9] * 9,
                                           vocabulary_size=280)  # fmt: skip

    [said] = _unknown_words(WithSubwords(), ["some letters", "SOME"])  # type: ignore[arg-type]
    assert "1 of 2 sentences hold characters that the model knows in small letters only" in said


@pytest.mark.parametrize(
    ("sentence", "tokenizer", "warned"),
    [
        ("我看见一条狗。", "13a", True),
        ("我看见一条狗。", "zh", False),
        ("犬を見る", "intl", True),
        ("ฉันเห็นสุนัข", "13a", True),
        ("개를 본다", "13a", False),
        ("Я вижу собаку", "13a", False),
        ("12 + 3!", "13a", False),
    ],
)
def test_a_script_that_bleu_does_not_split_is_said(
    sentence: str, tokenizer: str, warned: bool
) -> None:
    assert bool(unsplit_warning([sentence], tokenizer)) == warned


def test_a_copied_name_teaches_the_unknown_word_of_a_joint_vocabulary() -> None:
    source = ("I see Ann", "I see Bob", "you see me")
    target = ("je vois Ann", "je vois Bob", "tu vois moi")
    pairs = SentencePairs(source, target, "made up")
    joint, same = train_tokenizers(pairs, TokenizerOptions("words"))
    assert joint is same and set(joint.tokens[2:]) == {"I", "see", "je", "vois"}
    for sentence in (source[0], target[0]):
        assert (joint.encode(sentence) == joint.unknown_id).sum() == 1
    # A text that states its unknown words, or a stated count, is taken as it is.
    stated = SentencePairs(("I see <unk>", *source[1:]), target, "made up")
    assert "Bob" in train_tokenizers(stated, TokenizerOptions("words"))[0].tokens
    every, _ = train_tokenizers(pairs, TokenizerOptions("words", minimum_count=1))
    assert "Ann" in every.tokens
