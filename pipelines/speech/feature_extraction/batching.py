"""Batches of utterances of similar length, with their true lengths, for the CTC loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.batches import check_shard, cut_into_shards, epoch_order, random_numbers
from pipelines.data_report import DataReport
from pipelines.speech.recordings.labels import Labels, frames_needed

if TYPE_CHECKING:
    import tensorflow as tf

Features = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

_BUCKET_GROWTH = 1.15
"""Largest ratio of the longest utterance of a bucket to the shortest, in frames."""

_MOST_PADDED = 1.5
"""Largest ratio of the padded length of a batch to its shortest utterance, in frames."""


class UtteranceSource(Protocol):
    """Features of utterances by their number: a `FeatureStore` or a `WaveformSource`."""

    @property
    def frames(self) -> npt.NDArray[np.int64]:
        """Number of frames of each utterance, int64 [utterances]; augmentation may change it."""

    @property
    def fewest_frames(self) -> npt.NDArray[np.int64]:
        """The number of frames after the strongest augmentation, int64 [utterances]."""

    @property
    def places(self) -> Sequence[str]:
        """The place of each utterance in its source, for messages."""

    def load(self, number: int, generator: np.random.Generator | None = None) -> Features:
        """Features, float32 [frames, size], randomly changed if there is a generator."""
        ...

    def copies(
        self, number: int, generator: np.random.Generator | None, count: int
    ) -> list[Features]:
        """As `load`, `count` times: changed differently, but in agreement about time."""
        ...


class SpeechBatches:
    """Batches of utterances; see `pipelines.batches.Batches`.

    Utterances of similar length share a batch, whose padded frames stay within `frame_budget`.
    Order and augmentation of an epoch depend on seed and epoch only.

    With two copies a batch has its utterances twice, one half after the other, in the same order
    and with the same lengths, but randomly changed in two ways.

    Yields (inputs, targets, weights):
        inputs: "features" float32 [rows, frames, size], zeros after the end of each utterance, and
            "frame_lengths" int32 [rows], the true number of frames.
        targets: "labels" int32 [rows, labels], zeros after the end, and "label_lengths" int32
            [rows].
        weights: float32 [rows], 0 for rows of padding.

    Args:
        source: features of the utterances, by their number.
        labels: labels of each utterance of the source, from `labels.encode_transcripts`.
        size: number of features per frame.
        normalise: function applied to the features of every utterance, such as a `Normaliser`.
        frame_budget: largest number of frames of a batch, padding and copies included; a longer
            utterance is a batch by itself.
        batch_size: largest number of utterances of a batch.
        shuffle: True for a new order in every epoch; False to go from short to long utterances.
        curriculum: True to go from short to long utterances in the first epoch even if `shuffle`
            is True (SortaGrad: Amodei et al. 2016, section 3.2).
        seed: seed of order and augmentation, at least 0.
        subsampling: number of frames per output frame of the model (rounded up).
        augment: True to have the source change the features at random.
        copies: number of copies of each utterance in a batch.
        mask: function applied after normalisation, such as `SpecAugment`.
        report: report that receives the utterances that are dropped because they have too few
            frames for CTC to emit their labels; see `labels.frames_needed`.

    Attributes:
        kept: numbers, in `source`, of the utterances that are used.

    Raises:
        DataError: no utterance is left.
    """

    def __init__(
        self,
        source: UtteranceSource,
        labels: Sequence[Labels],
        *,
        size: int,
        normalise: Callable[[Features], Features] | None = None,
        frame_budget: int = 20_000,
        batch_size: int = 64,
        shuffle: bool = False,
        curriculum: bool = False,
        seed: int = 0,
        subsampling: int = 1,
        augment: bool = False,
        copies: int = 1,
        mask: Callable[[Features, np.random.Generator], Features] | None = None,
        report: DataReport | None = None,
    ) -> None:
        for name, value in (("frame_budget", frame_budget), ("batch_size", batch_size)):
            if value < 1:
                raise ConfigurationError(f"{name} = {value} must be at least 1")
        if seed < 0 or subsampling < 1:
            raise ConfigurationError(
                f"seed = {seed} must be at least 0, subsampling = {subsampling} at least 1"
            )
        if len(labels) != len(source.frames):
            raise ConfigurationError(f"{len(labels)} labels for {len(source.frames)} utterances")
        self._source, self._labels, self._size = source, labels, size
        self._normalise, self._mask, self._augment = normalise, mask, augment
        self._seed, self._shuffle, self._curriculum = seed, shuffle, curriculum
        self._copies = copies
        self.kept = _feasible(source, labels, subsampling, report)
        if not len(self.kept):
            raise DataError(
                "no utterance is long enough for its transcript"
                + (f":\n{report}" if report else ""),
                advice="Subsample less, or check that transcripts and recordings belong together.",
            )
        self._buckets = _buckets(source.frames[self.kept] * copies, frame_budget, batch_size)
        self.examples = len(self.kept)
        self.steps_per_epoch = len(_batches(self._buckets))

    def rows(self, index: int) -> list[Numbers]:
        """The utterances of each batch of epoch `index`, by their number in the source."""
        shuffle = self._shuffle and not (self._curriculum and index == 0)
        order = epoch_order(self.examples, seed=self._seed, epoch=index, shuffle=shuffle)
        place = np.empty(self.examples, np.int64)
        place[order] = np.arange(self.examples)
        buckets = self._buckets
        if shuffle:
            # Without shuffling, a bucket is sorted by length.
            buckets = [
                replace(bucket, members=_ordered(bucket.members, place)) for bucket in buckets
            ]
        batches = [self.kept[members] for members in _batches(buckets)]
        if shuffle:
            random_numbers(self._seed, index, 0).shuffle(batches)
        return batches

    def epoch(
        self, index: int, *, start_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """See `pipelines.batches.Batches.epoch`."""
        import tensorflow as tf

        check_shard(shard, start_step, self.steps_per_epoch)
        batches = self.rows(index)
        kinds = (tf.float32, tf.int32, tf.int32, tf.int32, tf.float32)

        def read(step: np.int64) -> tuple[npt.NDArray[Any], ...]:
            return self._batch(batches[int(step)], index, shard)

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> tuple[Any, Any, Any]:
            features, lengths, labels, label_lengths, weights = tf.numpy_function(
                read, [step], kinds
            )
            features.set_shape([None, None, self._size])
            labels.set_shape([None, None])
            for vector in (lengths, label_lengths, weights):
                vector.set_shape([None])
            inputs = {"features": features, "frame_lengths": lengths}
            return inputs, {"labels": labels, "label_lengths": label_lengths}, weights

        steps = tf.data.Dataset.range(start_step, self.steps_per_epoch)
        return cut_into_shards(
            steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        )

    def _batch(
        self, numbers: Numbers, epoch: int, shard: tuple[int, int]
    ) -> tuple[npt.NDArray[Any], ...]:
        rank, shards = shard
        own = numbers[rank::shards]
        # Shard 0 is never short, so its number of rows is that of all shards.
        padding = -(-len(numbers) // shards) - len(own)
        weights = np.pad(np.ones(len(own), np.float32), (0, padding))
        own = np.concatenate([own, np.repeat(numbers[:1], padding)])
        found = [self._features(int(number), epoch) for number in own]
        features = [copies[which] for which in range(self._copies) for copies in found]
        labels = [self._labels[number] for number in own] * self._copies
        return (
            _padded(features, np.float32),
            np.array([len(frames) for frames in features], np.int32),
            _padded(labels, np.int32),
            np.array([len(units) for units in labels], np.int32),
            np.tile(weights, self._copies),
        )

    def _features(self, number: int, epoch: int) -> list[Features]:
        """The features of each copy of an utterance."""
        # Example numbers start at 1: 0 draws the order of the batches.
        generator = random_numbers(self._seed, epoch, number + 1)
        changes = generator if self._augment else None
        if self._copies == 1:
            copies = [self._source.load(number, changes)]
        else:
            copies = self._source.copies(number, changes, self._copies)
        if self._normalise:
            copies = [self._normalise(features) for features in copies]
        return [self._mask(features, generator) for features in copies] if self._mask else copies


def _ordered(members: Numbers, place: Numbers) -> Numbers:
    """The members of a bucket in the order of their places."""
    return members[np.argsort(place[members], kind="stable")]


def _padded(arrays: Sequence[npt.NDArray[Any]], kind: Any) -> npt.NDArray[Any]:
    longest = max(len(array) for array in arrays)
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), kind)
    for row, array in enumerate(arrays):
        padded[row, : len(array)] = array
    return padded


def _feasible(
    source: UtteranceSource, labels: Sequence[Labels], subsampling: int, report: DataReport | None
) -> Numbers:
    """The utterances whose labels fit into their output frames; the others are reported."""
    available = -(-source.fewest_frames // subsampling)
    needed = np.array([frames_needed(units) for units in labels], np.int64)
    if report is not None:
        for number in np.flatnonzero(needed > available).tolist():
            place = f"{source.places[number]}: {available[number]} frames for {needed[number]}"
            report.note("too short for its transcript", "dropped", place)
    return np.flatnonzero(needed <= available).astype(np.int64)


@dataclass(frozen=True)
class _Bucket:
    """Utterances of similar length: places among those kept, their frames, rows of a batch."""

    members: Numbers
    shortest: int
    longest: int
    rows: int


def _buckets(frames: Numbers, budget: int, most_rows: int) -> list[_Bucket]:
    """Groups of similar length, from short to long."""
    order = np.argsort(frames, kind="stable")
    buckets = []
    start = 0
    while start < len(order):
        shortest = int(frames[order[start]])
        stop = int(np.searchsorted(frames[order], max(shortest * _BUCKET_GROWTH, shortest + 1)))
        members = order[start : max(stop, start + 1)]
        longest = int(frames[members[-1]])
        rows = max(1, min(most_rows, budget // max(longest, 1)))
        buckets.append(_Bucket(members, shortest, longest, rows))
        start += len(members)
    return buckets


def _batches(buckets: Sequence[_Bucket]) -> list[Numbers]:
    """The members of the buckets in batches, from short to long.

    Members that do not fill a batch wait for the next bucket, unless that would pad them a lot,
    since code is compiled anew for every number of rows. The number of batches does not depend on
    the order of the members.
    """
    batches: list[Numbers] = []
    waiting, shortest = np.zeros(0, np.int64), 0
    for bucket, following in zip(buckets, [*buckets[1:], None], strict=True):
        shortest = shortest if len(waiting) else bucket.shortest
        waiting = np.concatenate([waiting, bucket.members])
        if full := len(waiting) // bucket.rows * bucket.rows:
            batches += np.split(waiting[:full], full // bucket.rows)
            waiting = waiting[full:]
            # Members that had waited come first.
            shortest = bucket.shortest if len(waiting) <= len(bucket.members) else shortest
        if len(waiting) and (following is None or following.longest > _MOST_PADDED * shortest):
            batches.append(waiting)
            waiting = waiting[:0]
    return batches
