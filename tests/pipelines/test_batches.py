"""Epochs as pure functions of seed, epoch, first step and shard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import ConfigurationError, DataError, IndexedBatches
from pipelines.batches import batch_rows, epoch_order


class Numbers(IndexedBatches):
    """The examples are their own numbers."""

    def gather(self, numbers: tf.Tensor, real: tf.Tensor) -> tuple[Any, Any, Any]:
        return numbers, numbers, real


def collect(dataset: tf.data.Dataset) -> list[tuple[list[int], list[float]]]:
    return [(x.tolist(), w.tolist()) for x, _, w in dataset.as_numpy_iterator()]


@settings(max_examples=40, deadline=None)
@given(
    examples=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    shards=st.integers(1, 5),
    epoch=st.integers(0, 5),
)
def test_a_step_of_all_shards_is_the_step_of_one(
    examples: int, batch_size: int, shards: int, epoch: int
) -> None:
    order = epoch_order(examples, seed=0, epoch=epoch, shuffle=True)
    steps = -(-examples // batch_size)
    read = []
    for step in range(steps):
        batch = order[step * batch_size : (step + 1) * batch_size].tolist()
        rows = [
            batch_rows(tf.constant(order), step, batch_size, (rank, shards))
            for rank in range(shards)
        ]
        # All shards have the same number of rows, so that none waits for another in vain.
        assert len({(len(numbers), len(real)) for numbers, real in rows}) == 1
        for rank, (numbers, real) in enumerate(rows):
            own = numbers.numpy()[real.numpy() == 1].tolist()
            assert own == batch[rank::shards]
            assert set(numbers.numpy().tolist()) <= set(batch)
            read += own
    assert sorted(read) == list(range(examples))


@pytest.mark.parametrize(
    ("examples", "batch_size", "shards", "shuffle"),
    [(1, 1, 3, False), (23, 6, 2, True), (24, 7, 3, True), (13, 5, 1, False)],
)
def test_shards_lose_and_double_nothing(
    examples: int, batch_size: int, shards: int, shuffle: bool
) -> None:
    batches = Numbers(examples, batch_size=batch_size, shuffle=shuffle, seed=1)
    whole = collect(batches.epoch(3))
    parts = [collect(batches.epoch(3, shard=(rank, shards))) for rank in range(shards)]
    assert len(whole) == batches.steps_per_epoch
    for step, (numbers, weights) in enumerate(whole):
        assert weights == [1.0] * len(numbers)
        rows = [part[step] for part in parts]
        # All shards have the same number of rows, so that none waits for another in vain.
        assert len({len(shard_numbers) for shard_numbers, _ in rows}) == 1
        for rank, (shard_numbers, shard_weights) in enumerate(rows):
            real = [n for n, w in zip(shard_numbers, shard_weights, strict=True) if w]
            assert real == numbers[rank::shards]
    assert sorted(n for numbers, _ in whole for n in numbers) == list(range(examples))


@pytest.mark.parametrize(
    ("start", "rank", "epoch"), [(0, 0, 0), (1, 1, 0), (3, 0, 2), (6, 1, 2), (7, 0, 1)]
)
def test_an_epoch_from_a_later_step_is_the_tail_of_the_epoch(
    start: int, rank: int, epoch: int
) -> None:
    batches = Numbers(50, batch_size=8, shuffle=True, seed=1)
    whole = collect(batches.epoch(epoch, shard=(rank, 2)))
    assert collect(batches.epoch(epoch, start_step=start, shard=(rank, 2))) == whole[start:]


def test_epochs_differ_and_repeat() -> None:
    batches = Numbers(50, batch_size=8, shuffle=True, seed=1)
    again = Numbers(50, batch_size=8, shuffle=True, seed=1)
    other = Numbers(50, batch_size=8, shuffle=True, seed=2)
    assert collect(batches.epoch(0)) != collect(batches.epoch(1))
    assert collect(batches.epoch(1)) == collect(again.epoch(1))
    assert collect(batches.epoch(0)) != collect(other.epoch(0))


def test_the_order_is_as_good_as_random() -> None:
    places = np.stack([epoch_order(10, seed=7, epoch=epoch, shuffle=True) for epoch in range(4000)])
    counts = np.stack([np.bincount(places[:, place], minlength=10) for place in range(10)])
    # 99 degrees of freedom less the margins leave 81; 150 is beyond the 99.999th percentile.
    assert ((counts - 400) ** 2 / 400).sum() < 150


def test_the_order_stays_the_same_in_later_versions() -> None:
    assert epoch_order(8, seed=1, epoch=2, shuffle=True).tolist() == ORDER
    assert epoch_order(3, seed=1, epoch=2, shuffle=False).tolist() == [0, 1, 2]


ORDER = [7, 6, 3, 4, 0, 1, 2, 5]


def test_reshuffled_gives_each_pass_its_own_order() -> None:
    dataset = Numbers(50, batch_size=8, shuffle=True, seed=1).reshuffled()
    first, second = collect(dataset), collect(dataset)
    assert first != second
    assert len(dataset) == len(first) == 7
    for run in (first, second):
        assert sorted(n for numbers, _ in run for n in numbers) == list(range(50))


def test_no_thread_that_tunes_the_pipeline_holds_up_its_end() -> None:
    batches = Numbers(50, batch_size=8, shuffle=True, seed=1)
    assert batches.epoch(0).options().autotune.enabled is False
    assert batches.reshuffled().options().autotune.enabled is False


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="no example"):
        Numbers(0, batch_size=8, shuffle=True, seed=1)
    with pytest.raises(ConfigurationError, match="batch_size"):
        Numbers(5, batch_size=0, shuffle=True, seed=1)
    with pytest.raises(ConfigurationError, match="seed"):
        Numbers(5, batch_size=1, shuffle=True, seed=-1)
    batches = Numbers(5, batch_size=1, shuffle=True, seed=1)
    with pytest.raises(ConfigurationError, match="shard 2 of 2"):
        batches.epoch(0, shard=(2, 2))
    with pytest.raises(ConfigurationError, match="an epoch has 5 steps"):
        batches.epoch(0, start_step=6)
