"""The base class of all tokenizers."""

from __future__ import annotations

import abc
import hashlib
import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipelines.base.atomic_files import atomic_path, write_text
from pipelines.base.errors import DataError

FILE_NAME = "tokenizer.json"
FORMAT = 1
UNKNOWN = "<unk>"
LINE_END = "<eos>"

Ids = npt.NDArray[np.int32]


class Tokenizer(abc.ABC):
    """Turns text into token ids, 0 to `size` - 1, and back.

    Attributes:
        kind: "bytes", "characters", "words" or "subwords".
        tokens: every token as printable text, by id; a space is shown as ␣.
        token_bytes: the UTF-8 bytes of every token, by id; a token may be part of a character.
            Words include the space before them.
        unknown_id: the id of text that is not in the vocabulary; None if every text is known.
        line_end_id: the id that ends a line; None if no single id does. A model reads it first
            where a text begins without context.
    """

    kind: ClassVar[str]
    tokens: tuple[str, ...]
    token_bytes: tuple[bytes, ...]
    unknown_id: int | None
    line_end_id: int | None

    @property
    def size(self) -> int:
        """The number of ids, special ones included."""
        return len(self.tokens)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what `save` writes, in hexadecimal: the same for equal vocabularies."""
        digest = hashlib.sha256(self._json().encode())
        for _, content in sorted(self._further_files().items()):
            digest.update(content)
        return digest.hexdigest()

    @abc.abstractmethod
    def encode(self, text: str) -> Ids:
        """The ids of a text, int32 [tokens]; unknown text becomes `unknown_id`."""

    def decode(self, ids: Iterable[int] | npt.NDArray[np.integer[Any]]) -> str:
        """The text of ids, with U+FFFD for bytes that are not a whole character.

        Raises:
            DataError: an id is not in the vocabulary.
        """
        known = self.token_bytes
        joined = b"".join([known[number] for number in self._checked_ids(ids).tolist()])
        return joined.decode("utf-8", errors="replace")

    @abc.abstractmethod
    def unknown_places(self, text: str, most: int = 5) -> list[tuple[int, str]]:
        """The first `most` unknown pieces of the text: (character offset, piece)."""

    def normalised(self, text: str) -> str:
        """The text as `decode` would return it if all of it were known."""
        return text

    def known_spelling(self, text: str) -> str:
        """The spelling in which more characters of a text are known; "" if there is none.

        Composed and decomposed letters look alike, and the training text may have had no capitals.
        Subwords spell unknown characters byte by byte, from which a model learns little.
        """
        return ""

    def encode_known(self, text: str, name: str = "text") -> Ids:
        """As `encode`, but refuses unknown text; the literal word <unk> is accepted.

        Raises:
            DataError: the text has unknown pieces; the message names the first ones with their
                places, and how many there are.
        """
        ids = self.encode(text)
        if self.unknown_id is None or not (ids == self.unknown_id).any():
            return ids
        unknown = self.unknown_places(text, len(text))
        if not unknown:
            return ids
        listed = ", ".join(
            f"{named_piece(piece, self.kind)} at character {offset}"
            for offset, piece in unknown[:5]
        )
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise DataError(
            f"is not in the model's vocabulary of {self.size} {self.kind}: {listed}{more}",
            file=name,
            advice=self._advice(text),
        )

    def _advice(self, text: str) -> str:
        """Advice on how to write a text that has unknown pieces."""
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            if not self.unknown_places(unicodedata.normalize(form, text), 1):
                return f"All of it is known in Unicode's normalisation form {form}: write it so."
        if not self.unknown_places(text.lower(), 1):
            return "The vocabulary has small letters only: write it in small letters."
        if self.kind == "words":
            return f"Write {UNKNOWN} for a word that the model does not know."
        return "Leave it out."

    def require_same(self, fingerprint: str, what: str) -> None:
        """Refuses anything that was made with another vocabulary.

        Raises:
            DataError: `fingerprint` is not that of this tokenizer.
        """
        if fingerprint != self.fingerprint:
            raise DataError(
                f"was made with another vocabulary ({fingerprint[:12]}), not with this one of "
                f"{self.size} {self.kind} ({self.fingerprint[:12]})",
                file=what,
                advice="Use the tokenizer in the folder of the model.",
            )

    def save(self, folder: str | Path) -> None:
        """Writes the vocabulary into `folder`, which is created if needed; each file atomically."""
        for name, content in self._further_files().items():
            with atomic_path(Path(folder) / name) as beside:
                beside.write_bytes(content)
        write_text(Path(folder) / FILE_NAME, self._json())

    @abc.abstractmethod
    def _content(self) -> dict[str, Any]:
        """The content of the JSON file in addition to format and kind."""

    def _further_files(self) -> dict[str, bytes]:
        return {}

    def _json(self) -> str:
        content = {"format": FORMAT, "kind": self.kind, **self._content()}
        return json.dumps(content, ensure_ascii=True, indent=1) + "\n"

    def _checked_ids(self, ids: Iterable[int] | npt.NDArray[np.integer[Any]]) -> Ids:
        numbers = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids))
        if numbers.size == 0:
            return np.zeros(0, np.int32)
        if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
            raise DataError(
                f"ids must be integers [tokens], not {numbers.dtype} of shape {numbers.shape}"
            )
        if numbers.min() < 0 or numbers.max() >= self.size:
            bad = numbers[(numbers < 0) | (numbers >= self.size)][0]
            raise DataError(f"the id {bad} is not in the vocabulary of {self.size} {self.kind}")
        return numbers.astype(np.int32)


def token_keys(tokenizer: Tokenizer) -> list[tuple[str, bytes]]:
    """What tells each token of a vocabulary from the others, also in another vocabulary."""
    return list(zip(tokenizer.tokens, tokenizer.token_bytes, strict=True))


REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(token: str) -> str:
    """A token as one printable word: a space as ␣, invisible characters escaped."""
    return "".join(_printable_character(character) for character in token)


def _printable_character(character: str) -> str:
    if character == " ":
        return "␣"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def named_piece(piece: str, kind: str) -> str:
    """An unknown piece for a message; characters outside ASCII with their number: U+03A9 'Ω'."""
    numbered = kind == "characters" and len(piece) == 1 and not piece.isascii()
    return f"U+{ord(piece):04X} {piece!r}" if numbered else repr(piece)


def utf8(text: str, file: str | Path | None = None, row: int | None = None) -> bytes:
    """The text as UTF-8.

    Args:
        text: text to encode.
        file, row: place of the text for messages; None where it has none.

    Raises:
        DataError: the text has half of a surrogate pair, which is not a character.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"the text holds {text[error.start]!r} at character {error.start}, half of a "
            "surrogate pair, which is not a character",
            file=file,
            row=row,
            advice="Decode the original bytes as UTF-8; in JSON, write both halves.",
        ) from None
