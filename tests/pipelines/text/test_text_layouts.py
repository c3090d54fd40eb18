"""Text from what people have: packed files, patterns, source code, JSON lines, CSV, Parquet."""

from __future__ import annotations

import bz2
import csv
import gzip
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
from pipelines.text.corpus import MemoryText, TextCorpus
from pipelines.text.loading import column_for, load_text

WORDS = "a first line\na second line\n"


def as_zip(content: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("inside.txt",):
            archive.writestr(name, content)
    return file.getvalue()


def whole(source: Path | str, **options: object) -> TextCorpus:
    return load_text(f"file:{source}", split="1,0,0", **options).train  # type: ignore[arg-type]


def text_of(source: Path | str, **options: object) -> str:
    return "".join(whole(source, **options).chunks())


PACKINGS = [
    ("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress), ("a.zip", as_zip),
]  # fmt: skip


@pytest.mark.parametrize(("name", "pack"), PACKINGS)
def test_packed_text_is_read_and_cut_as_plain_text_is(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    content = "".join(f"line {n} of é\n" for n in range(500))
    (tmp_path / name).write_bytes(pack(content.encode()))
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    assert text_of(tmp_path / name) == content
    plain, packed = (load_text(f"file:{tmp_path / one}").test for one in ("a.txt", name))
    assert plain is not None and packed is not None
    assert "".join(packed.chunks()) == "".join(plain.chunks())


@pytest.mark.parametrize(("name", "pack"), PACKINGS)
def test_a_packed_file_that_is_cut_short_is_damaged(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(bytes(range(32, 127)) * 40)
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"file is damaged"):
        text_of(tmp_path / name)


def test_zip_archives_are_read_file_by_file_without_notes(tmp_path: Path) -> None:
    names = "b.txt", "a.txt", "_about.txt", "__MACOSX/a.txt", ".hidden"
    (tmp_path / "a.zip").write_bytes(as_zip(WORDS.encode(), *names))
    corpus = whole(tmp_path / "a.zip")
    assert "".join(corpus.chunks()) == 2 * WORDS
    assert "a.zip/a.txt" in str(corpus.report)
    (tmp_path / "e.zip").write_bytes(as_zip(b"application/epub+zip", "mimetype", "book.html"))
    with pytest.raises(DataError, match=r"is a document inside a ZIP archive.*mimetype"):
        text_of(tmp_path / "e.zip")
    (tmp_path / "n.zip").write_bytes(as_zip(b"", "_about.txt"))
    with pytest.raises(DataError, match="the ZIP file holds no file"):
        text_of(tmp_path / "n.zip")
    (tmp_path / "b.zip").write_bytes(as_zip(b"\xff\xfe\xfd", "inner.txt"))
    with pytest.raises(DataError, match=r"b\.zip/inner\.txt"):
        text_of(tmp_path / "b.zip")


def test_patterns_name_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("b.txt", "a.txt", "in/c.txt", "d.md"):
        (tmp_path / name).write_text(f"{name}\n")
    assert text_of(f"{tmp_path}/*.txt") == "a.txt\nb.txt\n"
    assert text_of(f"{tmp_path}/**/*.txt") == "a.txt\nb.txt\nin/c.txt\n"
    with pytest.raises(DataError, match=r"no file matches this pattern.*\*\* for any folders"):
        text_of(f"{tmp_path}/*.text")


def test_folders_of_source_code_by_chosen_endings(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("train.py", "tests/test.py", "README.md", "__init__.py"):
        (tmp_path / name).write_text(f"# {name}\n" if "init" not in name else "")
    assert text_of(tmp_path, file_endings=[".py"]) == "# tests/test.py\n# train.py\n"
    assert "README" in text_of(tmp_path, file_endings=[".py", ".MD"])
    with pytest.raises(DataError, match=r"no text \(.txt.*--file-endings \.py"):
        text_of(tmp_path)
    with pytest.raises(DataError, match=r"no text \(\.java\)"):
        text_of(tmp_path, file_endings=[".java"])


def write_records(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_records_with_a_column_of_text(tmp_path: Path, name: str) -> None:
    rows: list[dict[str, object]] = [
        {"id": n, "url": "u", "text": f"text\r\n{n}"} for n in range(3)
    ]
    rows.append({"id": 4, "url": "u", "text": None})
    path = write_records(tmp_path / name, rows)
    corpus = whole(path)
    assert "".join(corpus.chunks()) == "text\n0\ntext\n1\ntext\n2\n"
    report = str(corpus.report)
    assert "the column 'text'" in report and "further columns (id, url)" in report
    assert "records without text: 1" in report
    assert text_of(path, text_column="url") == "u\n" * 4
    with pytest.raises(DataError, match=r"no column 'body', which text_column names.*id, url"):
        text_of(path, text_column="body")
    with pytest.raises(DataError, match=r"row 1.*'id' holds a number here, not a text"):
        text_of(path, text_column="id")


def test_csv_and_tsv_with_and_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text,licence\n1,"two\nlines, ""quoted""",CC-BY\n2,plain,CC0\n')
    assert text_of(path) == 'two\nlines, "quoted"\nplain\n'
    assert text_of(path, text_column="licence") == "CC-BY\nCC0\n"
    path.write_text("1;eins\n2;zwei\n")
    assert text_of(path, text_column="2") == "eins\nzwei\n"
    with pytest.raises(DataError, match=r"row 1.*which column is the text.*1, eins.*--text-column"):
        text_of(path)
    with pytest.raises(DataError, match=r"which column is the text"):
        text_of(path, text_column="3")
    (tmp_path / "b.tsv").write_text('id\tsentence\n1\tsaid "yes"\n2\n')
    corpus = whole(tmp_path / "b.tsv")
    assert "".join(corpus.chunks()) == 'said "yes"\n'
    assert "rows without 'sentence': 1" in str(corpus.report)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": \n', r"row 2.*is not JSON.*one JSON object on each"),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', r"row 2.*not an object with named columns"),
        ("a.jsonl", '{"text": "a"}\n{"text": ["b"]}\n', r"row 2.*holds a list here"),
        ("a.jsonl", '{"a": "a", "b": "b"}\n', r"row 1.*which column is the text.*a, b"),
        ("a.csv", 'text,id\n"open,1\n', r"row 2.*quotation marks"),
        ("a.csv", "text,id\nhello, world,1\n", r"row 2.*3 cells, but the first row has 2"),
        ("a.tsv", "text\tid\nx\t1\nx\ty\t2\n", r"row 3.*3 cells, but the first row has 2.*a space"),
        (
            "a.jsonl",
            '{"text": "a"}\n{"text": "b \\ud83d"}\n',
            r"row 2.*'\\ud83d' at character 2, half",
        ),
        ("a.parquet", "PAR1 and no more", "is not a whole Parquet file"),
    ],
)
def test_what_is_wrong_in_records_is_named_by_row(
    tmp_path: Path, name: str, content: str, named: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=named):
        text_of(tmp_path / name)


def test_half_a_character_in_memory_is_named_by_line() -> None:
    with pytest.raises(DataError, match=r"poem, row 2: .*'\\ud83d' at character 2, half"):
        MemoryText("é\na \ud83d\n", "poem")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv", "id\ttext\n0\tone \r two\r\n1\tthree\n", "one two\nthree\n"),
        ("a.csv", "id,text\n0,one\rtwo\n1,three\r\r\n", "one two\nthree\n"),
        ("b.csv", 'id,text\n0,"one\rtwo"\n1,"th\nree"\n', "one\ntwo\nth\nree\n"),
        ("d.tsv", "text\tid\n\rone\t0\n\rtwo\t1\n\r", "one\ntwo\n"),
        # Old Macintoshes end lines so, with another break inside quotation marks.
        ("b.tsv", "id\ttext\r0\tone\r1\ttwo\r", "one\ntwo\n"),
        ("c.tsv", "id\ttext\r0\tone\r1\ttwo\n", "one\ntwo\n"),
        ("c.csv", 'id,text\r0,"o\nne"\r1,two', "o\nne\ntwo\n"),
        # Of one that was appended to a file with other line ends.
        ("e.tsv", "id\ttext\r1\tone\r\n2\ttwo\r3\tthree\r", "one\ntwo\nthree\n"),
        ("e.csv", "id,text\n1,one\r2,two\r3,three\r", "one\ntwo\nthree\n"),
    ],
)
def test_a_lone_carriage_return_in_a_cell_ends_no_row(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert text_of(tmp_path / name) == expected


def test_tabs_at_the_end_of_a_line_move_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("id\ttext\n1\teins\t\t \n2\tzwei\n")
    assert text_of(tmp_path / "a.tsv") == "eins\nzwei\n"


def test_cells_behind_the_text_are_ordinary_in_tsv_without_a_header(tmp_path: Path) -> None:
    rows = [f"hello there {n}" + "\ttag" * (1 + n % 3) for n in range(40)]
    (tmp_path / "a.tsv").write_text("\n".join(rows) + "\n")
    corpus = whole(tmp_path / "a.tsv", text_column="1")
    assert "".join(corpus.chunks()) == "".join(f"hello there {n}\n" for n in range(40))
    assert "rows with cells behind the columns that are read: 40" in str(corpus.report)
    # Among rows of one width, a further cell may be the end of a text that a tab has cut.
    rows = [f"{n}\thello there {n}" for n in range(40)]
    rows[30] = "30\thello\tthere"
    (tmp_path / "a.tsv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"row 31: has 3 cells, but nearly all rows have 2.*name"):
        text_of(tmp_path / "a.tsv", text_column="2")


@pytest.mark.parametrize(
    ("header", "options"),
    [("poem", {}), ("id,poem", {"text_column": "2"}), ("id,Text", {"text_column": "2"})],
)
def test_a_line_of_names_is_no_text(
    tmp_path: Path, header: str, options: dict[str, object]
) -> None:
    before = "1," if "," in header else ""
    rows = "".join(f"{before}line {n}\n" for n in range(3))
    (tmp_path / "a.csv").write_text(f"{header}\n{rows}")
    assert text_of(tmp_path / "a.csv", **options) == "line 0\nline 1\nline 2\n"
    # What may be a text is one, and is shown.
    (tmp_path / "a.csv").write_text(f"{before}Roses\n{rows}")
    corpus = whole(tmp_path / "a.csv", **options)
    assert "".join(corpus.chunks()).startswith("Roses\nline 0\n")
    assert "not taken for names of columns: 1, read as a record (line 1: 'Roses')" in str(
        corpus.report
    )


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("Hello, my friend {n};Hallo mein Freund", "Hallo mein Freund"),
        ("{n}, one, two, three;vier", "vier"),
        ("Hello, my friend; well;Hallo, mein Freund", " well"),
        ("{n},one; or two", "one; or two"),
        ('{n},"one, two; three"', "one, two; three"),
    ],
)
def test_the_delimiter_of_csv_is_that_of_all_lines(tmp_path: Path, row: str, cells: str) -> None:
    rows = [row.format(n=n) for n in range(4)]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    assert text_of(tmp_path / "a.csv", text_column="2") == f"{cells}\n" * 4


def test_plain_text_has_no_columns_and_is_not_mixed_with_records(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(WORDS)
    write_records(tmp_path / "b.jsonl", [{"text": "b"}])
    with pytest.raises(DataError, match=r"a\.txt.*is plain text, but .*b\.jsonl has records"):
        text_of(f"{tmp_path / 'a.txt'},{tmp_path / 'b.jsonl'}")
    with pytest.raises(DataError, match="is plain text and has no column 'text'"):
        text_of(tmp_path / "a.txt", text_column="text")


def test_a_column_of_the_training_is_not_asked_of_plain_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"poem": "one", "note": "x"}\n')
    (tmp_path / "b.txt").write_text("two\n")
    plain, records = f"file:{tmp_path / 'b.txt'}", f"file:{tmp_path / 'a.jsonl'}"
    parts = load_text(records, validation=plain, test=records, text_column="poem")
    assert parts.validation is not None and "".join(parts.validation.chunks()) == "two\n"
    assert parts.test is not None and "".join(parts.test.chunks()) == "one\n"
    assert column_for(plain, "poem") == "" and column_for(records, "poem") == "poem"
    with pytest.raises(DataError, match="no column 'poem', which text_column names"):
        load_text(plain, text_column="poem")


def test_many_records_are_cut_between_records(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"record\n{n}"} for n in range(1200)]
    path = write_records(tmp_path / "a.jsonl", rows)
    parts = load_text(f"file:{path}", split="0.5,0.25,0.25")
    assert parts.validation is not None and parts.test is not None
    texts = ["".join(one.chunks()) for one in (parts.train, parts.validation, parts.test)]
    assert "".join(texts) == text_of(path)
    assert texts[1].startswith("record\n600\n") and texts[2].startswith("record\n900\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert text_of(tmp_path / "a.jsonl.gz") == text_of(path)


def test_one_text_of_an_archive_can_be_named_and_parts_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "wiki.zip"
    names = "wiki/README.txt", "wiki/wiki.train.tokens", "wiki/wiki.test.tokens"
    path.write_bytes(as_zip(WORDS.encode(), *names))
    with pytest.raises(DataError, match=r"ZIP file holds the parts of a data set.*train.tokens"):
        whole(path)
    assert "".join(whole(path / "wiki/wiki.train.tokens").chunks()) == WORDS
    train, test = f"file:{path}/{names[1]}", f"file:{path}/{names[2]}"
    parts = load_text(train, test=test, split="1,0,0")
    assert parts.test is not None and "".join(parts.test.chunks()) == WORDS
    with pytest.raises(DataError, match=r"holds no file 'wiki/none'.*It holds"):
        whole(path / "wiki/none")
    path.write_bytes(as_zip(WORDS.encode(), "code/train.py", "code/test.py"))
    assert "".join(whole(path).chunks()) == 2 * WORDS
    # A note that is the only text is read.
    path.write_bytes(as_zip(WORDS.encode(), "README.txt"))
    assert "".join(whole(path).chunks()) == WORDS


def test_records_inside_an_archive_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(as_zip(b'{"text": "one"}\n', "a.jsonl", "b.jsonl"))
    assert text_of(path / "b.jsonl") == "one\n"
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    with pytest.raises(DataError, match="the ZIP file holds no file"):
        text_of(tmp_path / "none.zip")


def test_reading_records_leaves_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    """The limit belongs to the whole process: readers of tables refuse a quote left open by it."""
    usual = csv.field_size_limit()
    long_text = "word " * (usual // 4)
    path = tmp_path / "texts.csv"
    path.write_text(f'id,text\n1,"{long_text}"\n2,short\n', encoding="utf-8")
    assert text_of(path).endswith("short\n")
    assert csv.field_size_limit() == usual
