"""Text as token ids on disk: encoded once and memory-mapped, as large as the disk allows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.atomic_files import atomic_folder, write_json
from pipelines.base.errors import DataError
from pipelines.text.corpus import TextCorpus
from pipelines.tokenizers.tokenizer import Tokenizer, utf8

IDS_FILE = "tokens.bin"
ABOUT_FILE = "tokens.json"
FORMAT = 2
UNKNOWN_KEPT = 5


@dataclass(frozen=True)
class TokenArray:
    """A text as token ids.

    Attributes:
        ids: token ids, [length], in the smallest of uint8, uint16 and int32 that holds the
            vocabulary, little-endian; memory-mapped if the text was encoded into a folder.
        characters: number of characters (code points) of the text.
        bytes: number of bytes of the text in UTF-8.
        lines: number of line breaks in the text.
        unknown: number of tokens for text that is not in the vocabulary.
        unknown_examples: the text behind the first of these tokens.
        sha256: hash of the text in UTF-8, so that results can say what they were measured on.
        tokenizer: fingerprint of the tokenizer.
        name: name of the source, for messages.
        report: findings of reading the text (`DataReport.as_dict`).
    """

    ids: npt.NDArray[Any]
    characters: int
    bytes: int
    lines: int
    unknown: int
    unknown_examples: tuple[str, ...]
    sha256: str
    tokenizer: str
    name: str
    report: dict[str, Any]

    @property
    def length(self) -> int:
        """The number of tokens."""
        return len(self.ids)


def encode_corpus(
    corpus: TextCorpus, tokenizer: Tokenizer, folder: str | Path | None = None
) -> TokenArray:
    """Encodes a text piece by piece.

    With a folder, the ids are written to a file piece by piece and then memory-mapped, so that
    neither the text nor the ids need to fit into memory; a text that was encoded there before with
    the same tokenizer is only mapped. An entry appears whole or not at all, so that several
    processes may share a folder.

    Args:
        corpus: the text to encode.
        tokenizer: tokenizer that makes the ids.
        folder: folder of encoded texts, created if needed; None to keep the ids in memory.

    Raises:
        DataError: the text is empty, cannot be read, or changes while it is read.
    """
    if folder is None:
        blocks: list[npt.NDArray[Any]] = []
        counts = _Counts(tokenizer)
        for ids in counts.encoded(corpus):
            blocks.append(ids)
        return counts.token_array(np.concatenate(blocks), corpus)
    entry = Path(folder) / f"{corpus.fingerprint[:24]}-{tokenizer.fingerprint[:24]}"
    stored = _stored(entry, corpus, tokenizer)
    if stored is not None:
        return stored
    with atomic_folder(entry) as beside:
        counts = _Counts(tokenizer)
        with open(beside / IDS_FILE, "wb") as file:
            for ids in counts.encoded(corpus):
                file.write(ids.tobytes())
        nothing = np.zeros(0, counts.dtype)
        about = dataclasses.asdict(counts.token_array(nothing, corpus))
        del about["ids"]
        keys = {"format": FORMAT, "corpus": corpus.fingerprint, "length": counts.length}
        checksum = _checksum(keys | about, beside / IDS_FILE)
        write_json(beside / ABOUT_FILE, keys | about | {"checksum": checksum})
    stored = _stored(entry, corpus, tokenizer)
    if stored is None:
        raise DataError("the encoded text cannot be read back", file=entry)
    return stored


def encode_text(text: str, tokenizer: Tokenizer, name: str = "text") -> TokenArray:
    """Encodes a text in memory; see `encode_corpus`."""
    from pipelines.text.corpus import MemoryText

    return encode_corpus(MemoryText(text, name), tokenizer)


def id_type(size: int) -> np.dtype[Any]:
    """The smallest type that holds the ids of a vocabulary: uint8, uint16 or int32."""
    return np.dtype("u1" if size <= 2**8 else "<u2" if size <= 2**16 else "<i4")


class _Counts:
    """The counts that are taken while a text is encoded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._digest = hashlib.sha256()
        self.dtype = id_type(tokenizer.size)
        self.length = self._characters = self._bytes = self._lines = self._unknown = 0
        self._unknown_examples: list[str] = []

    def encoded(self, corpus: TextCorpus) -> Iterator[npt.NDArray[Any]]:
        tokenizer = self._tokenizer
        for chunk in corpus.chunks():
            content = utf8(chunk, corpus.name)
            ids = tokenizer.encode(chunk)
            self._digest.update(content)
            self._bytes += len(content)
            self._characters += len(chunk)
            self._lines += chunk.count("\n")
            self.length += len(ids)
            if tokenizer.unknown_id is not None:
                self._count_unknown(chunk, int((ids == tokenizer.unknown_id).sum()))
            yield ids.astype(self.dtype)

    def _count_unknown(self, chunk: str, count: int) -> None:
        self._unknown += count
        missing = UNKNOWN_KEPT - len(self._unknown_examples)
        if count and missing:
            places = self._tokenizer.unknown_places(chunk, missing)
            self._unknown_examples += [piece for _, piece in places]

    def token_array(self, ids: npt.NDArray[Any], corpus: TextCorpus) -> TokenArray:
        return TokenArray(
            ids=ids,
            characters=self._characters,
            bytes=self._bytes,
            lines=self._lines,
            unknown=self._unknown,
            unknown_examples=tuple(self._unknown_examples),
            sha256=self._digest.hexdigest(),
            tokenizer=self._tokenizer.fingerprint,
            name=corpus.name,
            report=corpus.report.as_dict(),
        )


def _checksum(about: dict[str, Any], ids: Path) -> str:
    """SHA-256 of the facts about a text and of its ids."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    with open(ids, "rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _stored(entry: Path, corpus: TextCorpus, tokenizer: Tokenizer) -> TokenArray | None:
    """The text as it was encoded before, if the entry is whole and fits the text and tokenizer."""
    try:
        about = json.loads((entry / ABOUT_FILE).read_text(encoding="utf-8"))
        size = (entry / IDS_FILE).stat().st_size
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            return None
        # Damaged tokens would be used for training and evaluation as if they were the text.
        if about.pop("checksum", "") != _checksum(about, entry / IDS_FILE):
            return None
    except (OSError, ValueError, RecursionError):
        return None
    dtype = id_type(tokenizer.size)
    del about["format"]
    keys = (about.pop("corpus", ""), about.get("tokenizer", ""), about.pop("length", 0))
    if keys != (corpus.fingerprint, tokenizer.fingerprint, size // dtype.itemsize) or not size:
        return None
    ids = np.memmap(entry / IDS_FILE, dtype, mode="r")
    about["unknown_examples"] = tuple(about["unknown_examples"])
    return TokenArray(ids=ids, **about)
