"""What a training says of itself on the way; the clock is the test's."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipelines.base import terminal_log
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


def test_on_a_terminal_epochs_are_written_above_the_bar(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    for module in (progress, terminal_log):
        monkeypatch.setattr(module, "terminal", lambda: console)
    with ProgressDisplay(2, 50, 8) as display:
        clock[0] += 20
        display.step(20, 2.0)
        display.epoch("epoch 1/2  loss 1.5")
        display.step(60, 1.0)
    written = console.file.getvalue()
    assert written.count("epoch 1/2  loss 1.5\n") == 1
    assert "loss 1  24 examples/s" in written and "step 20/50" not in written
    assert capsys.readouterr() == ("", "")


def test_who_silences_the_log_sees_no_bar(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(progress, "terminal", lambda: console)
    caplog.set_level("WARNING", "rnn_apps")
    with ProgressDisplay(2, 50, 8) as display:
        clock[0] += 20
        display.step(20, 2.0)
    assert not console.file.getvalue() and not caplog.records
