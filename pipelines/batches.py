"""Batches whose every epoch is a pure function of seed, epoch, first step and shard.

Therefore a run that was killed continues bit for bit, and several workers together see each example
once: nothing depends on a state that would have to be saved.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    import tensorflow as tf

FETCHED_AHEAD = 4
"""Batches prepared ahead of the training step: enough to bridge one that takes longer to make."""


class Batches(Protocol):
    """The protocol of the batches that training reads.

    Attributes:
        steps_per_epoch: number of steps in an epoch, the same on every shard.
        examples: number of real examples in an epoch, over all shards; padding does not count.
    """

    steps_per_epoch: int
    examples: int

    def epoch(
        self, index: int, *, start_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Yields (inputs, targets, weights) of epoch `index` from step `start_step` on.

        Shard (r, n) gets rows r::n of every global batch. A shard that is one row short gets a row
        of weight 0, so that all shards yield the same number of steps and rows.
        """
        ...


def epoch_order(
    examples: int, *, seed: int, epoch: int, shuffle: bool
) -> npt.NDArray[np.int32 | np.int64]:
    """The order of the examples in an epoch: a permutation that depends on seed and epoch only.

    Returns:
        int32 [examples]; int64 from 2^31 examples on.
    """
    order: npt.NDArray[np.int32 | np.int64] = np.arange(
        examples, dtype=np.int32 if examples < 2**31 else np.int64
    )
    if shuffle:
        random_numbers(seed, epoch).shuffle(order)
    return order


def random_numbers(*key: int) -> np.random.Generator:
    """The random number generator of a key such as (seed, epoch): the same in every process.

    It is Philox, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1,
    2, 3", 2011).

    Args:
        key: integers of at least 0, such as a seed and the number of an epoch.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def cut_into_shards(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of one shard, fetched ahead; tf.distribute is told not to shard them again."""
    import tensorflow as tf

    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return without_tuning(batches.with_options(options).prefetch(FETCHED_AHEAD))


def without_tuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset without the thread that tunes a pipeline while it runs.

    That thread sleeps up to a minute at a time and may miss the request to end: the callback that
    wakes it runs before the flag that it checks is set. The end of an epoch would wait for it.
    Maps with AUTOTUNE calls still use all cores.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def check_shard(shard: tuple[int, int], start_step: int, steps: int) -> None:
    """Refuses a shard or a first step that does not exist (ConfigurationError)."""
    rank, shards = shard
    if not 0 <= rank < shards:
        raise ConfigurationError(f"shard {rank} of {shards} does not exist")
    if not 0 <= start_step <= steps:
        raise ConfigurationError(f"step {start_step} does not exist: an epoch has {steps} steps")


def batch_rows(
    order: tf.Tensor, step: tf.Tensor | int, batch_size: int, shard: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The rows that shard (r, n) reads in a step: r::n of the global batch, padded to equal length.

    Args:
        order: numbers of the examples in the order of the epoch, integers [examples].
        step: number of the step, from 0.
        batch_size: number of examples in the global batch.
        shard: number of the shard, from 0, and how many shards there are.

    Returns:
        The numbers of the examples, int64 [rows], and float32 [rows]: 1, or 0 for padding.
    """
    import tensorflow as tf

    rank, shards = shard
    batch = order[step * batch_size : (step + 1) * batch_size]
    own = tf.cast(batch[rank::shards], tf.int64)
    # Shard 0 is never short, so its number of rows is that of all shards.
    padding = (tf.size(batch) + shards - 1) // shards - tf.size(own)
    real = tf.pad(tf.ones_like(own, tf.float32), [[0, padding]])
    return tf.pad(own, [[0, padding]], constant_values=tf.cast(batch[0], tf.int64)), real


class IndexedBatches(abc.ABC):
    """Batches of examples that can be fetched by their number, 0 to examples - 1.

    A subclass defines how examples are gathered by their numbers (`gather`); this class decides
    about order, steps and shards.

    Args:
        examples: number of examples, at least 1.
        batch_size: number of examples in a global batch, over all shards; the last batch may be
            shorter.
        shuffle: True for a new order in every epoch; False for ascending numbers.
        seed: seed of the order, at least 0.
    """

    def __init__(self, examples: int, *, batch_size: int, shuffle: bool, seed: int) -> None:
        if batch_size < 1:
            raise ConfigurationError(f"batch_size = {batch_size} must be at least 1")
        if seed < 0:
            raise ConfigurationError(f"seed = {seed} must be at least 0")
        if examples < 1:
            raise DataError("there is no example to make a batch of")
        self.examples = examples
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.steps_per_epoch = -(-examples // batch_size)

    @abc.abstractmethod
    def gather(self, numbers: tf.Tensor, real: tf.Tensor) -> tuple[Any, Any, Any]:
        """(inputs, targets, weights) of the examples `numbers`, int64 [rows], inside tf.data.

        The weights are multiplied by `real`, float32 [rows]: 0 for rows of padding.
        """

    def epoch(
        self, index: int, *, start_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """See `Batches.epoch`. Steps before `start_step` are never computed."""
        import tensorflow as tf

        check_shard(shard, start_step, self.steps_per_epoch)
        order = epoch_order(self.examples, seed=self.seed, epoch=index, shuffle=self.shuffle)
        with tf.device("CPU:0"):
            return self._batches(tf.constant(order), start_step, shard)

    def reshuffled(self) -> tf.data.Dataset:
        """One epoch's batches, in a new order at each pass: for `model.fit` or your own loop."""
        import tensorflow as tf

        if not self.shuffle:
            return self.epoch(0)
        seeds = tf.data.Dataset.random(seed=self.seed, rerandomize_each_iteration=True).take(1)

        @tf.autograph.experimental.do_not_convert
        def one_pass(seed: tf.Tensor) -> tf.data.Dataset:
            numbers = tf.range(self.examples, dtype=tf.int64)
            key = tf.stack([tf.constant(self.seed, tf.int64), seed])
            order = tf.random.experimental.stateless_shuffle(numbers, seed=key)
            return self._batches(order, 0, (0, 1))

        # Options of the inner datasets do not apply to the outer one.
        batches = without_tuning(seeds.flat_map(one_pass))
        return batches.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch))

    def _batches(
        self, order: tf.Tensor, start_step: int, shard: tuple[int, int]
    ) -> tf.data.Dataset:
        import tensorflow as tf

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> tuple[Any, Any, Any]:
            return self.gather(*batch_rows(order, step, self.batch_size, shard))

        steps = tf.data.Dataset.range(start_step, self.steps_per_epoch)
        return cut_into_shards(
            steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        )
