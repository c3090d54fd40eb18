"""Batches of sentence pairs of similar length, with a limited number of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.batches import check_shard, cut_into_shards, epoch_order, random_numbers
from pipelines.tokenizers.sentence_ids import END, PADDING, START
from pipelines.tokenizers.tokenizer import Ids

if TYPE_CHECKING:
    import tensorflow as tf

Numbers = npt.NDArray[np.int64]
Encode = Callable[[Sequence[int], tuple[int, ...]], list[tuple[Ids, Ids]]]
"""(numbers of pairs, key of random numbers) -> ids of these pairs with `END`."""

_STEP = 4
_GROWTH = 1.2


class PairBatches:
    """Batches of sentence pairs; see `pipelines.batches.Batches`.

    The longer sentence of a pair decides which pairs share a batch. All batches of a bucket have
    the same shape, so that code is compiled only once per bucket. Order and sampled encodings of
    an epoch depend on seed and epoch only.

    Yields (inputs, targets, weights):
        inputs: "source" int32 [rows, positions], each sentence followed by `END`, and "target"
            int32 [rows, timesteps], which begins with `START`; both padded with `PADDING`.
        targets: int32 [rows, timesteps], the tokens that follow those of "target".
        weights: float32 [rows, timesteps], 1 for a token, 0 for padding.

    Args:
        source, target: ids of the sentences with `END`, as `sentence_ids` returns them.
        token_budget: largest number of tokens of a batch on its longer side, padding included.
        batch_size: largest number of pairs in a batch.
        shuffle: True for a new order in every epoch; False to go from short to long pairs.
        seed: seed of order and sampling, at least 0.
        encode: function that encodes the pairs of a batch anew, for example by sampling subwords;
            None to use the ids of `source` and `target`.

    Raises:
        DataError: there is no pair.
    """

    def __init__(
        self,
        source: Sequence[Ids],
        target: Sequence[Ids],
        *,
        token_budget: int = 2048,
        batch_size: int = 256,
        shuffle: bool = False,
        seed: int = 0,
        encode: Encode | None = None,
    ) -> None:
        for name, value in (("token_budget", token_budget), ("batch_size", batch_size)):
            if value < 1:
                raise ConfigurationError(f"{name} = {value} must be at least 1")
        if seed < 0:
            raise ConfigurationError(f"seed = {seed} must be at least 0")
        if len(source) != len(target):
            raise ConfigurationError(f"{len(source)} source and {len(target)} target sentences")
        if not len(source):
            raise DataError("there is no sentence pair to make a batch of")
        self._source, self._target = source, target
        self._shuffle, self._seed, self._encode = shuffle, seed, encode
        self.examples = len(source)
        lengths = np.array(
            [max(len(a), len(b)) for a, b in zip(source, target, strict=True)], np.int64
        )
        self._buckets = _buckets(lengths, token_budget, batch_size)
        self.steps_per_epoch = sum(-(-len(members) // rows) for members, rows, _ in self._buckets)
        self.tokens = sum(map(len, target))
        """Number of target tokens in an epoch, `END` included."""

    def rows(self, index: int) -> list[tuple[Numbers, int, int]]:
        """The batches of epoch `index`: numbers of the pairs, rows and length of their shape."""
        order = epoch_order(self.examples, seed=self._seed, epoch=index, shuffle=self._shuffle)
        place = np.empty(self.examples, np.int64)
        place[order] = np.arange(self.examples)
        batches: list[tuple[Numbers, int, int]] = []
        for members, rows, length in self._buckets:
            ordered = members
            if self._shuffle:
                ordered = members[np.argsort(place[members], kind="stable")]
            for start in range(0, len(ordered), rows):
                batches.append((ordered[start : start + rows], rows, length))
        if self._shuffle:
            random_numbers(self._seed, index, 0).shuffle(batches)
        return batches

    def epoch(
        self, index: int, *, start_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """See `pipelines.batches.Batches.epoch`."""
        import tensorflow as tf

        check_shard(shard, start_step, self.steps_per_epoch)
        batches = self.rows(index)

        def read(step: np.int64) -> tuple[npt.NDArray[Any], ...]:
            return self._batch(*batches[int(step)], (self._seed, index, int(step)), shard)

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> tuple[Any, Any, Any]:
            kinds = (tf.int32, tf.int32, tf.int32, tf.float32)
            source, target, following, weights = tf.numpy_function(read, [step], kinds)
            for array in (source, target, following, weights):
                array.set_shape([None, None])
            return {"source": source, "target": target}, following, weights

        steps = tf.data.Dataset.range(start_step, self.steps_per_epoch)
        return cut_into_shards(
            steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        )

    def _batch(
        self, numbers: Numbers, rows: int, length: int, key: tuple[int, ...], shard: tuple[int, int]
    ) -> tuple[npt.NDArray[Any], ...]:
        rank, shards = shard
        own = numbers[rank::shards]
        rows = -(-rows // shards)
        pairs = self._pairs(own.tolist(), (*key, rank + 1))
        # A sampled encoding may be longer than the usual one.
        longest = max((max(len(a), len(b)) for a, b in pairs), default=1)
        length = max(length, -(-longest // _STEP) * _STEP)
        source = np.full((rows, length), PADDING, np.int32)
        following = np.full((rows, length), PADDING, np.int32)
        # A row of padding is a sentence without words.
        source[:, 0] = END
        for row, (a, b) in enumerate(pairs):
            source[row, : len(a)] = a
            following[row, : len(b)] = b
        target = np.full_like(following, PADDING)
        target[:, 1:] = following[:, :-1]
        target[target == END] = PADDING
        target[:, 0] = START
        return source, target, following, (following != PADDING).astype(np.float32)

    def _pairs(self, numbers: Sequence[int], key: tuple[int, ...]) -> list[tuple[Ids, Ids]]:
        if self._encode is not None:
            return self._encode(numbers, key)
        return [(self._source[number], self._target[number]) for number in numbers]


def _buckets(lengths: Numbers, budget: int, most_rows: int) -> list[tuple[Numbers, int, int]]:
    """Groups of similar length: members from short to long, rows of a batch, padded length."""
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    buckets = []
    start = 0
    bound = _STEP
    while start < len(order):
        while bound < ordered[start]:
            bound = max(bound + _STEP, int(bound * _GROWTH) // _STEP * _STEP)
        stop = int(np.searchsorted(ordered, bound, side="right"))
        # A bucket that is smaller than a batch is not padded to a whole batch.
        fewest = 2 ** math.ceil(math.log2(stop - start))
        rows = max(1, min(most_rows, budget // bound, fewest))
        buckets.append((order[start:stop], rows, bound))
        start = stop
    return buckets
