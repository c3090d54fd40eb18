"""A small untrained language model for tests of what is done with one."""

from __future__ import annotations

import keras
import numpy as np

from rnn_apps.language_modelling.build import build_model, inference_model
from rnn_apps.language_modelling.carried_model import CarriedModel
from rnn_apps.language_modelling.config import LanguageModellingConfig


def small_model(
    vocabulary: int = 11, cell: str = "gru", units: int = 12, layers: int = 2, seed: int = 3
) -> CarriedModel:
    """A model with random weights, large enough that its predictions are far from uniform."""
    keras.utils.set_random_seed(seed)
    config = LanguageModellingConfig(
        batch_size=2, timesteps=8, cell=cell, units=units, layers=layers
    )
    trained = build_model(config, vocabulary)
    trained.set_weights([2.0 * weight for weight in trained.get_weights()])
    return CarriedModel(inference_model(trained, config, vocabulary, hidden=True))


def random_tokens(count: int, vocabulary: int = 11, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, vocabulary, count).astype(np.int32)
