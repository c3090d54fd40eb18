"""The baseline: an interpolated Kneser-Ney n-gram model over the same tokens as the network.

Source: Chen and Goodman (1999), "An empirical study of smoothing techniques for language
modeling", section 3: interpolated modified Kneser-Ney, with the discounts of equation 17 for
counts of one, two and more, estimated from the counts of counts of each order.

An n-gram of order n is known by an integer: the number of the (n-1)-gram before its last token,
times the vocabulary's size, plus that token. So no key outgrows 64 bits at any order, and counting
is sorting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError, DataError
from rnn_apps.training.ngram_discounts import estimate_discounts

ORDER = 5
_UNSEEN = -1

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class _Order:
    """What one order knows, by the number of its n-gram and of its context.

    Attributes:
        keys: the n-grams' integers, sorted; an n-gram's number is its place.
        discounted: the n-grams' discounted counts, float64.
        totals: by context, the sum of the counts that follow it; 0 where none does.
        left_over: by context, the probability that the discounts set free.
    """

    keys: Integers
    discounted: NDArray[np.float64]
    totals: NDArray[np.float64]
    left_over: NDArray[np.float64]


class KneserNey:
    """An n-gram model of one long stream of tokens.

    Args:
        tokens: tokens of the training text, integers [tokens] from 0 to `vocabulary` - 1.
        vocabulary: number of different tokens; each has a probability above zero.
        order: number of tokens in the longest n-gram.

    Raises:
        ConfigurationError: the order is below one.
        DataError: there are fewer tokens than the order.
    """

    def __init__(self, tokens: NDArray[np.integer], vocabulary: int, order: int = ORDER) -> None:
        if order < 1:
            raise ConfigurationError(f"order = {order}: an n-gram has at least one token")
        if len(tokens) < order:
            raise DataError(f"{len(tokens)} tokens are too few for n-grams of {order} tokens")
        self.vocabulary = vocabulary
        self.order = order
        self.discounts: list[tuple[float, ...]] = []
        self._orders = self._count(np.asarray(tokens, np.int64))

    def log_probabilities(self, tokens: NDArray[np.integer]) -> NDArray[np.float64]:
        """The natural logarithm of each token's probability given all tokens before it.

        Args:
            tokens: tokens of a text, integers [tokens]. The first is scored without a context.

        Returns:
            float64 [tokens]; all are finite.
        """
        stream = np.asarray(tokens, np.int64)
        probability = np.full(len(stream), 1.0 / self.vocabulary)
        # The number of the (n-1)-gram before each token; the empty one is always known.
        context = np.zeros(len(stream), np.int64)
        for order in self._orders:
            known = np.flatnonzero(context != _UNSEEN)
            place, found = _look_up(order.keys, context[known] * self.vocabulary + stream[known])
            gained = np.where(found, order.discounted[place], 0.0)
            total = order.totals[context[known]]
            seen = total > 0
            at = known[seen]
            probability[at] = (
                gained[seen] / total[seen] + order.left_over[context[known]][seen] * probability[at]
            )
            number = np.full(len(stream), _UNSEEN, np.int64)
            number[known] = np.where(found, place, _UNSEEN)
            # An n-gram that ends at one token is the context of the next.
            context = np.concatenate([[_UNSEEN], number[:-1]])
        return np.log(probability)

    def _count(self, stream: Integers) -> list[_Order]:
        """Counts n-grams order by order; the lower orders by how many tokens precede them."""
        grams: list[tuple[Integers, Integers]] = []
        suffixes: list[Integers] = []
        # The number of the (n-1)-gram that ends before each token, and of the one that ends at it.
        context, shorter = np.zeros(len(stream), np.int64), np.zeros(len(stream), np.int64)
        for _ in range(self.order):
            all_keys = context * self.vocabulary + stream[len(stream) - len(context) :]
            keys, first, number, counts = np.unique(
                all_keys, return_index=True, return_inverse=True, return_counts=True
            )
            grams.append((keys, counts))
            suffixes.append(shorter[first])
            context, shorter = number[:-1], number[1:]
        orders = []
        for n, (keys, counts) in enumerate(grams):
            if n + 1 < self.order:
                counts = np.bincount(suffixes[n + 1], minlength=len(keys))
            contexts = len(grams[n - 1][0]) if n else 1
            orders.append(self._discount(keys, counts, contexts))
        return orders

    def _discount(self, keys: Integers, counts: Integers, contexts: int) -> _Order:
        discounts = estimate_discounts(counts)
        self.discounts.append(discounts)
        taken = np.array((0.0, *discounts))[np.minimum(counts, 3)]
        context = keys // self.vocabulary
        totals = np.bincount(context, counts, contexts).astype(np.float64)
        freed = np.bincount(context, taken, contexts)
        left_over = np.divide(freed, totals, out=np.ones(contexts), where=totals > 0)
        return _Order(keys, counts - taken, totals, left_over)


def _look_up(keys: Integers, wanted: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    """The places of `wanted` in the sorted `keys`, and whether they are there at all."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted
