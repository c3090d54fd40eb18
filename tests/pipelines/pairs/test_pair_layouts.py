"""Pairs as people have them: JSON lines, CSV, Parquet, Tatoeba, ManyThings, TMX of tools."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipelines.base.errors import DataError
from pipelines.pairs.loading import load_all
from pipelines.pairs.sentence_pairs import SentencePairs

ENGLISH, FRENCH = ("A dog.", "A cat, too."), ("Un chien.", "Un chat aussi.")
PAIRS = tuple(zip(ENGLISH, FRENCH, strict=True))
LICENCE = "CC-BY 2.0 (France) Attribution: tatoeba.org #{} (CK) & #{} (gillux)"


def read(path: Path, **options: str) -> SentencePairs:
    return load_all(f"file:{path}", **options)


def sides(pairs: SentencePairs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return pairs.source, pairs.target


def as_zip(content: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("fra.txt", "_about.txt"):
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.csv"])
def test_records_that_name_languages(tmp_path: Path, name: str) -> None:
    rows = [{"id": n, "en": e, "fr": f} for n, (e, f) in enumerate(PAIRS)]
    path = tmp_path / name
    if name.endswith("parquet"):
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith("csv"):
        path.write_text('id,en,fr\n0,A dog.,Un chien.\n1,"A cat, too.",Un chat aussi.\n')
    elif name.endswith("json"):
        path.write_text(json.dumps(rows, indent=2))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = read(path)
    assert sides(pairs) == (ENGLISH, FRENCH) and pairs.languages == ("en", "fr")
    assert "the columns 'en' and 'fr'" in str(pairs.report)
    assert "further columns (id)" in str(pairs.report)
    assert sides(read(path, source_language="fr", target_language="en")) == (FRENCH, ENGLISH)
    chosen = read(path, source_column="fr", target_column="en")
    assert sides(chosen) == (FRENCH, ENGLISH)
    with pytest.raises(DataError, match="columns of en, fr, not of de and en"):
        read(path, source_language="de", target_language="en")
    with pytest.raises(DataError, match=r"no column 'de', which source_column names.*id, en, fr"):
        read(path, source_column="de", target_column="en")
    with pytest.raises(DataError, match="go together"):
        read(path, source_column="en")
    with pytest.raises(DataError, match="as source and as target"):
        read(path, source_column="en", target_column="en")


def test_the_inner_columns_of_hugging_face(tmp_path: Path) -> None:
    path = tmp_path / "opus.jsonl"
    rows = [{"id": "1", "translation": {"en": e, "fr": f}}
            for e, f in zip(ENGLISH, FRENCH, strict=True)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert sides(read(path)) == (ENGLISH, FRENCH)


def test_records_inside_an_outer_object(tmp_path: Path) -> None:
    rows = [{"en": e, "fr": f} for e, f in PAIRS]
    path = tmp_path / "a.json"
    for indent in (None, 2):
        path.write_text(json.dumps({"version": "1", "data": rows}, indent=indent))
        assert sides(read(path)) == (ENGLISH, FRENCH)
    path.write_text(json.dumps({"data": ["a", "b"]}))
    with pytest.raises(DataError, match="does not say which columns"):
        read(path)
    path.write_text('{"data": [{"en": "a", "fr": "b"},\n')
    with pytest.raises(DataError, match=r"row 1.*is not JSON"):
        read(path)


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.txt", bytes), ("a.txt.bz2", bz2.compress), ("a.tsv.xz", lzma.compress),
     ("fra-eng.zip", as_zip)],
)  # fmt: skip
def test_many_things_with_its_licences(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    lines = [f"{e}\t{f}\t{LICENCE.format(n, n)}" for n, (e, f) in enumerate(PAIRS)]
    path = tmp_path / name
    path.write_bytes(pack(("\n".join(lines) + "\n").encode()))
    assert sides(read(path)) == (ENGLISH, FRENCH)
    turned = read(path, source_column="2", target_column="1")
    assert sides(turned) == (FRENCH, ENGLISH)
    assert turned.places == ("line 1", "line 2")


def test_tatoeba_with_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    lines = [f"12{n}\t{e}\t34{n}\t{f}" for n, (e, f) in enumerate(PAIRS)]
    path.write_text("\n".join(lines) + "\n")
    assert sides(read(path)) == (ENGLISH, FRENCH)
    assert sides(read(path, source_column="4", target_column="2")) == (FRENCH, ENGLISH)


def test_line_breaks_and_quotes_inside_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('source;target\n"Say ""yes"".\nNow.";Dis oui.\nA dog.;Un chien.\n')
    pairs = read(path)
    assert pairs.source == ('Say "yes". Now.', "A dog.")
    assert pairs.places == ("line 2", "line 4")


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.jsonl", '{"en": "a", "fr": "b"}\n{"en": 3, "fr": "c"}\n', r"row 2.*'en' holds a num"),
        ("a.jsonl", '{"en": "a", "fr": "b"}\n{"en": "a"\n', r"row 2.*is not JSON"),
        ("a.jsonl", '{"x": "a", "y": "b"}\n', r"columns: x, y.*--source-column NAME"),
        ("a.csv", 'en,fr\n"a,b\n', r"row 2.*quotation marks"),
        ("a.csv", "en,fr\na, b,c\n", r"row 2.*3 cells.*in quotes"),
        ("a.csv", "en\na\n", "has one column only"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(
    tmp_path: Path, name: str, content: str, named: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=named):
        read(tmp_path / name)


def test_empty_cells_are_left_out_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"en": "a", "fr": "b"}\n{"en": null, "fr": "c"}\n{"fr": "d"}\n')
    pairs = read(path)
    assert sides(pairs) == (("a",), ("b",))
    assert pairs.report.count("source side empty") == 2


TMX = """<?xml version="1.0"?>
<tmx version="1.4"><header srclang="en_US"/><body>{units}</body></tmx>
"""
UNIT = (
    '<tu><tuv xml:lang="en_US"><seg>{}</seg></tuv><tuv xml:lang="fr_FR"><seg>mot</seg></tuv></tu>'
)


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ('un<bpt i="1" type="bold">&lt;b&gt;</bpt>believ<ept i="1">&lt;/b&gt;</ept>able',
         "unbelievable"),
        ('un<ph x="1">&lt;b&gt;</ph>believ<ph x="2">&lt;/b&gt;</ph>able', "unbelievable"),
        ('un<ph type="italic">{i}</ph>believable', "unbelievable"),
        ("one<ph>&lt;br/&gt;</ph>two", "one two"),
        ('one<it pos="begin" type="lb">\\n</it>two', "one two"),
        ("one<ph>{1}</ph>two", "one two"),
        ("one<x/>two", "one two"),
        ("a <hi>kept</hi> word", "a kept word"),
        ('one<ph>&lt;img alt="<sub>not this</sub>"/&gt;</ph> two', "one two"),
    ],
)  # fmt: skip
def test_inline_tags_of_tools_by_their_kind(tmp_path: Path, segment: str, text: str) -> None:
    path = tmp_path / "memory.tmx.bz2"
    path.write_bytes(bz2.compress(TMX.format(units=UNIT.format(segment)).encode()))
    pairs = read(path, source_language="English", target_language="fr")
    assert sides(pairs) == ((text,), ("mot",))


def test_a_packed_memory_that_is_damaged(tmp_path: Path) -> None:
    content = lzma.compress(TMX.format(units=UNIT.format("word") * 99).encode())
    (tmp_path / "a.tmx.xz").write_bytes(content[:-40])
    with pytest.raises(DataError, match=r"xz file is damaged"):
        read(tmp_path / "a.tmx.xz")
    (tmp_path / "a.zip").write_bytes(as_zip(b"a\tb\n", "a.txt", "b.txt"))
    with pytest.raises(DataError, match="unzip"):
        read(tmp_path / "a.zip")


SENTENCES = tuple((f"Number {n} is here.", f"Nummer {n} ist da.") for n in range(20))


@pytest.mark.parametrize(("name", "mark"), [("pairs.csv", ","), ("pairs.tsv", "\t")])
@pytest.mark.parametrize("names", [("question", "answer"), ("srcString", "tgtString")])
def test_names_of_columns_are_not_a_pair(
    tmp_path: Path, name: str, mark: str, names: tuple[str, str]
) -> None:
    path = tmp_path / name
    path.write_text("\n".join(mark.join(row) for row in (names, *SENTENCES)) + "\n")
    pairs = read(path)
    assert list(zip(pairs.source, pairs.target, strict=True)) == list(SENTENCES)
    # A first pair of single words is a pair.
    words = ("Help", "Hilfe")
    path.write_text("\n".join(mark.join(row) for row in (words, *SENTENCES)) + "\n")
    assert (read(path).source[0], read(path).target[0]) == words


@pytest.mark.parametrize(("name", "mark"), [("pairs.csv", ","), ("pairs.tsv", "\t")])
@pytest.mark.parametrize("names", [("source", "target"), ("fr", "en"), ("question", "answer")])
def test_names_of_columns_are_no_pair_where_numbers_are_given(
    tmp_path: Path, name: str, mark: str, names: tuple[str, str]
) -> None:
    path = tmp_path / name
    path.write_text("\n".join(mark.join(row) for row in (names, *SENTENCES)) + "\n")
    turned = read(path, source_column="2", target_column="1")
    assert list(zip(turned.target, turned.source, strict=True)) == list(SENTENCES)
    assert f"the columns {names[1]!r} and {names[0]!r}" in str(turned.report)
    # What may be a pair is one, and is shown.
    path.write_text("\n".join(mark.join(row) for row in (("Help", "Hilfe"), *SENTENCES)) + "\n")
    turned = read(path, source_column="2", target_column="1")
    assert (turned.source[0], turned.places[0]) == ("Hilfe", "line 1")
    said = "not taken for names of columns: 1, read as a pair (line 1: 'Help'; 'Hilfe')"
    assert said in str(turned.report)


def test_half_a_character_is_named_by_its_pair(tmp_path: Path) -> None:
    rows = [{"source": "a", "target": "b"}, {"source": "a", "target": ["b", "\ud83d"]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"a\.jsonl, row 2: .*half of a surrogate pair"):
        read(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match=r"made up, pair 2: .*half of a surrogate pair"):
        load_all(SentencePairs(("a", "a"), ("b", "\ud83d"), "made up"))


def test_several_columns_of_text_have_to_be_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = [("id", "question", "context", "answer")]
    rows += [(str(n), a, f"About {n}, say.", b) for n, (a, b) in enumerate(SENTENCES)]
    path.write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in rows) + "\n")
    message = r"has 3 columns of text \(question, context, answer\).*--column source=question"
    with pytest.raises(DataError, match=message):
        read(path)
    pairs = read(path, source_column="question", target_column="answer")
    assert (pairs.source[3], pairs.target[3]) == SENTENCES[3]
