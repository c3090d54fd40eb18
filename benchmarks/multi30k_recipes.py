"""The settings of the models that `benchmarks.multi30k` trains. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

# The published model's cell, sizes and dropouts; what differs: two vocabularies, no layer norm,
# label smoothing, an average of the weights, a learning rate that falls.
HEADLINE: dict[str, Any] = {
    "split": "1,0,0",
    "joint_vocabulary": False,
    "vocabulary_size": 6000,
    "normalization": "identity",
    "bleu_tokenizer": "none",
    "cell": "gru",
    "units": 256,
    "embedding_size": 128,
    "attention": "bahdanau",
    "decoder": "conditional",
    "tied": "target",
    "embedding_dropout": 0.2,
    "annotation_dropout": 0.4,
    "output_dropout": 0.4,
    "label_smoothing": 0.1,
    "token_budget": 1024,
    "epochs": 18,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "final_learning_rate": 5e-5,
    "warmup_steps": 150,
    "average_decay": 0.998,
    "clip_norm": 1.0,
    "monitor": "val_bleu",
    "gradient_flow": False,
}
