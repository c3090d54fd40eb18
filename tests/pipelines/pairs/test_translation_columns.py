"""What columns and files of sentence pairs are taken for: headers, quotes, languages, markup."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipelines.base.errors import DataError
from pipelines.pairs.languages import language_of_column, language_of_file, languages_of_file
from pipelines.pairs.loading import load_all
from pipelines.pairs.plausibility import agreement

PAIRS = [
    (f"I have {'old ' * (n % 4)}book {n}.", f"J'ai le livre {n}{' ancien' * (n % 4)}.")
    for n in range(240)
]
SIDES = tuple([pair[side] for pair in PAIRS] for side in (0, 1))


def table(folder: Path, rows: list[tuple[str, ...]], name: str = "pairs.tsv") -> str:
    (folder / name).write_bytes("".join("\t".join(row) + "\n" for row in rows).encode())
    return f"file:{folder / name}"


def two_files(folder: Path, first: str, second: str, content: tuple[list[str], ...] = SIDES) -> str:
    paths = folder / first, folder / second
    for path, sentences in zip(paths, content, strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{one}\n" for one in sentences), encoding="utf-8")
    return f"file:{paths[0]},{paths[1]}"


def test_a_lone_carriage_return_is_a_space_with_and_without_columns(tmp_path: Path) -> None:
    source = table(tmp_path, [("source", "target"), ("one\rtwo", "eins"), ("two", "zwei\rdrei")])
    named = load_all(source, columns=["source=source", "target=target"])
    found = load_all(source)
    assert (named.source, named.target) == (("one two", "two"), ("eins", "zwei drei"))
    assert (named.source, named.target) == (found.source, found.target)


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("English sentences\tFrench sentences", ("english", "french")),
        ("sentence_en\tsentence_fr", ("en", "fr")),
        ("english_sentence\tfrench_sentence", ("english", "french")),
        ("eng_Latn\tfra_Latn", ("eng", "fra")),
        ("en-US\tfr-FR", ("en-us", "fr-fr")),
        ("src_sent\ttgt_sent", ("", "")),
        ("Text\tTranslation", ("", "")),
    ],
)
def test_headers_as_people_write_them(
    tmp_path: Path, header: str, languages: tuple[str, str]
) -> None:
    found = load_all(table(tmp_path, [tuple(header.split("\t")), *PAIRS]))
    assert list(zip(found.source, found.target, strict=True)) == PAIRS
    assert found.languages == languages


@pytest.mark.parametrize("number", ["id", "No"])
def test_a_column_of_numbers_is_not_one_of_indonesian_or_norwegian(
    tmp_path: Path, number: str
) -> None:
    rows = [(number, "en", "fr"), *((str(n), *pair) for n, pair in enumerate(PAIRS))]
    found = load_all(table(tmp_path, rows))
    assert list(zip(found.source, found.target, strict=True)) == PAIRS
    assert found.languages == ("en", "fr")


def test_languages_on_every_line_are_no_header_and_no_sentences(tmp_path: Path) -> None:
    found = load_all(table(tmp_path, [("en", a, "fr", b) for a, b in PAIRS]))
    assert list(zip(found.source, found.target, strict=True)) == PAIRS


def test_names_of_recordings_and_users_are_not_sentences(tmp_path: Path) -> None:
    rows = [(f"common_voice_{n}.mp3", *pair, f"{n:08x}-a1") for n, pair in enumerate(PAIRS)]
    header = ("path", "sentence", "translation", "client_id")
    for content in (rows, [header, *rows]):
        found = load_all(table(tmp_path, content))
        assert list(zip(found.source, found.target, strict=True)) == PAIRS
    assert "further columns (path, client_id): 2, not read" in str(found.report)
    # Where nothing else is there, they are what is translated.
    codes = [(str(n), f"A-{n}", f"b{n}.{n}") for n in range(60)]
    assert load_all(table(tmp_path, codes)).source[1] == "A-1"


def test_numbers_may_be_what_is_translated(tmp_path: Path) -> None:
    rows = [(str(n), "one " * n) for n in range(1, 60)]
    found = load_all(table(tmp_path, [("source", "target"), *rows]))
    assert len(found) == 59 and found.source[0] == "1"


def test_cells_that_all_stand_in_quotes_are_read_without_them(tmp_path: Path) -> None:
    found = load_all(table(tmp_path, [(f'"{a}"', f'"{b}"') for a, b in PAIRS]))
    assert list(zip(found.source, found.target, strict=True)) == PAIRS
    assert found.report.count("cells in the quotes of CSV") == 2 * len(PAIRS)
    # What some say, or say in parts, keeps its quotes.
    said = [(f'"{a}"' if n % 2 else a, f'"{b}", he said, "yes"') for n, (a, b) in enumerate(PAIRS)]
    found = load_all(table(tmp_path, said))
    assert list(zip(found.source, found.target, strict=True)) == said


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        ("fra_Latn.dev", "eng_Latn.dev", ("eng", "fra")),
        ("text.zh-CN", "text.en-US", ("en", "zh")),
        ("text.pt-BR", "text.en", ("en", "pt")),
        ("fr/train.txt", "en/train.txt", ("english", "french")),
    ],
)
def test_languages_stand_elsewhere_in_names_too(
    tmp_path: Path, first: str, second: str, asked: tuple[str, str]
) -> None:
    data = two_files(tmp_path, first, second)
    found = load_all(data, source_language=asked[0], target_language=asked[1])
    assert found.source == tuple(SIDES[1]) and found.languages == asked
    with pytest.raises(DataError, match="name says"):
        load_all(data, source_language="sv", target_language="fi")


def test_a_region_is_not_a_language() -> None:
    assert language_of_file("train.pt-BR") == "pt" and language_of_file("train.fr-CA.gz") == "fr"
    assert language_of_file("europarl-v7.fr-en.en") == "en"
    assert languages_of_file("pt-BR_en.tsv") == ("pt", "en")
    assert languages_of_file("en-DE.tsv") == ("en", "de")
    assert language_of_column("length") == "" and language_of_column("it is") == ""


@pytest.mark.parametrize(
    "begins", ['<?xml version="1.0"?>', '<refset setid="x">', "<!DOCTYPE html>", "<tmx>"]
)
def test_markup_is_not_taken_for_sentences(tmp_path: Path, begins: str) -> None:
    marked = tuple([begins, *(f"<seg>{one}</seg>" for one in side)] for side in SIDES)
    with pytest.raises(DataError, match="is markup, not sentences"):
        load_all(two_files(tmp_path, "test.en.sgm", "test.fr.sgm", marked))
    # Texts of software begin with what is translated; program code is indented.
    software = tuple(["<html>a</html>", *side] for side in SIDES)
    assert len(load_all(two_files(tmp_path, "a.en", "a.fr", software))) == len(PAIRS) + 1
    code = tuple(["\t" * (1 + n % 3) + one for n, one in enumerate(side)] for side in SIDES)
    assert len(load_all(two_files(tmp_path, "b.java", "b.cs", code))) == len(PAIRS)


def test_two_files_of_pairs_are_not_the_sides_of_one(tmp_path: Path) -> None:
    rows = ["\t".join(pair) for pair in PAIRS]
    with pytest.raises(DataError, match="each file has pairs"):
        load_all(two_files(tmp_path, "a.tsv", "b.tsv", (rows, rows[::-1])))


def test_advice_knows_what_the_files_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ends with empty lines: remove them"):
        load_all(two_files(tmp_path, "a.en", "a.fr", ([*SIDES[0], ""], SIDES[1])))
    (tmp_path / "de-en.txt.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(DataError, match=r"the ZIP file is damaged"):
        load_all(f"file:{tmp_path / 'de-en.txt.zip'}")
    pointer = ["version https://git-lfs.github.com/spec/v1", "oid sha256:0", "size 9"]
    with pytest.raises(DataError, match="git lfs pull"):
        load_all(two_files(tmp_path, "b.en", "b.fr", (pointer, pointer)))


def test_how_far_pairs_agree() -> None:
    right = agreement(*SIDES)
    mixed = agreement(SIDES[0], random.Random(0).sample(SIDES[1], 240))
    assert right is not None and right > 0.9
    assert mixed is not None and mixed < 0.1
    assert agreement(SIDES[0][:50], SIDES[1][:50]) is None
    assert agreement(["a"] * 300, ["b"] * 300) is None
