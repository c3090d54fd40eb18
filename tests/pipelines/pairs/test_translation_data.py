"""Sentence pairs from every kind of source, what is left out of them, and their batches."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import DataError
from pipelines.pairs.aligned_files import read_aligned_files
from pipelines.pairs.batching import PairBatches
from pipelines.pairs.encoding import (
    TokenizerOptions,
    encode_pairs,
    sampled_encoding,
    train_tokenizers,
    without_empty,
)
from pipelines.pairs.loading import load_all, load_pairs
from pipelines.pairs.localised_phrases import part_of
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.tokenizers.sentence_ids import END, PADDING, START, sentence_ids, sentence_text
from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer

LINES = [("a dog", "ein Hund"), ("two dogs run", "zwei Hunde laufen"), ("a cat", "eine Katze")]
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en-US"/><body>
<tu><tuv xml:lang="de-DE"><seg>ein <bpt i="1">&lt;b&gt;</bpt>Hund<ept i="1">x</ept></seg></tuv>
<tuv xml:lang="en-US"><seg>a <hi>dog</hi> &amp; more</seg></tuv></tu>
<tu><tuv xml:lang="en-US"><seg>alone</seg></tuv></tu>
</body></tmx>
"""


def write_pair(folder: Path, first: str | bytes, second: str | bytes) -> str:
    paths = []
    for name, content in (("a.en", first), ("a.de", second)):
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        paths.append(str(folder / name))
    return f"file:{','.join(paths)}"


def aligned(folder: Path) -> str:
    return write_pair(
        folder,
        "".join(f"{a}\n" for a, _ in LINES),
        "".join(f"{b}\n" for _, b in LINES),
    )


def pairs_of(count: int, seed: int = 0) -> SentencePairs:
    generator = np.random.default_rng(seed)
    words = ("red", "green", "blue", "small", "large", "house", "tree", "12", "345")
    lengths = generator.integers(1, 12, count)
    source = [" ".join(generator.choice(words, length)) for length in lengths]
    return SentencePairs(tuple(source), tuple(s[::-1] for s in source), "made up")


def test_two_files_are_read_line_by_line_plain_or_packed(tmp_path: Path) -> None:
    found = load_all(aligned(tmp_path))
    assert list(zip(found.source, found.target, strict=True)) == LINES
    packed = []
    for name in ("a.en", "a.de"):
        path = tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        packed.append(path)
    assert read_aligned_files(*packed).fingerprint == found.fingerprint


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_sentence(tmp_path: Path) -> None:
    found = load_all(write_pair(tmp_path, b"\xef\xbb\xbfa dog\r\na cat\r\n", "Hund\nKatze\n"))
    assert found.source == ("a dog", "a cat")
    assert found.report.count("byte order marks") == 1


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ("a\nb\n", "x\n", "2 lines, but .*1: they do not align"),
        ("a\n\nb\n", "x\ny\nz\nw\n", "Look at line 2"),
        ("", "x\n", "the file is empty"),
        ("a\n", "\n", "no pair whose two sentences both"),
        (b"caf\xe9\n", "x\n", "not UTF-8"),
        ("a\n".encode("utf-16"), "x\n", "UTF-16, not UTF-8"),
        (b"a\0b\n", "x\n", "NUL"),
    ],
)
def test_files_that_cannot_be_pairs_are_refused(
    tmp_path: Path, first: str | bytes, second: str | bytes, named: str
) -> None:
    with pytest.raises(DataError, match=named):
        load_all(write_pair(tmp_path, first, second))


