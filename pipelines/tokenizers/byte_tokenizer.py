"""Bytes of UTF-8 as tokens: a vocabulary of 256 tokens that knows every text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.tokenizers.tokenizer import Ids, Tokenizer, printable, utf8


class ByteTokenizer(Tokenizer):
    """The id of a token is its byte."""

    kind = "bytes"

    def __init__(self) -> None:
        ascii_characters = [printable(chr(byte)) for byte in range(128)]
        self.tokens = (*ascii_characters, *(f"\\x{byte:02x}" for byte in range(128, 256)))
        self.token_bytes = tuple(bytes([byte]) for byte in range(256))
        self.unknown_id = None
        self.line_end_id = ord("\n")

    def encode(self, text: str) -> Ids:
        """See `Tokenizer.encode`."""
        return np.frombuffer(utf8(text), np.uint8).astype(np.int32)

    def unknown_places(self, text: str, most: int = 5) -> list[tuple[int, str]]:
        """Every byte is known."""
        return []

    @classmethod
    def from_json(cls, content: Mapping[str, Any], folder: Path) -> ByteTokenizer:
        """The inverse of `save`."""
        return cls()

    def _content(self) -> dict[str, Any]:
        return {}
