"""Text as plain tf.data of token streams, for your own training loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.sources import Source
from pipelines.text.corpus import TextCorpus
from pipelines.text.encoding import encode_corpus
from pipelines.text.loading import load_text
from pipelines.text.token_streams import StreamBatches
from pipelines.tokenizers.registry import train_tokenizer
from pipelines.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class LanguageModellingData:
    """Token streams of a text, and the tokenizer made from its training part.

    Attributes:
        tokenizer: tokenizer of all three parts.
        train, validation, test: one epoch of (inputs, targets, weights) each, as described by
            `StreamBatches`; None for a part that does not exist.
    """

    tokenizer: Tokenizer
    train: tf.data.Dataset
    validation: tf.data.Dataset | None
    test: tf.data.Dataset | None


def language_modelling_datasets(
    source: str | Source | TextCorpus,
    *,
    tokenizer: str | Tokenizer = "characters",
    vocabulary_size: int = 0,
    batch_size: int = 64,
    timesteps: int = 128,
    folder: str | Path | None = None,
    seed: int = 0,
    **settings: Any,
) -> LanguageModellingData:
    """Training, validation and test text as contiguous streams of tokens.

        data = language_modelling_datasets("file:corpus.txt", tokenizer="subwords")
        for inputs, targets, weights in data.train:
            model(inputs["tokens"])

    A stateful recurrent layer carries its state from batch to batch; reset it before each epoch.

    Args:
        source, settings: source of the text and how it is cut into parts; see `load_text`.
        tokenizer: an existing tokenizer, or the kind of one to train on the training text; see
            `train_tokenizer`.
        vocabulary_size: largest number of ids of a tokenizer that is trained; 0 for no limit.
        batch_size: number of streams that are read in parallel.
        timesteps: number of tokens per step of a stream.
        folder: folder that keeps the encoded text for later runs; None to keep it in memory.
        seed: seed of the sample of text that a subword tokenizer is trained on.
    """
    parts = load_text(source, **settings)
    if isinstance(tokenizer, str):
        tokenizer = train_tokenizer(
            tokenizer, parts.train.chunks(), vocabulary_size=vocabulary_size, seed=seed
        )
    made = tokenizer

    def streams(corpus: TextCorpus) -> tf.data.Dataset:
        tokens = encode_corpus(corpus, made, folder)
        return StreamBatches(tokens, batch_size=batch_size, timesteps=timesteps, shift=False).epoch(
            0
        )

    return LanguageModellingData(
        made,
        streams(parts.train),
        streams(parts.validation) if parts.validation else None,
        streams(parts.test) if parts.test else None,
    )
