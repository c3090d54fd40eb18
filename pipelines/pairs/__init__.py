"""Sentence pairs for translation: read from any source, checked, encoded and batched.

from pipelines.pairs import PairBatches, TokenizerOptions, load_pairs
from pipelines.pairs import encode_pairs, train_tokenizers
pairs = load_pairs("builtin:phrases").train
tokenizers = train_tokenizers(pairs, TokenizerOptions(vocabulary_size=1000))
encoded = encode_pairs(pairs, *tokenizers)
train = PairBatches(encoded.source, encoded.target, shuffle=True)
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "EncodedPairs": "encoding",
    "PairBatches": "batching",
    "PairParts": "sentence_pairs",
    "SentencePairs": "sentence_pairs",
    "TokenizerOptions": "encoding",
    "encode_pairs": "encoding",
    "load_pairs": "loading",
    "sampled_encoding": "encoding",
    "train_tokenizers": "encoding",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
