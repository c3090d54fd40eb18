"""The progress of a training: a bar on a terminal, now and then a line of the log elsewhere."""

from __future__ import annotations

import logging
import math
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TextColumn

from pipelines.base.terminal_log import duration, terminal

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0


class ProgressDisplay:
    """Shows epoch, step, loss, rate and the time left; a context manager.

    Args:
        epochs: number of epochs of the whole training.
        steps_per_epoch: number of steps in each epoch.
        examples_per_step: number of examples in a full batch, over all replicas.
        start_step: number of steps that earlier sessions have taken.
        shown: True to show anything; False for every worker except the first.
        most_seconds: time limit in seconds, after which training stops in any epoch.
    """

    def __init__(
        self,
        epochs: int,
        steps_per_epoch: int,
        examples_per_step: float,
        start_step: int = 0,
        shown: bool = True,
        most_seconds: float = math.inf,
    ) -> None:
        self._steps_per_epoch = steps_per_epoch
        self._total = epochs * steps_per_epoch
        self._epochs = epochs
        self._examples_per_step = examples_per_step
        self._first_step = start_step
        self._started = self._last_line = time.monotonic()
        self._end = self._started + most_seconds
        self._shown = shown
        console = terminal()
        self._bar: Progress | None = None
        if shown and console.is_terminal and _log.isEnabledFor(logging.INFO):
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                console=console,
                refresh_per_second=4,
            )
            self._task = self._bar.add_task("epoch", total=self._total, text="")

    def __enter__(self) -> ProgressDisplay:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, step: int, loss: float) -> None:
        """Shows that `step` steps are done in total, and the mean loss of this epoch."""
        now = time.monotonic()
        if not self._shown:
            return
        if self._bar is None and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        epoch = min((step - 1) // self._steps_per_epoch + 1, self._epochs)
        rate = (step - self._first_step) / max(now - self._started, 1e-9)
        left = max(0.0, min((self._total - step) / max(rate, 1e-9), self._end - now))
        title = f"epoch {epoch}/{self._epochs}"
        text = (
            f"loss {loss:.4g}  {rate * self._examples_per_step:,.0f} examples/s  "
            f"at most {duration(left)} left"
        )
        if self._bar is not None:
            total = step + rate * left
            self._bar.update(self._task, completed=step, total=total, description=title, text=text)
        else:
            in_epoch = step - (epoch - 1) * self._steps_per_epoch
            _log.info(f"{title}  step {in_epoch}/{self._steps_per_epoch}  {text}")
            self._last_line = now

    def epoch(self, line: str) -> None:
        """Shows the results of an epoch."""
        if self._shown:
            _log.info(line)
            self._last_line = time.monotonic()
