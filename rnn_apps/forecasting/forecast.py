"""The forecasts of every forecaster, network or baseline, in the data's own unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
    """

    inputs: Inputs
    truth: NDArray[np.float32]
    weights: NDArray[np.float32]
    step: int = 0
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def series_index(self) -> NDArray[np.int64]:
        """The position of each window's series, int64 [batch]; 0 if the data has one series."""
        if "series_index" in self.inputs:
            return np.asarray(self.inputs["series_index"], np.int64).reshape(-1)
        return np.zeros(len(self.truth), np.int64)


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
