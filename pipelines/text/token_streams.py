"""A text as contiguous streams for truncated back-propagation through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.batches import check_shard, cut_into_shards, random_numbers

if TYPE_CHECKING:
    import tensorflow as tf

    from pipelines.text.encoding import TokenArray

HALF_PROBABILITY = 0.05
LENGTH_DEVIATION = 5.0
SHORTEST = 5
"""The distribution of random lengths: Merity, Keskar, Socher, "Regularizing and Optimizing LSTM
Language Models", 2018, section 5.1; the shortest length is from its code."""

LEAST_TIMESTEPS_RANDOM = 10

Offsets = npt.NDArray[np.int64]


class StreamBatches:
    """A text cut into `batch_size` contiguous streams that are read in parallel.

    In every row, step k continues step k - 1, so that a stateful model carries its state through
    the whole text (truncated back-propagation through time). Every token but the text's first is
    a target exactly once per epoch; its input is the token before it, also across the border of
    two streams. It follows the protocol `Batches`: an epoch is a pure function of (seed, index,
    first step, shard).

    Yields (inputs, targets, weights):
        inputs: dict of "tokens" int32 [rows, t], and "learning_rate_scale" float32 []:
            t / timesteps, the factor for the step's learning rate (1 without random lengths).
        targets: int32 [rows, t], the next tokens.
        weights: float32 [rows, t], 0 after the end of a row and in rows of padding.

    Args:
        tokens: a `TokenArray` or an integer array [N].
        batch_size: the number of streams, over all shards.
        timesteps: number of tokens per step, t.
        random_lengths: True to draw the length of every step: about `timesteps` with probability
            0.95, else half of it, with standard deviation 5. The lengths are fitted to the text,
            so that every epoch has the same number of steps.
        shift: True to begin each epoch at another place of the text, read to its end and then
            from its start to that place, so that streams and steps are cut differently each time.
        seed: seed of lengths and shifts, at least 0.

    Attributes:
        examples: number of targets in an epoch, N - 1; an example is a predicted token.

    Raises:
        DataError: the text has fewer tokens than the streams need.
    """

    def __init__(
        self,
        tokens: TokenArray | npt.NDArray[Any],
        *,
        batch_size: int,
        timesteps: int,
        seed: int = 0,
        random_lengths: bool = False,
        shift: bool = True,
    ) -> None:
        for setting, value in (("batch_size", batch_size), ("timesteps", timesteps)):
            if value < 1:
                raise ConfigurationError(f"{setting} = {value} must be at least 1")
        if seed < 0:
            raise ConfigurationError(f"seed = {seed} must be at least 0")
        if random_lengths and timesteps < LEAST_TIMESTEPS_RANDOM:
            raise ConfigurationError(
                f"random lengths need timesteps of at least {LEAST_TIMESTEPS_RANDOM}, not "
                f"{timesteps}"
            )
        self._ids, name = (tokens, "") if isinstance(tokens, np.ndarray) else (
            tokens.ids, tokens.name
        )  # fmt: skip
        if len(self._ids) <= batch_size:
            raise DataError(
                f"the text has {len(self._ids)} tokens, {batch_size} streams need at least "
                f"{batch_size + 1}",
                file=name or None,
                advice="Give more text or a smaller batch_size.",
            )
        self.batch_size = batch_size
        self.timesteps = timesteps
        self.seed = seed
        self.random_lengths = random_lengths
        self.shift = shift
        self.examples = len(self._ids) - 1
        # Stream lengths differ by at most one token; the longest sets the number of steps.
        self._starts = np.arange(batch_size + 1, dtype=np.int64) * self.examples // batch_size
        self.stream_length = int(np.diff(self._starts).max())
        mean = timesteps * (1 - HALF_PROBABILITY / 2) if random_lengths else timesteps
        self.steps_per_epoch = (
            max(1, round(self.stream_length / mean))
            if random_lengths
            else -(-self.stream_length // timesteps)
        )

    def borders(self, index: int) -> Offsets:
        """The places in a stream at which the steps of epoch `index` begin and the last ends.

        With fixed lengths the last step may reach beyond the end of the stream.

        Returns:
            int64 [steps + 1].
        """
        steps = self.steps_per_epoch
        if not self.random_lengths:
            return np.arange(steps + 1, dtype=np.int64) * self.timesteps
        generator = random_numbers(self.seed, index, 0)
        mean = np.where(generator.random(steps) < HALF_PROBABILITY, 0.5, 1.0) * self.timesteps
        drawn = np.maximum(np.rint(generator.normal(mean, LENGTH_DEVIATION)), SHORTEST)
        ends = np.rint(np.cumsum(drawn) * (self.stream_length / drawn.sum())).astype(np.int64)
        return np.concatenate([np.zeros(1, np.int64), ends])

    def first_target(self, index: int) -> int:
        """The place in the text at which epoch `index` begins; at 0 it predicts token 1 first."""
        if not self.shift:
            return 0
        return int(random_numbers(self.seed, index, 1).integers(self.examples))

    def epoch(
        self, index: int, *, start_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """See `pipelines.batches.Batches.epoch`. Steps before `start_step` are never read."""
        import tensorflow as tf

        check_shard(shard, start_step, self.steps_per_epoch)
        read = _StepReader(self, index, shard)

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> tuple[Any, Any, Any]:
            types = (tf.int32, tf.int32, tf.float32, tf.float32)
            inputs, targets, weights, scale = tf.numpy_function(read, [step], types)
            timesteps = None if self.random_lengths else self.timesteps
            for tensor in (inputs, targets, weights):
                tensor.set_shape([read.rows, timesteps])
            scale.set_shape([])
            return {"tokens": inputs, "learning_rate_scale": scale}, targets, weights

        with tf.device("CPU:0"):
            steps = tf.data.Dataset.range(start_step, self.steps_per_epoch)
            return cut_into_shards(steps.map(batch))


class _StepReader:
    """Reads the rows of one shard at a step; the result depends on the step only."""

    def __init__(self, batches: StreamBatches, index: int, shard: tuple[int, int]) -> None:
        rank, shards = shard
        self.rows = -(-batches.batch_size // shards)
        own = np.arange(batches.batch_size)[rank::shards]
        padding = self.rows - len(own)
        # A row of padding is an empty stream.
        self._starts = np.pad(batches._starts[own], (0, padding))
        self._stops = np.pad(batches._starts[own + 1], (0, padding))
        self._ids = batches._ids
        self._shift = batches.first_target(index)
        self._borders = batches.borders(index)
        self._timesteps = batches.timesteps
        self._pairs = batches.examples

    def __call__(self, step: np.int64) -> tuple[Any, Any, Any, np.float32]:
        begin, end = self._borders[step], self._borders[step + 1]
        places = self._starts[:, None] + np.arange(begin, end)
        weights = (places < self._stops[:, None]).astype(np.float32)
        pairs = (places + self._shift) % self._pairs
        scale = np.float32((end - begin) / self._timesteps)
        inputs, targets = self._ids[pairs], self._ids[pairs + 1]
        return inputs.astype(np.int32), targets.astype(np.int32), weights, scale