def test_other_files_are_refused_with_what_could_be_meant(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a dog\nein Hund\n")
    with pytest.raises(DataError, match=r"file:SOURCE,TARGET, or one file that ends in \.tsv"):
        load_all(f"file:{tmp_path / 'a.txt'}")


def test_tab_separated_columns_by_place_or_by_header(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text('a dog\tein Hund\tCC-BY\nno tab here\n\na "cat\tKatze\n', encoding="utf-8")
    found = load_all(f"file:{path}")
    assert found.source == ("a dog", 'a "cat') and found.target == ("ein Hund", "Katze")
    assert found.report.count("lines without a second column") == 1
    path.write_text("id\tde\ten\n1\tHund\tdog\n", encoding="utf-8")
    named = load_all(f"file:{path}", source_language="en", target_language="de")
    assert (named.source, named.target) == (("dog",), ("Hund",))


def test_a_translation_memory_gives_text_without_its_codes(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(TMX, encoding="utf-8")
    found = load_all(f"file:{path}")
    assert (found.source, found.target) == (("a dog & more",), ("ein Hund",))
    assert found.report.count("units without de-de") == 1
    other = load_all(f"file:{path}", source_language="de", target_language="en")
    assert other.source == ("ein Hund",)
    with pytest.raises(DataError, match="has no fr"):
        load_all(f"file:{path}", source_language="en", target_language="fr")


def test_a_second_text_in_a_language_of_a_unit_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    unit = '<tuv xml:lang="de-DE"><seg>ein '
    path.write_text(TMX.replace(unit, f'<tuv xml:lang="de-DE"><seg>k</seg></tuv>\n{unit}'))
    found = load_all(f"file:{path}")
    assert (found.source, found.target) == (("a dog & more",), ("k",))
    assert "several texts in de-de in a unit: 1, the first counts" in str(found.report)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('<!DOCTYPE tmx [<!ENTITY x "y">]><tmx><body/></tmx>', "declares the entity 'x'"),
        ("<tmx><body>", "row 1: is not well-formed XML"),
        ("<html/>", "is not TMX"),
        ("<tmx><body><tu><tu><tuv/></tu></tu></body></tmx>", "row 1: has a tu inside a tu"),
        ("<tmx><tu><tuv><seg>a<seg>b</seg></seg></tuv></tu></tmx>", "has a seg inside a seg"),
        ("<tmx><body/></tmx>", "no translation unit"),
    ],
)
def test_a_translation_memory_that_is_none_or_dangerous_is_refused(
    tmp_path: Path, content: str, named: str
) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=named):
        load_all(f"file:{path}")


def test_pairs_with_an_empty_side_are_left_out_and_counted() -> None:
    pairs = SentencePairs(("a", "", " ", "b"), ("x", "y", "", "\t"), "made up")
    found = without_empty(pairs)
    assert (found.source, found.target) == (("a",), ("x",))
    assert pairs.report.count("source side empty") == 1
    assert pairs.report.count("target side empty") == 1
    assert pairs.report.count("both sides empty") == 1


