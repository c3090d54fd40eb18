"""Tokenizers: text to ids and back. They need only NumPy; subwords also need sentencepiece.

from pipelines.tokenizers import load_tokenizer, train_tokenizer
tokenizer = train_tokenizer("characters", ["some text, ", "and more of it"])
tokenizer.decode(tokenizer.encode("more text"))
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "ByteTokenizer": "byte_tokenizer",
    "CharacterTokenizer": "character_tokenizer",
    "SubwordTokenizer": "subword_tokenizer",
    "TOKENIZER_KINDS": "registry",
    "TextDecoder": "text_decoder",
    "Tokenizer": "tokenizer",
    "WordTokenizer": "word_tokenizer",
    "load_tokenizer": "registry",
    "train_tokenizer": "registry",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
