"""Text as its tokens arrive one by one, for a terminal."""

from __future__ import annotations

import codecs

from pipelines.tokenizers.tokenizer import Tokenizer
from pipelines.tokenizers.word_tokenizer import WHITE_SPACE


class TextDecoder:
    """Turns ids into text one at a time; the pieces join to `tokenizer.decode` of all ids.

    Bytes are held back while a character is incomplete.

    Args:
        tokenizer: of the ids.
        after: text that comes before, such as a prompt: a word that follows it begins with a space
            unless it ends with one.
    """

    def __init__(self, tokenizer: Tokenizer, after: str = "") -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line_begins = not after or after[-1] in WHITE_SPACE

    def add(self, token_id: int) -> str:
        """The text that this id completes; "" while a character is incomplete."""
        text = self._decoder.decode(self._tokenizer.token_bytes[token_id])
        if self._tokenizer.kind == "words":
            if self._line_begins:
                text = text.removeprefix(" ")
            self._line_begins = token_id == self._tokenizer.line_end_id
        return text

    def finish(self) -> str:
        """What is still held back, as U+FFFD."""
        return self._decoder.decode(b"", final=True)
