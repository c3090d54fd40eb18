"""Text from files and folders: what is read, how it is cut, and what is refused."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import DataError, MemoryText, TextCorpus, UserError, load_text
from pipelines.text import files as text_files_module
from pipelines.text.corpus import cut_safely


def read(corpus: TextCorpus | None) -> str:
    assert corpus is not None
    return "".join(corpus.chunks())


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def whole(path: Path | str) -> TextCorpus:
    return load_text(f"file:{path}", split="1,0,0").train


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    text = "one\n\n  two\tnaïve 蛇🐍\nthree"
    corpus = whole(write(tmp_path / "a", text))
    assert read(corpus) == text == read(corpus)
    assert corpus.report.rows == 3


def test_several_files_and_folders_are_joined_on_lines_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "folder" / "b.txt", "b")
    write(tmp_path / "folder" / "a" / "c.TXT", "c\n")
    write(tmp_path / "folder" / "d.txt.gz", gzip.compress(b"d"))
    write(tmp_path / "folder" / "picture.png", b"\x89PNG")
    write(tmp_path / "folder" / ".hidden.txt", "hidden")
    write(tmp_path / "folder" / "empty.txt", "")
    first = write(tmp_path / "first", "first")
    corpus = load_text(f"file:{first},{tmp_path / 'folder'}", split="1,0,0").train
    assert read(corpus) == "first\nc\nb\nd"
    assert corpus.report.count("files") == 4


def test_a_gzip_file_is_known_by_its_content(tmp_path: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    path = write(tmp_path / "corpus", gzip.compress(text.encode()))
    parts = load_text(f"file:{path}", split="0.5,0.25,0.25")
    assert read(parts.train) + read(parts.validation) + read(parts.test) == text
    assert read(parts.validation).startswith("line 5")
    write(path, gzip.compress(text.encode())[:-20])
    with pytest.raises(DataError, match=r"corpus: the gzip file is damaged"):
        load_text(f"file:{path}")


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(st.sampled_from("ab é蛇🐍\n"), min_size=1), min_size=1, max_size=4),
    cuts=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_parts_join_to_the_whole(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cuts: tuple[int, int]
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    paths = [write(folder / f"{number}", text) for number, text in enumerate(texts)]
    corpus = load_text(f"file:{','.join(map(str, paths))}", split="1,0,0").train
    first, second = sorted(cuts)
    shares = [0.0, first / 20, second / 20, 1.0]
    for one in (corpus, MemoryText(read(corpus))):
        joined = ""
        for start, stop in itertools.pairwise(shares):
            try:
                part = read(one.part(start, stop)) if stop > start else ""
            except DataError as error:
                assert "has nothing between" in str(error)
                part = ""
            if joined and part and joined[-1] != "\n" and len(joined) in _joints(texts):
                joined += "\n"
            joined += part
        assert joined == read(one)


def _joints(texts: list[str]) -> set[int]:
    """Lengths of the joined text at which a file ends without a line break."""
    found, length = set(), 0
    for text in texts:
        length += len(text)
        if not text.endswith("\n"):
            found.add(length)
            length += 1
    return found


def test_parts_are_cut_at_line_ends_and_never_in_a_character(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "".join(f"line {number}\n" for number in range(100)))
    parts = load_text(f"file:{path}", split="0.8,0.1,0.1")
    for corpus in (parts.train, parts.validation, parts.test):
        text = read(corpus)
        assert text.startswith("line") and text.endswith("\n")
    one_line = write(tmp_path / "b", "🐍" * 101)
    parts = load_text(f"file:{one_line}", split="0.5,0.25,0.25")
    assert len(read(parts.train) + read(parts.validation) + read(parts.test)) == 101


def test_files_of_their_own_for_validation_and_test(tmp_path: Path) -> None:
    names = ("train", "val", "test")
    train, val, test = (write(tmp_path / name, f"{name}\n" * 20) for name in names)
    parts = load_text(f"file:{train}", validation=f"file:{val}")
    assert (read(parts.train), read(parts.validation)) == ("train\n" * 20, "val\n" * 20)
    assert parts.test is None
    parts = load_text(f"file:{train}", validation=f"file:{val}", test=f"file:{test}")
    assert read(parts.test) == "test\n" * 20
    # With a test of its own only the validation's share is held out.
    parts = load_text(f"file:{train}", test=f"file:{test}", split="0.8,0.1,0.1")
    assert (read(parts.train), read(parts.validation)) == ("train\n" * 18, "train\n" * 2)
    parts = load_text(f"file:{train}", split="0.9,0.1,0")
    assert parts.test is None and read(parts.validation) == "train\n" * 2


def test_the_same_text_has_the_same_fingerprint_until_it_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "text\n" * 100)
    parts, again = load_text(f"file:{path}"), load_text(f"file:{path}")
    assert parts.train.fingerprint == again.train.fingerprint
    assert parts.validation is not None
    assert parts.train.fingerprint != parts.validation.fingerprint
    write(path, "texts\n" * 100)
    assert load_text(f"file:{path}").train.fingerprint != parts.train.fingerprint


def test_one_very_long_line_is_read_in_pieces(tmp_path: Path) -> None:
    with open(tmp_path / "long", "w") as file:
        for _ in range(50):
            file.write("word" * (2**18))
    corpus = whole(tmp_path / "long")
    lengths = [len(chunk) for chunk in corpus.chunks()]
    assert sum(lengths) == 50 * 2**20 and max(lengths) == 2**20


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.text(st.sampled_from("ab \n"), max_size=12), max_size=12),
    size=st.integers(2, 9),
)
def test_no_word_is_cut_that_fits(pieces: list[str], size: int) -> None:
    text = "".join(pieces)
    chunks = list(cut_safely(pieces, size))
    assert "".join(chunks) == text
    for number, chunk in enumerate(chunks):
        assert 1 <= len(chunk) <= size
        if number + 1 < len(chunks) and not chunk.endswith("\n"):
            following = chunks[number + 1]
            in_a_run = following[0] != " " or chunk[-1] == " "
            # Cut inside a word or a run of spaces only where nothing else was in reach.
            assert not in_a_run or (len(chunk) == size and "\n" not in chunk)


def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path: Path) -> None:
    corpus = whole(write(tmp_path / "a", b"\xef\xbb\xbfone\r\ntwo\rthree\r\n"))
    assert read(corpus) == "one\ntwo\nthree\n"
    assert corpus.report.count("byte order marks") == 1
    assert corpus.report.count("Windows line ends") == 2
    assert corpus.report.count("lone carriage returns") == 1
    assert "a, line 2" in str(corpus.report)


def test_a_line_end_across_two_blocks_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "é\r\n蛇\r\r\n🐍\n".encode() * 20
    expected = content.decode().replace("\r\n", "\n").replace("\r", "\n")
    path = write(tmp_path / "a", content)
    for size in range(1, 12):
        monkeypatch.setattr(text_files_module, "BLOCK", size)
        assert read(whole(path)) == expected


def test_control_characters_are_kept_and_counted(tmp_path: Path) -> None:
    corpus = whole(write(tmp_path / "a", b"a\x1b[1mb\x07\tc\n"))
    assert read(corpus) == "a\x1b[1mb\x07\tc\n"
    assert corpus.report.count("control characters") == 2
    assert "byte 1" in str(corpus.report)


BAD = {
    "latin1": (b"caf\xe9 noir\n", r"bytes e9 20 6e 6f at offset 3 are not UTF-8"),
    "cut": (b"abc\n" * 5 + "é".encode()[:1], r"bytes c3 at offset 20 are not UTF-8"),
    "nul": (b"abc\ndef\0ghi", r"the byte at offset 7 is NUL"),
    "utf16": ("abc".encode("utf-16"), r"the file is UTF-16, .*iconv -f UTF-16 -t UTF-8"),
    "utf16be": (b"\xfe\xff\0a", r"the file is UTF-16"),
    "utf32": ("abc".encode("utf-32"), r"the file is UTF-32"),
    "utf16_without_mark": ("abc".encode("utf-16-le"), r"offset 1 is NUL.* UTF-16"),
    "after_mark": (b"\xef\xbb\xbfab\xff\n", r"bytes ff 0a at offset 5"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_what_is_no_utf8_text_is_refused_with_file_and_offset(tmp_path: Path, name: str) -> None:
    content, words = BAD[name]
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=rf"{name}: .*{words}"):
        read(whole(path))


@pytest.mark.parametrize("place", [2**20 - 1, 2**20, 2**20 + 1, 2**20 + 2])
def test_the_offset_is_right_across_blocks(tmp_path: Path, place: int) -> None:
    content = bytearray("蛇".encode() * (2**20 // 3 + 5))
    place -= place % 3
    # The second byte of a character is gone, so the character begun at `place` is bad.
    content[place + 1] = ord("x")
    path = write(tmp_path / "a", bytes(content))
    with pytest.raises(DataError, match=rf"at offset {place} are not UTF-8"):
        read(whole(path))
    content[place : place + 3] = b"ab\0"
    with pytest.raises(DataError, match=rf"offset {place + 2} is NUL"):
        read(whole(write(path, bytes(content))))


def test_the_offset_counts_from_the_file_s_start_in_a_later_part(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"line\n" * 100 + b"\xff\n")
    parts = load_text(f"file:{path}", split="0.5,0.3,0.2")
    read(parts.train)
    with pytest.raises(DataError, match=r"offset 500"):
        read(parts.test)


def grow_while_reading(corpus: TextCorpus, path: Path) -> Iterator[str]:
    for number, chunk in enumerate(corpus.chunks()):
        if number == 0:
            with open(path, "a") as file:
                file.write("more\n")
        yield chunk


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "line\n" * 2**19)
    with pytest.raises(DataError, match=r"a: the file has changed while it was read"):
        list(grow_while_reading(whole(path), path))
    corpus = whole(path)
    path.write_text("short\n")
    with pytest.raises(DataError, match="has changed"):
        read(corpus)
    corpus = whole(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="has changed"):
        read(corpus)
    corpus = whole(path)
    path.unlink()
    with pytest.raises(DataError, match="has changed"):
        read(corpus)


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"empty\.txt: the file is empty"):
        load_text(f"file:{write(tmp_path / 'empty.txt', '')}")
    with pytest.raises(DataError, match="the text is empty"):
        load_text(f"file:{tmp_path}")
    with pytest.raises(DataError, match="the text is empty"):
        read(whole(write(tmp_path / "mark", b"\xef\xbb\xbf")))
    with pytest.raises(DataError, match="the text is empty"):
        read(MemoryText(""))


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no text \(\.txt.*it is empty"):
        load_text(f"file:{tmp_path / 'empty'}")
    write(tmp_path / "other" / "table.csv", "a,b")
    with pytest.raises(
        DataError, match=r"it has table\.csv\. Choose the endings.*--file-endings \.csv"
    ):
        load_text(f"file:{tmp_path / 'other'}")


@pytest.mark.parametrize("other", ["val.txt", "ptb.valid.txt", "wiki.test.tokens", "dev/a.txt"])
def test_the_parts_of_a_data_set_are_not_mixed(tmp_path: Path, other: str) -> None:
    write(tmp_path / "train.txt", "a\n")
    write(tmp_path / other, "b\n")
    with pytest.raises(DataError, match=r"must not be mixed: .*train\.txt"):
        load_text(f"file:{tmp_path}")


def test_names_that_only_look_like_parts_are_read(tmp_path: Path) -> None:
    for name in ("trains.txt", "testament.txt", "value.txt", "train.txt"):
        write(tmp_path / name, "a\n")
    assert read(whole(tmp_path)) == "a\n" * 4


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "corpus.txt", "a")
    with pytest.raises(DataError, match=r"does not exist.*Did you mean corpus\.txt"):
        load_text(f"file:{tmp_path / 'corpse.txt'}")
    with pytest.raises(DataError, match=r"does not exist"):
        load_text(f"file:{tmp_path / 'corpus.txt'}", validation=f"file:{tmp_path / 'val.txt'}")


def test_a_text_too_short_for_its_split_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "only one line\n")
    with pytest.raises(DataError, match=r"has nothing between 90% and 95%.*separate files"):
        load_text(f"file:{path}")


def test_what_is_no_source_is_refused() -> None:
    with pytest.raises(UserError, match="text of type int cannot be read"):
        load_text(3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is data for forecasting, not for language modelling"):
        load_text("builtin:elecdemand")
