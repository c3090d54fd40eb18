"""What looks damaged in a text is said; what is healthy is left alone."""

from __future__ import annotations

import gzip
import io
import os
import random
import sys
import zipfile
from pathlib import Path

import pytest

from pipelines import DataError, load_text, parse_source
from pipelines.data_report import DataReport
from pipelines.pairs.encoding import encode_pairs
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from pipelines.pairs.translation_memories import read_translation_memory
from pipelines.text.corpus import MemoryText
from pipelines.text.damage import is_twice_encoded, signs_of_damage
from pipelines.text.encoding import encode_corpus
from pipelines.text.lines import read_lines, standard_input, text_from_standard_input
from pipelines.tokenizers import train_tokenizer
from rnn_apps.language_modelling.understood import understood
from rnn_apps.translation.config import TranslationConfig
from rnn_apps.translation.understood import Understood

HEALTHY = [
    "Plain text.", "L'été, où l'on est à Ávila; NÃO!", "Schöne Grüße «ja»", "Καλημέρα",
    "これは本です。", "“quoted” – 5 € & more", "x < y > z", "in the end",
    "an <end> of it", "AT&T; R&D", "Привет",
]  # fmt: skip


def test_healthy_text_has_no_signs_of_damage() -> None:
    assert signs_of_damage(HEALTHY, "lines", sentences=True) == []


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_text_that_was_encoded_twice_is_known(encoding: str) -> None:
    for text in ("L'été à Ávila", "“quoted” – 5 €", "Привет", "これは本です。"):
        try:
            twice = text.encode().decode(encoding)
        except UnicodeDecodeError:
            continue
        assert is_twice_encoded(twice) and not is_twice_encoded(text)


def pairs_told(source: list[str], target: list[str]) -> str:
    pairs = SentencePairs(tuple(source), tuple(target))
    tokenizer = train_tokenizer("characters", ["\n".join([*source, *target])])
    encoded = encode_pairs(pairs, tokenizer, tokenizer)
    parts = PairParts(pairs, None, None)
    return "\n".join(Understood(parts, encoded, tokenizer, tokenizer, TranslationConfig()).lines())


def test_training_says_what_looks_damaged_in_pairs() -> None:
    source = [f"Sentence {'long ' * (n % 5)}{n}." for n in range(300)]
    target = [f"Phrase {'longue ' * (n % 5)}{n}." for n in range(300)]
    healthy = pairs_told(source, target)
    assert "such as" not in healthy and "translation of its own line" not in healthy
    told = pairs_told(source, [f"{one} Ã©tÃ©" for one in target])
    assert "300 of 300 target sentences" in told and "encoded as UTF-8 twice" in told
    assert "characters were lost" in pairs_told(source, [*target[:-1], "a\ufffdb"])
    assert "escapes of HTML" in pairs_told([f"{one} &quot;" for one in source], target)
    marked = ["<title>A talk</title>", '<url href="x">y</url>', "<P>", *source[3:]]
    assert "3 of 300 source sentences" in pairs_told(marked, target)
    framed = pairs_told(source, [f"<start> {one} <end>" for one in target])
    assert "300 of 300 target sentences" in framed and "beginning or end" in framed
    missing = pairs_told(source, [one if n % 3 else "nan" for n, one in enumerate(target)])
    assert "'nan' is the target of 100 of the 300 training pairs" in missing
    mixed = random.Random(0).sample(target, 300)
    assert "the translation of its own line?" in pairs_told(source, mixed)


