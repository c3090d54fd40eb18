"""Vocabularies that were made elsewhere: a sentencepiece model, or a file with a token per line.

A sentencepiece model is data that its library reads, not a program. Its size and its number of
pieces are limited before a tokenizer is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.tokenizers.character_tokenizer import CharacterTokenizer
from pipelines.tokenizers.registry import LARGEST_FILE
from pipelines.tokenizers.tokenizer import LINE_END, UNKNOWN, Tokenizer
from pipelines.tokenizers.vocabulary import MOST_TOKENS
from pipelines.tokenizers.word_tokenizer import WHITE_SPACE, WordTokenizer

SENTENCEPIECE_SUFFIX = ".model"
ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\"}
"""How a line of a vocabulary of characters writes a character that would end or hide the line."""


def read_vocabulary(path: str | Path, kind: str) -> Tokenizer:
    """The tokenizer of a file that was made elsewhere.

    Args:
        path: a sentencepiece model, whose name ends in .model, for subwords; otherwise text in
            UTF-8 with one word or one character per line, in the order of their ids. A line <unk>
            or <eos> is skipped, since words have both tokens anyway.
        kind: kind of the tokens: "words", "characters" or "subwords".

    Raises:
        ConfigurationError: bytes, which have no vocabulary, or a file of another kind of tokens.
        DataError: the file does not exist, is too large, or has a line that is not a token.
    """
    file = Path(path)
    if kind == "bytes":
        raise ConfigurationError("bytes are all known: leave out vocabulary, or name another kind")
    is_model = file.suffix.lower() == SENTENCEPIECE_SUFFIX
    if is_model != (kind == "subwords"):
        fitting = (
            "a sentencepiece model has subwords: set tokenizer to subwords"
            if is_model
            else "subwords come from a sentencepiece model, whose name ends in .model"
        )
        raise ConfigurationError(
            f"vocabulary = {str(path)!r} does not fit tokenizer = {kind!r}: {fitting}"
        )
    if not file.is_file():
        raise DataError("there is no such vocabulary", file=file, advice="Check the path.")
    if is_model:
        from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer

        return SubwordTokenizer.from_model_file(file)
    if file.stat().st_size > LARGEST_FILE:
        raise DataError(f"has more than {LARGEST_FILE:,} bytes, too many for tokens", file=file)
    lines = _lines(file)
    return WordTokenizer(_words(lines, file)) if kind == "words" else _characters(lines, file)


def _lines(file: Path) -> list[str]:
    """The lines of a file, not empty at its end.

    Raises:
        DataError: it is not UTF-8, is empty, or has too many lines.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        raise DataError("is not UTF-8", file=file, row=row, advice="Convert it.") from None
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if not lines or len(lines) > MOST_TOKENS:
        raise DataError(
            f"has {len(lines):,} lines: there must be 1 to {MOST_TOKENS:,} tokens, one per line",
            file=file,
        )
    return lines


def _words(lines: Sequence[str], file: Path) -> list[str]:
    words = []
    for row, line in enumerate(lines, start=1):
        if any(space in line for space in WHITE_SPACE):
            raise DataError(
                f"{line[:40]!r} is not one word",
                file=file,
                row=row,
                advice="Write one word per line, without counts, scores or numbers next to it.",
            )
        if line not in (UNKNOWN, LINE_END):
            words.append(line)
    return _distinct(lines, words, file)


def _characters(lines: Sequence[str], file: Path) -> CharacterTokenizer:
    characters = []
    for row, line in enumerate(lines, start=1):
        character = ESCAPES.get(line, line)
        if len(character) != 1 and character != UNKNOWN:
            raise DataError(
                f"{line[:40]!r} is not one character",
                file=file,
                row=row,
                advice="Write one character per line; \\n, \\t and \\\\ mean a line break, a tab "
                "and a backslash.",
            )
        if character != UNKNOWN:
            characters.append(character)
    return CharacterTokenizer(_distinct(lines, characters, file, ESCAPES))


def _distinct(
    lines: Sequence[str], tokens: list[str], file: Path, spelled: Mapping[str, str] | None = None
) -> list[str]:
    """The tokens, none of which may be empty or come twice, as itself or as `spelled` writes it."""
    spelled = spelled or {}
    first: dict[str, int] = {}
    for row, line in enumerate(lines, start=1):
        if not line:
            raise DataError("is empty", file=file, row=row, advice="Remove the line.")
        token = spelled.get(line, line)
        if token in first:
            raise DataError(
                f"{token!r} is in row {first[token]} already",
                file=file,
                row=row,
                advice="Remove one of them: each token has one id.",
            )
        first[token] = row
    if not tokens:
        raise DataError("has no token besides <unk> and <eos>", file=file)
    return tokens
