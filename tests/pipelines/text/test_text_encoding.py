"""Text as token ids on disk."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines import DataError, MemoryText, TokenArray, encode_corpus, load_text
from pipelines.text import corpus as text_corpus_module
from pipelines.text.encoding import encode_text, id_type
from pipelines.tokenizers import Tokenizer, WordTokenizer, train_tokenizer

TEXT = "the cat sat on the mat\nthe naïve 蛇 sat\n" * 30
ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["bytes", "characters", "words", "subwords"], scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    size = 290 if request.param == "subwords" else 0
    return train_tokenizer(request.param, [TEXT], vocabulary_size=size)


def corpus_file(folder: Path, text: str = TEXT) -> Path:
    path = folder / "corpus.txt"
    path.write_text(text)
    return path


def test_ids_on_disk_are_those_of_the_whole_text(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = load_text(f"file:{corpus_file(tmp_path)}", split="1,0,0").train
    expected = tokenizer.encode(TEXT)
    for size in (7, 60, 2**20):
        # Cut in many places, no word is, and so the ids stay the same.
        monkeypatch.setattr(text_corpus_module, "CHUNK", size)
        monkeypatch.setattr(text_corpus_module.cut_safely, "__defaults__", (size,))
        stored = encode_corpus(corpus, tokenizer, tmp_path / f"ids{size}")
        in_memory = encode_corpus(corpus, tokenizer)
        for tokens in (stored, in_memory):
            assert tokens.ids.tolist() == expected.tolist()
            assert tokens.ids.dtype == id_type(tokenizer.size)
            assert (tokens.length, tokens.characters) == (len(expected), len(TEXT))
            assert tokens.bytes == len(TEXT.encode())
            assert (tokens.lines, tokens.unknown) == (60, 0)
            assert tokens.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
            assert tokens.tokenizer == tokenizer.fingerprint
            assert tokens.report["rows"] == 60
        assert isinstance(stored.ids, np.memmap)


def test_what_was_encoded_is_mapped_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus_file(tmp_path)
    tokenizer = train_tokenizer("words", [TEXT])
    first = encode_corpus(load_text(f"file:{path}", split="1,0,0").train, tokenizer, tmp_path / "c")

    def refuse(self: Tokenizer, text: str) -> None:
        raise AssertionError("encoded again")

    with monkeypatch.context() as patch:
        patch.setattr(WordTokenizer, "encode", refuse)
        corpus = load_text(f"file:{path}", split="1,0,0").train
        again = encode_corpus(corpus, tokenizer, tmp_path / "c")
    assert again.ids.tolist() == first.ids.tolist()
    assert {**vars(again), "ids": 0} == {**vars(first), "ids": 0}
    # Another text or another vocabulary is another entry.
    encode_corpus(corpus, train_tokenizer("characters", [TEXT]), tmp_path / "c")
    path.write_text(TEXT + "end\n")
    changed = encode_corpus(
        load_text(f"file:{path}", split="1,0,0").train, tokenizer, tmp_path / "c"
    )
    assert changed.length == first.length + 2 and changed.unknown_examples == ("end",)
    assert len(list((tmp_path / "c").iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "gone", "about", "format", "flip", "count"])
def test_a_damaged_entry_is_encoded_again(tmp_path: Path, damage: str) -> None:
    corpus = MemoryText(TEXT)
    tokenizer = train_tokenizer("characters", [TEXT])
    encode_corpus(corpus, tokenizer, tmp_path)
    (entry,) = tmp_path.iterdir()
    ids, about = entry / "tokens.bin", entry / "tokens.json"
    if damage == "cut":
        ids.write_bytes(ids.read_bytes()[:-1])
    elif damage == "gone":
        ids.unlink()
    elif damage == "about":
        about.write_text("{")
    elif damage == "flip":
        content = bytearray(ids.read_bytes())
        content[7] ^= 1
        ids.write_bytes(content)
    elif damage == "count":
        # Bits per character would be of another text.
        about.write_text(json.dumps({**json.loads(about.read_text()), "characters": 7}))
    else:
        about.write_text(json.dumps({**json.loads(about.read_text()), "format": 0}))
    tokens = encode_corpus(corpus, tokenizer, tmp_path)
    assert tokenizer.decode(np.asarray(tokens.ids)) == TEXT
    assert tokens.characters == len(TEXT)


def test_a_text_that_cannot_be_read_leaves_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"good\n" * 400_000 + b"\xff\n")
    corpus = load_text(f"file:{path}", split="1,0,0").train
    tokenizer = train_tokenizer("bytes", [])
    with pytest.raises(DataError, match=r"corpus\.txt: the bytes ff 0a at offset 2000000"):
        encode_corpus(corpus, tokenizer, tmp_path / "ids")
    assert list((tmp_path / "ids").iterdir()) == []
    path.write_bytes(b"good\n" * 400_000)
    corpus = load_text(f"file:{path}", split="1,0,0").train
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="the file has changed while it was read"):
        encode_corpus(corpus, tokenizer, tmp_path / "ids")
    with pytest.raises(DataError, match="the text is empty"):
        encode_corpus(MemoryText(""), tokenizer, tmp_path / "ids")


def test_unknown_tokens_are_counted_and_the_first_are_named() -> None:
    tokenizer = train_tokenizer("characters", ["abc\n"])
    tokens = encode_text("abXc\nYYabZ" + "Q" * 9, tokenizer)
    assert isinstance(tokens, TokenArray)
    assert tokens.unknown == 13
    assert tokens.unknown_examples == ("X", "Y", "Y", "Z", "Q")


def test_ids_take_the_smallest_type() -> None:
    sizes = {256: "uint8", 257: "uint16", 2**16: "uint16", 2**16 + 1: "int32"}
    assert {size: str(id_type(size)) for size in sizes} == sizes


MEASURED = """
import re, sys
from pipelines.tokenizers import train_tokenizer
from pipelines.text.encoding import encode_corpus
from pipelines.text.loading import load_text

