"""Turns tokens that arrive one by one into text, as for a terminal."""

from __future__ import annotations

import codecs

from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer
from pipelines.tokenizers.tokenizer import Tokenizer
from pipelines.tokenizers.word_tokenizer import WHITE_SPACE


class TextDecoder:
    """Turns ids into text one at a time; all pieces together equal `tokenizer.decode` of all ids.

    Bytes are held back while a character is incomplete.

    Args:
        tokenizer: tokenizer that made the ids.
        after: text that precedes the decoded text, such as a prompt. If it does not end with a
            space, the word that follows begins with one.
    """

    def __init__(self, tokenizer: Tokenizer, after: str = "") -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line_begins = not after or after[-1] in WHITE_SPACE
        self._begins_with_space = (
            isinstance(tokenizer, SubwordTokenizer) and tokenizer.begins_with_space
        )

    def add(self, token_id: int) -> str:
        """The text that this id completes; "" while a character is incomplete."""
        text = self._decoder.decode(self._tokenizer.token_bytes[token_id])
        if self._tokenizer.kind == "words":
            if self._line_begins:
                text = text.removeprefix(" ")
            self._line_begins = token_id == self._tokenizer.line_end_id
        elif self._line_begins and self._begins_with_space:
            text = text.removeprefix(" ")
            self._line_begins = False
        return text

    def finish(self) -> str:
        """U+FFFD for bytes that are still held back; "" if there are none."""
        return self._decoder.decode(b"", final=True)
