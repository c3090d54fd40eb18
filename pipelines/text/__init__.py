"""Text for language models: read and checked, encoded once, batched as streams of tokens.

from pipelines.text import StreamBatches, encode_corpus, load_text
from pipelines.tokenizers import train_tokenizer
parts = load_text("builtin:world_english_bible")
tokenizer = train_tokenizer("characters", parts.train.chunks())
train = StreamBatches(encode_corpus(parts.train, tokenizer), batch_size=64, timesteps=128)
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "LanguageModellingData": "datasets",
    "MemoryText": "corpus",
    "StreamBatches": "token_streams",
    "TextCorpus": "corpus",
    "TextParts": "corpus",
    "TokenArray": "encoding",
    "encode_corpus": "encoding",
    "encode_text": "encoding",
    "language_modelling_datasets": "datasets",
    "load_text": "loading",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