def peak():
    # Not getrusage: its peak counts what the parent took before it started this process.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

corpus = load_text("file:" + sys.argv[1], split="1,0,0").train
before = peak()
tokenizer = train_tokenizer(sys.argv[2], corpus.chunks())
tokens = encode_corpus(corpus, tokenizer, sys.argv[3])
assert tokens.bytes == int(sys.argv[4]), tokens.bytes
print(peak() - before)
"""


def memory_grown(folder: Path, kind: str, size: int, line: str) -> int:
    """KiB by which the peak memory grew while `size` bytes of text were encoded."""
    path = folder / f"{kind}.txt"
    block = (line * (2**20 // len(line) + 1))[: 2**20 - 1] + line[-1]
    with open(path, "w") as file:
        for _ in range(size // 2**20):
            file.write(block)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), kind, str(folder / "ids"), str(size)],
        capture_output=True, text=True, cwd=ROOT, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(("kind", "size"), [("characters", 60), ("words", 20)])
def test_memory_does_not_grow_with_the_text(tmp_path: Path, kind: str, size: int) -> None:
    grown = memory_grown(tmp_path, kind, size * 2**20, "so it goes on and on and on\n")
    assert grown < 64 * 1024, f"{grown} KiB"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bytes", "characters", "words"])
def test_memory_stays_bounded_for_a_long_text(tmp_path: Path, kind: str) -> None:
    grown = memory_grown(tmp_path, kind, 200 * 2**20, "so it goes on and on and on\n")
    assert grown < 64 * 1024, f"{grown} KiB"


def test_one_line_of_fifty_megabytes_is_encoded_in_bounded_memory(tmp_path: Path) -> None:
    grown = memory_grown(tmp_path, "characters", 50 * 2**20, "word ")
    assert grown < 64 * 1024, f"{grown} KiB"
