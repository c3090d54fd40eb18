"""Vocabularies that were made elsewhere: files with a token per line, sentencepiece models."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.tokenizers import SubwordTokenizer, load_tokenizer
from pipelines.tokenizers.tokenizer import FILE_NAME
from pipelines.tokenizers.vocabulary_files import read_vocabulary

TEXT = ["the cat sat on a mat", "a cat and a rat", "the mat is flat"] * 20


def written(folder: Path, content: str | bytes, name: str = "vocabulary.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def foreign_model(**settings: object) -> bytes:
    """A model as sentencepiece's own command trains it: no bytes, <s> and </s>, NFKC."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(TEXT), model_writer=model, minloglevel=2,
        **{"vocab_size": 30, "hard_vocab_limit": False, **settings},
    )  # fmt: skip
    return model.getvalue()


def test_words_are_read_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff<unk>\r\nthe\r\n<eos>\r\ncat\r\n\r\n")
    tokenizer = read_vocabulary(path, "words")
    assert tokenizer.tokens == ("<unk>", "<eos>", "the", "cat")
    assert tokenizer.encode("the cat sat\n").tolist() == [2, 3, 0, 1]


def test_characters_may_be_written_with_a_backslash(tmp_path: Path) -> None:
    path = written(tmp_path, "a\nb\n \n\\n\n\\\\\n")
    tokenizer = read_vocabulary(path, "characters")
    assert tokenizer.decode(tokenizer.encode("ab b\n\\")) == "ab b\n\\"
    assert tokenizer.line_end_id == 4 and tokenizer.encode("x").tolist() == [0]


@pytest.mark.parametrize(
    ("kind", "content", "row", "problem"),
    [
        ("words", "the\ncat 17\n", 2, "'cat 17' is not one word"),
        ("words", "the\n\ncat\n", 2, "is empty"),
        ("words", "the\ncat\nthe\n", 3, "'the' is in row 1 already"),
        ("words", b"the\ncaf\xe9\n", 2, "is not UTF-8"),
        ("words", "<unk>\n", 0, "has no token besides"),
        ("words", "\n\n", 0, "has 0 lines"),
        ("characters", "a\nbc\n", 2, "'bc' is not one character"),
        ("characters", "a\nb\na\n", 3, "'a' is in row 1 already"),
        ("characters", "\\t\na\n\t\n", 3, "'\\t' is in row 1 already"),
        ("characters", "\\\na\n\\\\\n", 3, "is in row 1 already"),
        ("characters", "a\n\nb\n", 2, "'' is not one character"),
    ],
)
def test_a_line_that_is_not_a_token_is_named(
    tmp_path: Path, kind: str, content: str | bytes, row: int, problem: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError) as refusal:
        read_vocabulary(path, kind)
    assert problem in str(refusal.value) and str(path) in str(refusal.value)
    assert not row or f"row {row}" in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        ("bytes", "vocabulary.txt", "bytes are all known"),
        ("subwords", "vocabulary.txt", "whose name ends in .model"),
        ("words", "spm.model", "set tokenizer to subwords"),
    ],
)
def test_a_file_of_other_tokens_is_refused(
    tmp_path: Path, kind: str, name: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        read_vocabulary(written(tmp_path, "the\n", name), kind)
    with pytest.raises(DataError, match="there is no such vocabulary"):
        read_vocabulary(tmp_path / "none.txt", "words")


def test_a_foreign_sentencepiece_model_has_unknown_text(tmp_path: Path) -> None:
    model = foreign_model()
    tokenizer = read_vocabulary(written(tmp_path, model, "spm.model"), "subwords")
    assert isinstance(tokenizer, SubwordTokenizer) and tokenizer.unknown_id == 0
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    for text in ("the cat", "a rat sat", "a ž cat"):
        np.testing.assert_array_equal(tokenizer.encode(text), processor.encode(text))
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"
    assert tokenizer.decode(tokenizer.encode("a ž cat")) == "a \ufffd cat"
    assert tokenizer.unknown_places("a ž cat", 5) == [(2, "ž")]
    with pytest.raises(DataError, match="'ž' at character 2"):
        tokenizer.encode_known("a ž cat")
    assert tokenizer.line_end_id is None
    tokenizer.save(tmp_path / "saved")
    again = load_tokenizer(tmp_path / "saved")
    assert again.fingerprint == tokenizer.fingerprint and again.unknown_id == 0


def test_a_foreign_model_with_bytes_knows_everything(tmp_path: Path) -> None:
    model = foreign_model(byte_fallback=True, vocab_size=300)
    tokenizer = read_vocabulary(written(tmp_path, model, "spm.model"), "subwords")
    assert tokenizer.unknown_id is None
    assert tokenizer.decode(tokenizer.encode("ž 猫")) == "ž 猫"
    own = SubwordTokenizer.train(["the cat sat\n" * 50], vocabulary_size=300)
    assert own.unknown_id is None and own.token_bytes[0] == b""


def test_what_is_no_sentencepiece_model_is_refused(tmp_path: Path) -> None:
    model = foreign_model()
    for number, content in enumerate((b"", b"the cat\n" * 100, model[: len(model) // 2])):
        path = written(tmp_path, content, f"{number}.model")
        with pytest.raises(DataError, match=rf"{number}\.model"):
            read_vocabulary(path, "subwords")


def test_sizes_are_checked_before_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.tokenizers.subword_tokenizer.LARGEST_MODEL", 100)
    with pytest.raises(DataError, match="is larger than 100 bytes"):
        read_vocabulary(written(tmp_path, foreign_model(), "spm.model"), "subwords")
    monkeypatch.setattr("pipelines.tokenizers.vocabulary_files.LARGEST_FILE", 3)
    with pytest.raises(DataError, match="more than 3 bytes"):
        read_vocabulary(written(tmp_path, "the\ncat\n"), "words")
    monkeypatch.undo()
    monkeypatch.setattr("pipelines.tokenizers.vocabulary_files.MOST_TOKENS", 1)
    with pytest.raises(DataError, match="has 2 lines"):
        read_vocabulary(written(tmp_path, "the\ncat\n"), "words")
    assert not (tmp_path / FILE_NAME).exists()
