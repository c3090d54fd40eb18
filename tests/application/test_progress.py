"""What a training says of itself on the way; the clock is the test's."""

from __future__ import annotations

import pytest

from rnn_apps.training import progress
from rnn_apps.training.progress import ProgressDisplay


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_time_left(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay(epochs=3, steps_per_epoch=50, examples_per_step=8, start_step=40)
    clock[0] += 5
    display.step(50, 2.0)  # too soon for a line
    clock[0] += 15
    display.step(60, 2.0)
    assert capsys.readouterr().err == (
        "epoch 2/3  step 10/50  loss 2  8 examples/s  at most 0:01:30 left\n"
    )


def test_a_limit_of_time_bounds_what_is_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    display = ProgressDisplay(1000, 50, 8, most_seconds=60.0)
    clock[0] += 20
    display.step(20, 2.0)
    assert "at most 0:00:40 left" in capsys.readouterr().err
    clock[0] += 50
    display.step(70, 2.0)  # the step during which the time ran out
    assert "at most 0:00:00 left" in capsys.readouterr().err


def test_other_workers_are_silent(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(1, 50, 8, shown=False) as display:
        clock[0] += 20
        display.step(20, 2.0)
        display.epoch("epoch 1: done")
    assert capsys.readouterr().err == ""
