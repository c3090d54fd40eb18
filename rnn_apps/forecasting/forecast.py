"""The forecasts of every forecaster, network or baseline, in the data's own unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import UserError

Inputs = Mapping[str, NDArray[Any]]

# Inputs that hold one row per time step.
_OVER_TIME = frozenset({"past_target", "past_covariates", "future_covariates", "times"})


@dataclass(frozen=True)
class Forecast:
    """A batch of forecasts.

    Args:
        point: point forecasts float32 [batch, horizon].
        quantiles: quantiles float32 [batch, horizon, levels], rising along the levels; None for a
            point forecast alone.
        samples: sample paths float32 [batch, samples, horizon]; None if none were drawn.
    """

    point: NDArray[np.float32]
    quantiles: NDArray[np.float32] | None = None
    samples: NDArray[np.float32] | None = None


class Forecaster(Protocol):
    """Maps raw inputs, as `pipelines.WindowBatches` gives them, to forecasts in the raw unit.

    `lookback` is the number of past time steps that it reads; `levels` are the levels of its
    quantiles, () for point forecasts alone.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def lookback(self) -> int: ...  # noqa: D102
    @property
    def levels(self) -> tuple[float, ...]: ...  # noqa: D102

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch whose windows are exactly `lookback` steps long."""
        ...


@dataclass(frozen=True)
class Window:
    """A batch of windows with their true values, as numpy arrays.

    Args:
        inputs: raw inputs by name, see `pipelines.WindowBatches`.
        truth: true values float32 [batch, horizon].
        weights: weights float32 [batch, horizon]; 0 where the truth is missing or the row is
            padding.
        step: number of the batch within its epoch; `windows` can start at it again.
        numbers: numbers int64 [batch] of the windows among all that the batches have, unshuffled.
        batches: `pipelines.WindowBatches` that the windows come from; None if they come from none.
    """

    inputs: Inputs
    truth: NDArray[np.float32]
    weights: NDArray[np.float32]
    step: int = 0
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    batches: Any = None

    @property
    def series_index(self) -> NDArray[np.int64]:
        """The position of each window's series, int64 [batch]; 0 if the data has one series."""
        if "series_index" in self.inputs:
            return np.asarray(self.inputs["series_index"], np.int64).reshape(-1)
        return np.zeros(len(self.truth), np.int64)

    def place(self, row: int, step: int) -> str:
        """The series and the time of a true value, for a message."""
        if self.batches is None:
            return f"window {row + 1}, step {step + 1}"
        index, origins = self.batches.origins()
        number = self.numbers[row]
        series = self.batches.series_set[int(index[number])]
        time = series.times[origins[number] + step]
        return f"series {series.name!r} at {self.batches.series_set.shown(time)}"


def require_finite(forecast: Forecast, forecaster: str, place: Callable[[int, int], str]) -> None:
    """Refuses forecasts that are not finite numbers.

    Args:
        forecast: forecasts of a batch.
        forecaster: name of what made them, for the message.
        place: function that names a row of the batch and a step of the horizon.

    Raises:
        UserError: a point, a quantile or a sample is not finite; it names the first one.
    """
    values = [forecast.point[..., np.newaxis]]
    if forecast.quantiles is not None:
        values.append(forecast.quantiles)
    if forecast.samples is not None:
        values.append(np.moveaxis(forecast.samples, 1, 2))
    wrong = ~np.all([np.isfinite(array).all(axis=-1) for array in values], axis=0)
    if wrong.any():
        row, step = np.argwhere(wrong)[0].tolist()
        raise UserError(
            f"the forecast of {forecaster} for {place(row, step)} is not a finite number. Models "
            "compute in float32, up to 3.4e38: if the values of the series are that large, divide "
            "them by a constant; otherwise the training went wrong, see its learning curves"
        )


def windows(batches: Any, start_step: int = 0) -> Iterator[Window]:
    """One pass over a `pipelines.Batches` of windows, as numpy; rows without truth are skipped."""
    steps = batches.epoch(0, start_step=start_step)
    for step, (inputs, targets, weights) in enumerate(steps, start_step):
        observed = np.asarray(weights)
        rows = observed.max(axis=1) > 0
        if rows.any():
            yield Window(
                {name: np.asarray(value)[rows] for name, value in inputs.items()},
                np.asarray(targets)[rows],
                observed[rows],
                step,
                step * batches.batch_size + np.flatnonzero(rows),
                batches,
            )


def crop(inputs: Inputs, lookback: int) -> Inputs:
    """The inputs with only the last `lookback` past steps; the horizon is kept."""
    surplus = inputs["past_target"].shape[1] - lookback
    if surplus < 0:
        raise ValueError(f"a window of {lookback + surplus} steps has no {lookback} past steps")
    if surplus == 0:
        return inputs
    return {
        name: value[:, surplus:] if name in _OVER_TIME else value for name, value in inputs.items()
    }