def test_training_says_that_lines_end_twice() -> None:
    def told(text: str) -> str:
        corpus = MemoryText(text)
        tokenizer = train_tokenizer("words", [text])
        encoded = encode_corpus(corpus, tokenizer)
        return "\n".join(understood({"train": encoded}, tokenizer, {"train": corpus}))

    assert "100 lines of the training text end with <eos>" in told("the cat sat <eos>\n" * 100)
    assert "100 lines of the training text end with </s>" in told("<s> the cat sat </s>\n" * 100)
    assert "lines of the training text end" not in told("the cat sat\n" * 100)
    assert "characters were lost" in told("the c\ufffdt sat\n" * 100)


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.txt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("a.npy", b"\x93NUMPY\x01\0", "is a NumPy array"),
        ("corpus.data", b'{"text": "' + b"word " * 2000 + b'"}\n', "is JSON"),
        ("corpus.jsonlines", b'{"text": 1}\n', "holds a number here"),
        ("corpus", b'[\n {\n  "text": "word"\n }\n]', "is JSON"),
        ("gb.txt", "这是一本书。\n".encode("gb18030") * 99, "find out which"),
        ("koi.txt", "Это книга.\n".encode("koi8-r") * 99, "find out which"),
        ("west.txt", "Un été à la plage.\n".encode("cp1252") * 99, "iconv -f WINDOWS-1252"),
    ],
)
def test_files_that_are_not_text_are_named_as_what_they_are(
    tmp_path: Path, name: str, content: bytes, advice: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=advice):
        list(load_text(f"file:{tmp_path / name}", split="1,0,0").train.chunks())


def test_documents_that_are_archives_inside_are_not_to_be_unpacked(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
    for name, advice in (
        ("a.epub", "pandoc"),
        ("a.docx", "Save it as plain text"),
        ("a.zip", "unzip"),
    ):
        (tmp_path / name).write_bytes(held.getvalue())
        with pytest.raises(DataError, match=advice):
            load_text(f"file:{tmp_path / name}")


def test_prose_in_brackets_is_no_json(tmp_path: Path) -> None:
    for text in ('{ "He said": so it went.\n' * 9, '[ {sic} "no": 5 ]\n' * 9, "[Music]\n" * 9):
        (tmp_path / "a").write_text(text)
        assert "".join(load_text(f"file:{tmp_path / 'a'}", split="1,0,0").train.chunks()) == text


def test_what_can_be_read_once_only_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is a pipe or a device"):
        parse_source(f"file:{tmp_path / 'pipe'}")
    with pytest.raises(DataError, match="is a pipe or a device"):
        read_lines("/dev/null", DataReport())


def test_home_and_patterns_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_text("text\n")
    assert parse_source("file:~/a.txt").paths == (str(tmp_path / "a.txt"),)
    with pytest.raises(DataError, match="no file matches this pattern"):
        parse_source(f"file:{tmp_path}/*.text")


def test_standard_input_is_read_as_a_file_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(b"a\r\nb\rc\n"), encoding="utf-8", newline="")
    monkeypatch.setattr(sys, "stdin", given)
    assert text_from_standard_input() == "a\nb\nc\n"


def test_what_is_piped_in_is_named_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for content, says in ((gzip.compress(b"a\n"), "zcat"), (b"PK\x03\x04", "is a ZIP archive")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        with pytest.raises(DataError, match=says):
            standard_input()


def test_a_folder_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    with pytest.raises(DataError, match="is a folder"):
        read_lines(tmp_path, DataReport())


def test_training_says_when_much_is_unknown() -> None:
    def told(text: str) -> str:
        corpus = MemoryText(text)
        tokenizer = train_tokenizer("words", [text], learn_unknown=True)
        encoded = encode_corpus(corpus, tokenizer)
        return "\n".join(understood({"train": encoded}, tokenizer, {"train": corpus}))

    # Chinese has no spaces: nearly every line is one word that comes once.
    lines = "".join(f"这是第{n}本书。\n" for n in range(99))
    assert "That is a large share: --tokenizer subwords" in told(lines + "好。\n好。\n")
    assert "much" not in told("the cat sat\n" * 9 + "a dog ran\n")


def test_a_memory_whose_texts_name_no_language(tmp_path: Path) -> None:
    units = "<tu><tuv><seg>a</seg></tuv><tuv><seg>b</seg></tuv></tu>"
    (tmp_path / "a.tmx").write_text(f"<tmx><header/><body>\n{units}</body></tmx>")
    with pytest.raises(DataError, match=r"row 2: .*no xml:lang"):
        read_translation_memory(tmp_path / "a.tmx")
