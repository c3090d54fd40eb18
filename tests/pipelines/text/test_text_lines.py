"""Lines that are sentences: only \\n and \\r\\n end one; and files that are not text at all."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.pairs.loading import load_all
from pipelines.text import files as text_files_module
from pipelines.text.line_ends import LineEnds, split_lines
from pipelines.text.lines import read_lines, standard_input
from pipelines.text.loading import load_text

# What other readers take for line ends, and what looks like a space.
STRANGE = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u00a0\u3000\u200b"
WORDS = st.text(st.sampled_from("abé蛇🐍 " + STRANGE), min_size=1, max_size=12)


def sentences(draw: st.DrawFn) -> tuple[str, str]:
    return tuple(f"x{draw(WORDS)}y" for _ in range(2))  # type: ignore[return-value]


def with_spaces(sentence: str) -> str:
    """What is read of a sentence: a carriage return in it is a space, as are its neighbours."""
    parts = [part.strip(" ") if "\r" in sentence else part for part in sentence.split("\r")]
    return " ".join(part for n, part in enumerate(parts) if part or n in (0, len(parts) - 1))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pairs=st.lists(st.composite(sentences)(), min_size=1, max_size=8),
    line_end=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
    block=st.integers(1, 9),
)
def test_pairs_that_are_written_are_read_again(
    tmp_path: Path,
    pairs: list[tuple[str, str]],
    line_end: str,
    packed: bool,
    block: int,
) -> None:
    # A byte order mark, blocks of any size, gzip or not: line n stays line n.
    paths = []
    for name, side in (("a.en", 0), ("a.de", 1)):
        content = ("\ufeff" + "".join(pair[side] + line_end for pair in pairs)).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if packed else content)
        paths.append(str(path))
    whole = len(pairs) > 1 or not any("\r" in sentence for sentence in pairs[0])
    if not whole:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files_module, "BLOCK", block)
        found = load_all(f"file:{','.join(paths)}")
    assert found.source == tuple(with_spaces(first) for first, _ in pairs)
    assert found.target == tuple(with_spaces(second) for _, second in pairs)
    assert [found.place(number) for number in range(len(pairs))] == [
        f"line {number}" for number in range(1, len(pairs) + 1)
    ]
    lone = sum(first.count("\r") + second.count("\r") for first, second in pairs)
    assert found.report.count("lone carriage returns") == lone


@given(st.text(st.sampled_from("ab\r\n"), max_size=20), st.data())
def test_line_ends_do_not_depend_on_the_pieces(text: str, data: st.DataObject) -> None:
    lines, pieces, start = LineEnds("\n"), [], 0
    while start < len(text):
        stop = start + data.draw(st.integers(1, 5))
        pieces.append(lines.read(text[start:stop], final=stop >= len(text)))
        start = stop
    assert "".join(pieces) == text.replace("\r\n", "\n").replace("\r", "\n")
    assert lines.windows == text.count("\r\n")
    assert lines.lone == text.replace("\r\n", "").count("\r")


def test_an_empty_line_is_a_line() -> None:
    assert split_lines("a\n\nb\r\n\r\n") == ["a", "", "b", ""]
    assert split_lines("a\u2028b\x85c\x0cd\n") == ["a\u2028b\x85c\x0cd"]


def test_a_stray_carriage_return_is_counted_and_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one\ntwo \r two\nthree\n")
    report = DataReport("a")
    assert read_lines(path, report) == ["one", "two two", "three"]
    assert "lone carriage returns: 1, read as spaces" in str(report)
    assert "line 2" in str(report)
    path.write_bytes(b"one\rtwo\rthree\r")
    with pytest.raises(DataError, match=r"end with carriage returns alone.*tr "):
        read_lines(path, report)


def test_byte_order_marks_inside_a_file_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffone\n\ufefftwo\n".encode())
    corpus = load_text(f"file:{tmp_path / 'a'}", split="1,0,0").train
    assert "".join(corpus.chunks()) == "one\ntwo\n"
    assert corpus.report.count("byte order marks") == 2


def as_zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "pack", "named"),
    [
        ("a.bz2.gz", lambda c: gzip.compress(bz2.compress(c)), "a bzip2 file, not text.*bunzip2"),
        ("a.xz.gz", lambda c: gzip.compress(lzma.compress(c)), "an xz file, .*unxz"),
        ("a.zip.bz2", lambda c: bz2.compress(as_zip(c)), "a ZIP archive, .*unzip"),
        ("a.zst", lambda _: b"\x28\xb5\x2f\xfd" + b"abc" * 9, "a Zstandard file"),
        ("a.parquet", lambda _: b"PAR1" + b"abc" * 9 + b"PAR1", "a (whole )?Parquet file"),
        ("a.zip.gz", lambda content: gzip.compress(as_zip(content)), "a ZIP archive"),
        ("corpus", lambda _: b'{"text": "a"}\n' * 3, "is JSON, not plain text"),
    ],
)
def test_packed_files_and_tables_are_refused_by_name(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes], named: str
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(b"some text\n" * 20))
    with pytest.raises(DataError, match=named):
        load_text(f"file:{path}")
    with pytest.raises(DataError, match=named):
        read_lines(path, DataReport())


def test_json_lines_are_no_list_of_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n' * 3)
    with pytest.raises(DataError, match=r"is JSON, not plain text.*jq"):
        read_lines(tmp_path / "a.jsonl", DataReport())


def test_json_that_is_meant_as_text_is_read(tmp_path: Path) -> None:
    content = "".join(json.dumps({"number": n}) + "\n" for n in range(3))
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    corpus = load_text(f"file:{tmp_path / 'a.txt'}", split="1,0,0").train
    assert "".join(corpus.chunks()) == content


def test_damaged_bytes_after_utf8_are_not_called_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("café noir\n".encode() + b"caf\xe9\n")
    with pytest.raises(DataError, match="The text before it is UTF-8: these bytes are damaged"):
        read_lines(tmp_path / "a", DataReport())
    (tmp_path / "a").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match="in another encoding, convert it"):
        read_lines(tmp_path / "a", DataReport())


def test_standard_input_is_utf8_and_split_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    content = "\ufeffa\u2028b\r\n\nc\x85\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))
    assert split_lines(standard_input()) == ["a\u2028b", "", "c\x85"]
    for bad, named in ((b"caf\xe9", "offset 3 is not UTF-8"), ("a".encode("utf-16"), "UTF-16")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bad)))
        with pytest.raises(DataError, match=named):
            standard_input()
