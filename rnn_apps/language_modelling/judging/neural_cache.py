"""The neural cache: tokens that came lately, where the model was in a similar state, come again.

Source: Grave, Joulin and Usunier (2017), "Improving neural language models with a continuous
cache", equations 2 to 4, with linear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_apps.language_modelling.judging.scoring import Floats, hidden_vectors
from rnn_apps.language_modelling.network.carried_model import CarriedModel, pieces

_BLOCK = 256


@dataclass(frozen=True)
class CacheSettings:
    """How the cache is used.

    Attributes:
        flatness: theta of the paper; the larger, the more similar a state must be to count.
        share: lambda of the paper, the cache's part of the probability.
        window: how many of the latest tokens are kept.
    """

    flatness: float = 0.3
    share: float = 0.1
    window: int = 2000


class NeuralCache:
    """A text with what is needed to score it with a cache, at any settings.

    Args:
        model: trained model with explicit state.
        tokens: tokens of the text, integers [tokens].

    Raises:
        DataError: there are fewer than two tokens.
    """

    def __init__(self, model: CarriedModel, tokens: NDArray[np.integer]) -> None:
        self._hidden, self.model_log_probabilities = hidden_vectors(model, tokens)
        self._targets = np.asarray(tokens[1:], np.int32)

    def log_probabilities(self, settings: CacheSettings) -> Floats:
        """The log probability of each token but the first under model and cache together.

        Returns:
            float32 [tokens - 1], in nats.
        """
        [cached] = self._cached((settings.flatness,), settings.window)
        return self._mixed(cached, settings.share)

    def choose(
        self,
        flatnesses: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.8),
        shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2),
        window: int = 2000,
    ) -> CacheSettings:
        """The settings that score this text best, which must not be the text to be judged on."""
        cached = self._cached(flatnesses, window)
        costs = {
            (flatness, share): -self._mixed(row, share).mean(dtype=np.float64)
            for flatness, row in zip(flatnesses, cached, strict=True)
            for share in shares
        }
        flatness, share = min(costs, key=lambda pair: costs[pair])
        return CacheSettings(flatness, share, window)

    def _mixed(self, cached: NDArray[np.float64], share: float) -> Floats:
        alone = np.exp(self.model_log_probabilities.astype(np.float64))
        mixed = (1 - share) * alone + share * cached
        # The first token that is predicted finds the cache empty.
        mixed[0] = alone[0]
        return np.log(mixed).astype(np.float32)

    def _cached(self, flatnesses: tuple[float, ...], window: int) -> list[NDArray[np.float64]]:
        """The cache's own probability of each target, for each flatness: [tokens - 1]."""
        count = len(self._targets)
        found = [np.zeros(count) for _ in flatnesses]
        for piece in pieces(count, _BLOCK):
            keys = slice(max(0, piece.start - window), piece.stop)
            similarity = self._hidden[piece] @ self._hidden[keys].T
            query = np.arange(piece.start, piece.stop)[:, None]
            key = np.arange(keys.start, keys.stop)[None, :]
            # What followed a state is in the cache once it is known, `window` tokens long.
            known = (key < query) & (key >= query - window)
            same = known & (self._targets[keys][None, :] == self._targets[piece][:, None])
            similarity = np.where(known, similarity, -np.inf)
            largest = np.maximum(similarity.max(axis=1, keepdims=True), -1e30)
            for row, flatness in zip(found, flatnesses, strict=True):
                weights = np.exp(flatness * (similarity - largest))
                total = weights.sum(axis=1, dtype=np.float64)
                hit = np.where(same, weights, 0.0).sum(axis=1, dtype=np.float64)
                row[piece] = np.divide(hit, total, out=np.zeros_like(hit), where=total > 0)
        return found
