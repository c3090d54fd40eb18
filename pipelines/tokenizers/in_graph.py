"""Tokenizers as TensorFlow operations, so that a SavedModel reads and returns strings.

For bytes, characters and words, a process that loads the model needs only TensorFlow. Subwords are
encoded by an operation of tensorflow-text: a process that loads such a model must
`import tensorflow_text` first (TensorFlow Serving has its operations built in).
"""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.base.errors import UserError
from pipelines.tokenizers.byte_tokenizer import ByteTokenizer
from pipelines.tokenizers.character_tokenizer import CharacterTokenizer
from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer
from pipelines.tokenizers.tokenizer import LINE_END, UNKNOWN, Tokenizer
from pipelines.tokenizers.word_tokenizer import SPECIALS, WHITE_SPACE, WordTokenizer


class GraphTokenizer(tf.Module):
    """Gives the same results as a tokenizer, for a batch of texts inside a graph.

    Bytes that are not UTF-8 are read as U+FFFD; a byte tokenizer reads them unchanged.

    Args:
        tokenizer: the tokenizer to rebuild.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(name=f"{tokenizer.kind}_in_graph")
        # Converted by way of Python objects, since NumPy's byte strings drop NUL at their end.
        self._token_bytes = tf.constant(np.array(tokenizer.token_bytes, object), tf.string)
        self._unknown = tokenizer.unknown_id

    @abc.abstractmethod
    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The ids, int32 [batch, (tokens)], of texts in UTF-8, string [batch]."""

    def encode_marked(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """The ids of texts, and which of them stand for text that is not in the vocabulary.

        Returns:
            int32 and bool [batch, (tokens)]. The literal word <unk> is not marked: it is known to
            be the unknown word.
        """
        ids = self.encode(texts)
        return ids, ids == (-1 if self._unknown is None else self._unknown)

    def decode(self, ids: tf.RaggedTensor | tf.Tensor, after: tf.Tensor | None = None) -> tf.Tensor:
        """The texts, string [batch], of ids, int32 [batch, tokens] or ragged.

        Every id must be in the vocabulary.

        Args:
            ids: ids of the tokens of each text.
            after: texts that precede the decoded ones, such as prompts, string [batch]; see
                `TextDecoder`.
        """
        pieces = tf.gather(self._token_bytes, ids)
        joined = tf.strings.reduce_join(pieces, axis=-1)
        # A character with incomplete bytes becomes U+FFFD.
        return tf.strings.unicode_transcode(joined, "UTF-8", "UTF-8", errors="replace")


class _Bytes(GraphTokenizer):
    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        values = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
        lengths = tf.strings.length(texts, unit="BYTE")
        return tf.RaggedTensor.from_row_lengths(tf.cast(values, tf.int32), lengths)


class _Characters(GraphTokenizer):
    def __init__(self, tokenizer: CharacterTokenizer) -> None:
        super().__init__(tokenizer)
        codes = np.array([ord(character) for character in tokenizer.characters], np.int64)
        self._ids = _table(codes, np.arange(1, len(codes) + 1))

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        codes = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        return tf.ragged.map_flat_values(_looked_up, self._ids, tf.cast(codes, tf.int64))


class _Words(GraphTokenizer):
    def __init__(self, tokenizer: WordTokenizer) -> None:
        super().__init__(tokenizer)
        words = np.array([word.encode() for word in (*SPECIALS, *tokenizer.words)], object)
        self._ids = _table(words, np.arange(len(words)))

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self.encode_marked(texts)[0]

    def encode_marked(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        # Without a separator TensorFlow splits at ASCII white space, like the tokenizer.
        words = tf.strings.split(tf.strings.regex_replace(texts, "\n", f" {LINE_END} "))
        ids = tf.ragged.map_flat_values(_looked_up, self._ids, words)
        return ids, tf.logical_and(ids == self._unknown, words != UNKNOWN)

    def decode(self, ids: tf.RaggedTensor | tf.Tensor, after: tf.Tensor | None = None) -> tf.Tensor:
        text = tf.strings.regex_replace(super().decode(ids), "\n ", "\n")
        return _spaced(text, after)


class _Subwords(GraphTokenizer):
    def __init__(self, tokenizer: SubwordTokenizer) -> None:
        super().__init__(tokenizer)
        try:
            import tensorflow_text
        except ImportError as error:
            raise UserError(
                f"subwords inside a SavedModel need the package tensorflow-text ({error}): "
                "pip install tensorflow-text"
            ) from None
        self._begins_with_space = tokenizer.begins_with_space
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(tokenizer.model, tf.int32)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        return self._tokenizer.tokenize(texts)

    def decode(self, ids: tf.RaggedTensor | tf.Tensor, after: tf.Tensor | None = None) -> tf.Tensor:
        text = super().decode(ids)
        return _spaced(text, after) if self._begins_with_space else text


def graph_tokenizer(tokenizer: Tokenizer) -> GraphTokenizer:
    """The tokenizer as TensorFlow operations.

    Raises:
        UserError: the tokenizer makes subwords and tensorflow-text is not installed.
    """
    if isinstance(tokenizer, ByteTokenizer):
        return _Bytes(tokenizer)
    if isinstance(tokenizer, CharacterTokenizer):
        return _Characters(tokenizer)
    if isinstance(tokenizer, WordTokenizer):
        return _Words(tokenizer)
    if isinstance(tokenizer, SubwordTokenizer):
        return _Subwords(tokenizer)
    raise TypeError(f"{type(tokenizer).__name__} has no form in a graph")


def _table(keys: np.ndarray[Any, Any], ids: np.ndarray[Any, Any]) -> tf.lookup.StaticHashTable:
    """A table from keys to ids; a key that is not in it gets the unknown id, 0."""
    entries = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(ids, tf.int64))
    return tf.lookup.StaticHashTable(entries, default_value=0)


def _spaced(text: tf.Tensor, after: tf.Tensor | None) -> tf.Tensor:
    """Texts without the space of their first word, unless it parts them from what precedes them."""
    begun = tf.strings.regex_replace(text, "^ ", "")
    if after is None:
        return begun
    goes_on = tf.strings.regex_full_match(after, f"(?s).*[^{WHITE_SPACE}]")
    return tf.where(goes_on, text, begun)


def _looked_up(table: tf.lookup.StaticHashTable, keys: tf.Tensor) -> tf.Tensor:
    return tf.cast(table.lookup(keys), tf.int32)
