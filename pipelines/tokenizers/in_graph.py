"""Tokenizers inside a TensorFlow graph, so that a served model takes and gives strings.

They need TensorFlow; subwords also tensorflow-text, whose import makes the operations known that a
saved graph of subwords needs.
"""

from __future__ import annotations

import abc

import tensorflow as tf

from pipelines.errors import UserError
from pipelines.tokenizers.character_tokenizer import CharacterTokenizer
from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer
from pipelines.tokenizers.tokenizer import LINE_END, Tokenizer
from pipelines.tokenizers.word_tokenizer import WordTokenizer


class GraphTokenizer(tf.Module, abc.ABC):
    """The same ids and texts as a `Tokenizer`, computed by TensorFlow.

    What it holds (tables) is saved with a `tf.Module` that has it as an attribute.

    Args:
        tokenizer: whose ids are given.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(name="tokenizer")
        self._pieces = tf.constant(list(tokenizer.token_bytes))

    @abc.abstractmethod
    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Strings [texts], UTF-8 -> int32 [texts, (tokens)]."""

    def decode(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """int32 [texts, (tokens)] -> strings [texts].

        They may end in the middle of a character of several bytes, or begin there.
        """
        return tf.strings.reduce_join(tf.gather(self._pieces, ids), axis=-1)


def graph_tokenizer(tokenizer: Tokenizer) -> GraphTokenizer:
    """The in-graph twin of a tokenizer.

    Raises:
        UserError: subwords without the package tensorflow-text.
    """
    if isinstance(tokenizer, CharacterTokenizer):
        return _Characters(tokenizer)
    if isinstance(tokenizer, WordTokenizer):
        return _Words(tokenizer)
    if isinstance(tokenizer, SubwordTokenizer):
        return _Subwords(tokenizer)
    return _Bytes(tokenizer)


class _Bytes(GraphTokenizer):
    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        pieces = tf.strings.bytes_split(texts)
        codes = tf.io.decode_raw(pieces.flat_values, tf.uint8)
        return pieces.with_flat_values(tf.cast(tf.reshape(codes, [-1]), tf.int32))


class _Characters(GraphTokenizer):
    def __init__(self, tokenizer: CharacterTokenizer) -> None:
        super().__init__(tokenizer)
        codes = [ord(character) for character in tokenizer.characters]
        # A code point is 0x10FFFF at most; the table keeps the few that are known.
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(codes, tf.int32), tf.range(1, len(codes) + 1)
            ),
            default_value=tokenizer.unknown_id,
        )

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        codes = tf.strings.unicode_decode(texts, "UTF-8")
        return codes.with_flat_values(self._ids.lookup(codes.flat_values))


class _Words(GraphTokenizer):
    def __init__(self, tokenizer: WordTokenizer) -> None:
        super().__init__(tokenizer)
        words = [LINE_END, *tokenizer.words]
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant([word.encode() for word in words]), tf.range(1, len(words) + 1)
            ),
            default_value=tokenizer.unknown_id,
        )

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        # Splits at ASCII white space, as the tokenizer does.
        words = tf.strings.split(tf.strings.regex_replace(texts, r"\n", f" {LINE_END} "))
        return words.with_flat_values(self._ids.lookup(words.flat_values))

    def decode(self, ids: tf.RaggedTensor) -> tf.Tensor:
        joined = tf.strings.regex_replace(super().decode(ids), r"\n ", "\n")
        return tf.strings.regex_replace(joined, "^ ", "")


class _Subwords(GraphTokenizer):
    def __init__(self, tokenizer: SubwordTokenizer) -> None:
        super().__init__(tokenizer)
        try:
            import tensorflow_text
        except ImportError:
            raise UserError(
                "subwords inside a graph need the package tensorflow-text: pip install "
                "tensorflow-text"
            ) from None
        self._processor = tensorflow_text.SentencepieceTokenizer(
            model=tokenizer.model, out_type=tf.int32
        )

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self._processor.tokenize(texts)
