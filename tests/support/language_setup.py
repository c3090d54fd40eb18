"""A small untrained language model for tests of what is done with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.tokenizers import train_tokenizer
from rnn_apps.application.run_training import claimed_run
from rnn_apps.language_modelling import Run, load
from rnn_apps.language_modelling.config import APPLICATION, LanguageModellingConfig
from rnn_apps.language_modelling.judging.example_text import EXAMPLES, save_examples
from rnn_apps.language_modelling.network.build import build_model, inference_model
from rnn_apps.language_modelling.network.carried_model import CarriedModel
from rnn_apps.language_modelling.trained import TOKENIZER


def small_model(
    vocabulary: int = 11,
    cell: str = "gru",
    units: int = 12,
    layers: int = 2,
    seed: int = 3,
    scale: float = 2.0,
    **settings: Any,
) -> CarriedModel:
    """A model whose random weights are `scale` times Keras', so that its predictions differ."""
    keras.utils.set_random_seed(seed)
    config = LanguageModellingConfig(
        batch_size=2, timesteps=8, cell=cell, units=units, layers=layers, **settings
    )
    trained = build_model(config, vocabulary)
    for weight in trained.weights:
        # A SimpleRNN's recurrence would be chaotic: rounding errors would grow with every step.
        if cell != "simple" or "recurrent_kernel" not in weight.path:
            weight.assign(scale * weight)
    return CarriedModel(inference_model(trained, config, vocabulary, hidden=True))


def random_tokens(count: int, vocabulary: int = 11, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, vocabulary, count).astype(np.int32)


def untrained_run(folder: Path, text: str, kind: str = "characters", **settings: object) -> Run:
    """A run as training leaves it, but for the training: its weights are random."""
    source = folder / "text.txt"
    source.write_text(text, encoding="utf-8")
    config = LanguageModellingConfig(**{
        "data": f"file:{source}", "run": str(folder / "run"), "split": "0.8,0.1,0.1",
        "tokenizer": kind, "batch_size": 2, "timesteps": 8, "units": 12, "layers": 1, **settings,
    })  # fmt: skip
    tokenizer = train_tokenizer(kind, [text], vocabulary_size=config.vocabulary_size)
    keras.utils.set_random_seed(1)
    model = build_model(config, tokenizer.size)
    model.set_weights([2.0 * weight for weight in model.get_weights()])
    # Vectors of a trained model's size: they start small.
    embedding = model.get_layer("embedding")
    embedding.set_weights([8.0 * weight for weight in embedding.get_weights()])
    with claimed_run(config.run, APPLICATION) as made:
        with made.begin(config) as beside:
            tokenizer.save(beside / TOKENIZER)
        with made.finish() as beside:
            model.save(beside / made.model.name)
            save_examples(beside / EXAMPLES, tokenizer.encode(text))
    return load(made.path)
