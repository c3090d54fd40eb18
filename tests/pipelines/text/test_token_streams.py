"""A text as contiguous streams: every token once, every row without a gap, resumed exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import ConfigurationError, DataError, StreamBatches, language_modelling_datasets
from pipelines.text.corpus import MemoryText
from pipelines.text.encoding import encode_text
from pipelines.text.token_streams import _StepReader
from pipelines.tokenizers import train_tokenizer

Step = tuple[np.ndarray, np.ndarray, np.ndarray, float]


def steps_of(
    batches: StreamBatches, index: int, start: int = 0, shard: tuple[int, int] = (0, 1)
) -> list[Step]:
    """What `epoch` yields, without tf.data."""
    read = _StepReader(batches, index, shard)
    return [read(np.int64(step)) for step in range(start, batches.steps_per_epoch)]


def steps_of_dataset(dataset: Any) -> list[Step]:
    return [
        (x["tokens"], y, w, float(x["learning_rate_scale"]))
        for x, y, w in dataset.as_numpy_iterator()
    ]


def same(one: list[Step], other: list[Step]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(a, b) for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )  # fmt: skip


def any_streams(data: st.DataObject, timesteps: st.SearchStrategy[int]) -> StreamBatches:
    batch_size = data.draw(st.integers(1, 9), "batch_size")
    tokens = np.arange(data.draw(st.integers(batch_size + 1, 400), "tokens"), dtype=np.uint16)
    random_lengths = data.draw(st.booleans(), "random_lengths")
    drawn = data.draw(timesteps, "timesteps")
    return StreamBatches(
        tokens,
        batch_size=batch_size,
        timesteps=max(drawn, 10) if random_lengths else drawn,
        seed=data.draw(st.integers(0, 3), "seed"),
        random_lengths=random_lengths,
        shift=data.draw(st.booleans(), "shift"),
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_token_is_a_target_once_an_epoch(data: st.DataObject) -> None:
    batches = any_streams(data, st.integers(1, 40))
    targets = []
    for tokens, following, weights, _ in steps_of(batches, data.draw(st.integers(0, 3))):
        assert tokens.shape == following.shape == weights.shape
        assert (tokens.dtype, weights.dtype) == (np.int32, np.float32)
        # The tokens count upwards: the input is always the token before the target.
        assert (following[weights == 1] == tokens[weights == 1] + 1).all()
        assert set(np.unique(weights)) <= {0, 1}
        targets += following[weights == 1].tolist()
    assert sorted(targets) == list(range(1, batches.examples + 1))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_step_continues_the_step_before_in_every_row(data: st.DataObject) -> None:
    batches = any_streams(data, st.integers(1, 40))
    index = data.draw(st.integers(0, 3))
    steps = steps_of(batches, index)
    rows = np.concatenate([step[1] for step in steps], axis=1)
    weights = np.concatenate([step[2] for step in steps], axis=1)
    first = 1 + batches.first_target(index)
    for row, weight in zip(rows, weights, strict=True):
        length = int(weight.sum())
        # What has no weight lies at the end of the row only.
        assert (weight[:length] == 1).all()
        expected = (row[0] - 1 + np.arange(length)) % batches.examples + 1
        assert row[:length].tolist() == expected.tolist()
    starts = [int(row[0]) for row, weight in zip(rows, weights, strict=True) if weight.any()]
    assert starts[0] == first


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_epoch_from_a_later_step_is_its_tail(data: st.DataObject) -> None:
    batches = any_streams(data, st.integers(1, 40))
    index = data.draw(st.integers(0, 3))
    start = data.draw(st.integers(0, batches.steps_per_epoch))
    rank = data.draw(st.integers(0, 2))
    whole = steps_of(batches, index, 0, (rank, 3))
    assert same(steps_of(batches, index, start, (rank, 3)), whole[start:])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_shards_are_the_rows_of_the_whole(data: st.DataObject) -> None:
    batches = any_streams(data, st.integers(1, 40))
    shards = data.draw(st.integers(1, 4))
    whole = steps_of(batches, 1)
    for rank in range(shards):
        for step, part in zip(whole, steps_of(batches, 1, 0, (rank, shards)), strict=True):
            own = range(rank, batches.batch_size, shards)
            # All shards have as many rows; one that is short has a row without weight.
            assert part[0].shape[0] == -(-batches.batch_size // shards)
            for array, of_whole in zip(part[:3], step[:3], strict=True):
                assert np.array_equal(array[: len(own)], of_whole[list(own)])
            assert not part[2][len(own) :].any()
            assert part[3] == step[3]


@pytest.mark.parametrize("random_lengths", [False, True])
def test_the_dataset_yields_these_steps(random_lengths: bool) -> None:
    tokens = np.random.default_rng(0).integers(0, 50, 3000).astype(np.uint8)
    batches = StreamBatches(
        tokens, batch_size=5, timesteps=20, seed=3, random_lengths=random_lengths
    )
    dataset = batches.epoch(2, start_step=4, shard=(1, 2))
    assert same(steps_of_dataset(dataset), steps_of(batches, 2, 4, (1, 2)))
    assert len(dataset) == batches.steps_per_epoch - 4
    inputs, targets, weights = dataset.element_spec
    shape = [3, None if random_lengths else 20]
    assert inputs["tokens"].shape.as_list() == targets.shape.as_list() == shape
    assert weights.shape.as_list() == shape and inputs["learning_rate_scale"].shape.rank == 0


def test_random_lengths_are_drawn_as_published() -> None:
    tokens = np.zeros(70 * 2000 * 2, np.uint8)
    batches = StreamBatches(tokens, batch_size=2, timesteps=70, random_lengths=True)
    lengths = np.concatenate([np.diff(batches.borders(index)) for index in range(20)])
    half = lengths < 52
    assert abs(half.mean() - 0.05) < 0.01
    assert abs(lengths[~half].mean() - 70) < 0.5 and abs(lengths[half].mean() - 35) < 0.5
    assert abs(lengths[~half].std() - 5) < 0.3
    assert lengths.min() >= 5
    for index in range(3):
        borders = batches.borders(index)
        assert (borders[0], borders[-1]) == (0, batches.stream_length)
        assert len(borders) == batches.steps_per_epoch + 1
    assert not np.array_equal(batches.borders(0), batches.borders(1))
    (_, _, weights, scale), *_ = steps_of(batches, 0)
    assert scale == np.float32(weights.shape[1] / 70)


def test_epochs_start_elsewhere_and_repeat() -> None:
    tokens = np.arange(1000, dtype=np.int32)
    batches, again = (StreamBatches(tokens, batch_size=4, timesteps=10, seed=1) for _ in range(2))
    assert len({batches.first_target(index) for index in range(10)}) > 5
    assert same(steps_of(batches, 3), steps_of(again, 3))
    other = StreamBatches(tokens, batch_size=4, timesteps=10, seed=2)
    assert other.first_target(3) != batches.first_target(3)
    still = StreamBatches(tokens, batch_size=4, timesteps=10, shift=False)
    assert same(steps_of(still, 0), steps_of(still, 5))


def test_steps_and_examples_are_counted() -> None:
    batches = StreamBatches(np.arange(1001), batch_size=4, timesteps=100)
    # 1,000 targets in 4 streams of 250: two whole steps and half a one.
    assert (batches.examples, batches.stream_length, batches.steps_per_epoch) == (1000, 250, 3)
    last = steps_of(batches, 0)[-1]
    assert last[2].shape == (4, 100) and last[2].sum() == 200


def test_a_text_too_short_for_its_streams_is_refused() -> None:
    tokenizer = train_tokenizer("bytes", [])
    tokens = encode_text("abcd", tokenizer, "validation")
    with pytest.raises(DataError, match=r"validation: the text has 4 tokens, 4 streams need at"):
        StreamBatches(tokens, batch_size=4, timesteps=2)
    assert StreamBatches(tokens, batch_size=3, timesteps=2).examples == 3


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"timesteps": 0}, "timesteps"),
        ({"seed": -1}, "seed"),
        ({"random_lengths": True, "timesteps": 9}, "timesteps of at least 10"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings_: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        StreamBatches(np.arange(100), **{"batch_size": 2, "timesteps": 5, **settings_})


def test_a_shard_that_does_not_exist_is_refused() -> None:
    batches = StreamBatches(np.arange(100), batch_size=2, timesteps=5)
    with pytest.raises(ConfigurationError, match="shard 2 of 2"):
        batches.epoch(0, shard=(2, 2))
    with pytest.raises(ConfigurationError, match="an epoch has 10 steps"):
        batches.epoch(0, start_step=11)


def test_the_plain_way_in_gives_datasets(tmp_path) -> None:
    text = "the cat sat on the mat\n" * 100
    data = language_modelling_datasets(
        MemoryText(text), split="0.8,0.2,0", batch_size=2, timesteps=8, folder=tmp_path
    )
    assert data.test is None and data.validation is not None
    rows = [targets[0] for _, targets, _ in data.train.as_numpy_iterator()]
    read = data.tokenizer.decode(np.concatenate(rows))
    assert read.startswith("he cat sat on the mat\nthe cat")
    words = language_modelling_datasets(
        MemoryText(text), tokenizer="words", vocabulary_size=4, split="1,0,0", batch_size=2,
        timesteps=8,
    )  # fmt: skip
    assert words.tokenizer.tokens == ("<unk>", "<eos>", "the", "cat") and words.validation is None
