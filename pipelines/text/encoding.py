"""Text as token ids on disk: encoded once, mapped into memory, as large as the disk allows."""

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
from pipelines.tokenizers.tokenizer import Tokenizer

IDS_FILE = "tokens.bin"
ABOUT_FILE = "tokens.json"
FORMAT = 2
UNKNOWN_KEPT = 5


@dataclass(frozen=True)
class TokenArray:
    """A text as token ids.

    Attributes:
        ids: uint8, uint16 or int32 [length], the smallest that holds the vocabulary; mapped from
            a file if the text was encoded into a folder. Little-endian.
        characters: of the text (code points).
        bytes: of the text in UTF-8.
        lines: line breaks in it.
        unknown: tokens that stand for what is not in the vocabulary.
        unknown_examples: what the first of them stand for.
        sha256: of the text in UTF-8, so that results can name what they were measured on.
        tokenizer: fingerprint of the tokenizer.
        name: of where the text comes from.
        report: what reading the text found (`DataReport.as_dict`).
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

    In a folder, the ids are written to a file as they come and then mapped, so that neither text
    nor ids need be in memory; a text that was encoded there with the same tokenizer is only mapped
    again. The entry appears whole or not at all, so that several processes may share a folder.

    Args:
        folder: of the encoded texts, which is made; None: the ids stay in memory.

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
    found = _stored(entry, corpus, tokenizer)
    if found is not None:
        return found
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
    """A text in memory, encoded; see `encode_corpus`."""
    from pipelines.text.corpus import MemoryText

    return encode_corpus(MemoryText(text, name), tokenizer)


def id_type(size: int) -> np.dtype[Any]:
    """The smallest type that holds the ids of a vocabulary: uint8, uint16 or int32."""
    return np.dtype("u1" if size <= 2**8 else "<u2" if size <= 2**16 else "<i4")


class _Counts:
    """What is counted while a text is encoded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._digest = hashlib.sha256()
        self.dtype = id_type(tokenizer.size)
        self.length = self._characters = self._bytes = self._lines = self._unknown = 0
        self._unknown_examples: list[str] = []

    def encoded(self, corpus: TextCorpus) -> Iterator[npt.NDArray[Any]]:
        tokenizer = self._tokenizer
        for chunk in corpus.chunks():
            content = chunk.encode()
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
    """SHA-256 of what is known of a text and of its ids."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    with open(ids, "rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _stored(entry: Path, corpus: TextCorpus, tokenizer: Tokenizer) -> TokenArray | None:
    """What was encoded before, if it is whole and of this text and tokenizer."""
    try:
        about = json.loads((entry / ABOUT_FILE).read_text(encoding="utf-8"))
        size = (entry / IDS_FILE).stat().st_size
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            return None
        # Damaged tokens would be trained on, and judged, as if they were the text.
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