def test_all_translations_of_a_sentence_are_on_one_side_of_a_split() -> None:
    many = pairs_of(300)
    other = tuple(f"{target} !" for target in many.target)
    twice = SentencePairs(many.source * 2, many.target + other, "twice")
    parts = load_pairs(twice, split="0.6,0.2,0.2", seed=3)
    assert parts.validation is not None and parts.test is not None
    sides = [set(part.source) for part in (parts.train, parts.validation, parts.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert sum(map(len, (parts.train, parts.validation, parts.test))) == 600
    again = load_pairs(twice, split="0.6,0.2,0.2", seed=3)
    assert again.train.fingerprint == parts.train.fingerprint
    with pytest.raises(DataError, match="too few for the split"):
        load_pairs(SentencePairs(("a",), ("b",)), split="0.5,0.25,0.25")


def test_long_sentences_and_wild_length_ratios_are_left_out_of_training() -> None:
    pairs = SentencePairs(
        ("w " * 10_000, "a b c", "a", "a b", "x" * 30_000),
        ("w", "x y z", " ".join("abcdefghij"), "x y", "x"),
        "made up",
    )
    words = TokenizerOptions("words")
    source, target = train_tokenizers(pairs, words)
    found = encode_pairs(pairs, source, target, longest=50, length_ratio=4.0)
    assert found.pairs.source == ("a b c", "a b")
    report = found.report
    assert report.count("longer than 50 tokens") == 1
    assert report.count("more than 20000 characters") == 1
    assert report.count("more than 4 times as long as the other side") == 1
    # What is judged is judged whole.
    assert len(encode_pairs(pairs, source, target).source) == 5
    with pytest.raises(DataError, match="longer than 1 tokens"):
        encode_pairs(pairs, source, target, longest=1)


def test_subwords_normalise_and_give_detokenised_text_back() -> None:
    pairs = pairs_of(400)
    joint, same = train_tokenizers(pairs, TokenizerOptions(vocabulary_size=300))
    assert joint is same
    # Full-width letters, an unbreakable space, a control character, a script never seen.
    text = "\uff52ed\u00a0 tree\x07 \u4e2d\u6587 12 "
    ids = sentence_ids(joint, text)
    assert ids[-1] == END
    assert sentence_text(joint, ids) == "red tree \u4e2d\u6587 12"
    # A word has the same pieces at the beginning as elsewhere, and every digit is a token.
    assert list(joint.encode("red")) == list(joint.encode("tree red"))[-len(joint.encode("red")) :]
    assert len(joint.encode("345")) >= 3
    separate = train_tokenizers(pairs, TokenizerOptions(vocabulary_size=290, joint=False))
    assert separate[0] is not separate[1]


def test_sampled_subwords_vary_by_seed_alone() -> None:
    pairs = pairs_of(300)
    joint, _ = train_tokenizers(pairs, TokenizerOptions(vocabulary_size=320))
    assert isinstance(joint, SubwordTokenizer)
    encoded = encode_pairs(pairs, joint, joint)
    encode = sampled_encoding(encoded, joint, joint, 0.3)
    first, again, other = (encode(range(20), key) for key in ((1, 2), (1, 2), (1, 3)))
    flat = [[list(a) + list(b) for a, b in drawn] for drawn in (first, again, other)]
    assert flat[0] == flat[1] != flat[2]
    for number, (a, b) in enumerate(first):
        assert sentence_text(joint, a) == pairs.source[number]
        assert sentence_text(joint, b) == pairs.target[number]


def batches_of(count: int, **options: object) -> tuple[SentencePairs, PairBatches]:
    pairs = pairs_of(count)
    source, target = train_tokenizers(pairs, TokenizerOptions("characters", joint=False))
    encoded = encode_pairs(pairs, source, target)
    settings: dict[str, object] = {"token_budget": 200, "batch_size": 16, **options}
    return pairs, PairBatches(encoded.source, encoded.target, **settings)


def test_an_epoch_has_every_pair_once_within_the_budget() -> None:
    _, batches = batches_of(150, shuffle=True, seed=4)
    seen = np.concatenate([numbers for numbers, _, _ in batches.rows(0)])
    assert sorted(seen.tolist()) == list(range(150))
    for numbers, rows, length in batches.rows(0):
        assert len(numbers) <= rows <= 16
        assert rows * length <= 200 or rows == 1
    assert len(batches.rows(0)) == batches.steps_per_epoch
    orders = [[n.tolist() for n, _, _ in batches.rows(epoch)] for epoch in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert len({(rows, length) for _, rows, length in batches.rows(0)}) < 30


def test_targets_follow_what_goes_in_and_padding_weighs_nothing() -> None:
    _, batches = batches_of(60, seed=1)
    steps = list(batches.epoch(0).as_numpy_iterator())
    assert len(steps) == batches.steps_per_epoch
    total = 0
    for inputs, targets, weights in steps:
        assert inputs["source"].shape == inputs["target"].shape == targets.shape == weights.shape
        assert (inputs["target"][:, 0] == START).all()
        np.testing.assert_array_equal(weights, targets != PADDING)
        real = targets[:, :-1] * (targets[:, 1:] != PADDING)
        np.testing.assert_array_equal(inputs["target"][:, 1:], real)
        assert ((inputs["source"] == END).sum(axis=1) == 1).all()
        total += int(weights.sum())
    assert total == batches.tokens
    rest = list(batches.epoch(0, start_step=2).as_numpy_iterator())
    np.testing.assert_array_equal(rest[0][1], steps[2][1])


def test_shards_share_each_batch() -> None:
    _, batches = batches_of(50, shuffle=True)
    whole = list(batches.epoch(1).as_numpy_iterator())
    shards = [list(batches.epoch(1, shard=(rank, 2)).as_numpy_iterator()) for rank in (0, 1)]
    for step, (_, targets, _) in enumerate(whole):
        first, second = (shard[step][1] for shard in shards)
        assert first.shape == second.shape
        together = sorted(row.tolist() for part in (first, second) for row in part if row.any())
        assert together == sorted(row.tolist() for row in targets if row.any())


def test_phrases_of_the_parts_have_no_value_in_common() -> None:
    parts = load_pairs("builtin:phrases")
    assert parts.validation is not None and parts.test is not None
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (24_000, 1200, 1200)
    numbers = [
        {word for sentence in part.source if (word := sentence.split()[0]).isdigit()}
        for part in (parts.train, parts.test)
    ]
    assert len(numbers[1]) > 20 and not numbers[0] & numbers[1]
    assert not set(parts.train.source) & set(parts.test.source)
    assert not {"\u202f", "\u00a0"} & set("".join(parts.train.target))
    shares = [part_of("number", n) for n in range(10_000)]
    assert 400 < shares.count(1) < 600 and 400 < shares.count(2) < 600
    with pytest.raises(DataError, match="is not a locale that Babel knows"):
        load_pairs("builtin:phrases", target_language="xx")


def test_the_snippet_of_the_document_works(capsys: pytest.CaptureFixture[str]) -> None:
    document = Path(__file__).parents[3] / "docs/translation-data.md"
    [snippet] = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(snippet, str(document), "exec"), {})
    assert capsys.readouterr().out.count("(") == 4
