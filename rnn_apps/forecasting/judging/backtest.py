"""Rolling-origin backtest: every forecaster on the same windows, each window read once.

The forecast origin moves through the part by `stride` rows (with 1, every window of the part
counts, those of the last short batch too). Forecasters are not fitted again as the origin moves:
they were fitted on the training part and calibrated on the validation part, and are judged on the
data after both. The one exception has it in its name: online intervals adapt to values that are
already known at the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.base.errors import DataError
from pipelines.series.splits import Part
from pipelines.series.time_series import SeriesSet
from pipelines.series.windows import WindowBatches
from rnn_apps.forecasting.forecast import Forecast, Window, crop, require_finite, windows
from rnn_apps.forecasting.judging.conformal import Calibrated
from rnn_apps.forecasting.judging.metrics import ForecastMetrics, SeriesScales, as_json
from rnn_apps.forecasting.judging.online_conformal import OnlineCalibrated
from rnn_apps.forecasting.judging.yardsticks import serves

BATCH_SIZE = 256
MOST_SERIES_LISTED = 50

COLUMNS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mase": "MASE",
    "smape": "sMAPE %",
    "weighted_quantile_loss": "wQL",
    "scaled_mse": "scaled MSE",
    "scaled_mae": "scaled MAE",
}


@dataclass(frozen=True)
class Example:
    """One window of the backtest with the judged forecaster's forecast."""

    label: str
    series: int
    window: Window
    forecast: Forecast
    error: float


@dataclass
class Backtest:
    """The result of a backtest.

    Args:
        metrics: figures by the forecaster's name, in the order of the table; the first forecaster
            is the one judged.
        examples: the judged forecaster's worst, median and best window, by scaled error.
        windows: number of windows that were forecast.
        left_out: reason by the name of every baseline that could not see far enough back.
        short_series: names of the series without a window in the part.
    """

    metrics: dict[str, ForecastMetrics]
    examples: list[Example]
    windows: int
    left_out: dict[str, str] = field(default_factory=dict)
    short_series: tuple[str, ...] = ()

    def table(self) -> dict[str, Any]:
        """Header and rows for a report or the terminal, one row per forecaster."""
        overall = {name: metrics.overall() for name, metrics in self.metrics.items()}
        columns = dict(COLUMNS)
        for nominal, _, _ in next(iter(self.metrics.values())).intervals:
            percent = f"{100 * nominal:g}"
            columns[f"coverage_{percent}"] = f"{percent} % coverage"
            columns[f"width_{percent}"] = f"{percent} % width"
        rows = [[name, *(row.get(key) for key in columns)] for name, row in overall.items()]
        return {"header": ["forecaster", *columns.values()], "rows": rows}

    def as_json(self) -> dict[str, Any]:
        """Every figure as plain JSON: overall, and per series unless there are many series."""
        figures: dict[str, Any] = {"windows": self.windows, "forecasters": {}}
        if self.left_out:
            figures["left_out"] = self.left_out
        if self.short_series:
            figures["series_without_windows"] = list(self.short_series)
        for name, metrics in self.metrics.items():
            entry: dict[str, Any] = {"overall": metrics.overall()}
            if 1 < len(metrics.scales.names) <= MOST_SERIES_LISTED:
                entry["series"] = metrics.per_series()
            figures["forecasters"][name] = entry
        first = next(iter(self.metrics.values()))
        figures["by_step"] = first.per_step()
        return dict(as_json(figures))


def backtest(
    forecasters: Sequence[Calibrated],
    series_set: SeriesSet,
    scales: SeriesScales,
    *,
    part: Part | None,
    horizon: int,
    online: OnlineCalibrated | None = None,
    stride: int = 1,
    keep: Callable[[WindowBatches, Window, Forecast], None] | None = None,
) -> Backtest:
    """Judges calibrated forecasters on every window of a part.

    Args:
        forecasters: forecaster to be judged, followed by its baselines. A baseline that looks
            further back than the first is left out if that would cost windows.
        series_set: series to forecast.
        scales: statistics of the training part for every series of `series_set`.
        part: rows to judge on, see `pipelines.series.splits.Part`; None for all rows.
        horizon: number of time steps to forecast.
        online: judged forecaster with online intervals, as a row of its own; None for no such row.
        stride: number of rows between neighbouring origins.
        keep: function that receives the judged forecaster's forecasts, batch by batch; None if
            nobody wants them.

    Raises:
        DataError: no window fits into the part, or none has an observed truth.
        UserError: a forecast is not finite.
    """
    judged = forecasters[0]

    def batches_for(lookback: int) -> WindowBatches:
        return WindowBatches(
            series_set, lookback=lookback, horizon=horizon, part=part, stride=stride,
            batch_size=BATCH_SIZE,
        )  # fmt: skip

    entrants, left_out = [judged], {}
    for baseline in forecasters[1:]:
        if serves(batches_for, baseline.lookback, judged.lookback):
            entrants.append(baseline)
        else:
            left_out[baseline.name] = f"not every window has {baseline.lookback} past steps"
    batches = batches_for(max(entrant.lookback for entrant in entrants))
    rows = _Rows(entrants, scales, horizon, online)
    for window in windows(batches):
        forecast = rows.add(window)
        if keep is not None:
            keep(batches, window, forecast)
    if not rows.windows:
        raise DataError(
            f"none of the {batches.examples} windows has an observed value to judge by",
            file=series_set.report.source,
            advice="The target is missing there: give data that has it, or name another part.",
        )
    short = batches.series_without_windows
    return Backtest(rows.metrics, rows.examples(batches), rows.windows, left_out, short)


class _Rows:
    """Adds up the table's rows window by window, and keeps the error of every window."""

    def __init__(
        self,
        entrants: list[Calibrated],
        scales: SeriesScales,
        horizon: int,
        online: OnlineCalibrated | None,
    ) -> None:
        self.entrants = entrants
        self.scales = scales
        self.online = online
        self.windows = 0
        judged = entrants[0]

        def metrics(entrant: Calibrated) -> ForecastMetrics:
            return ForecastMetrics(scales, horizon, entrant.levels)

        self.metrics = {judged.name: metrics(judged)}
        if online is not None:
            self.metrics[online.name] = metrics(judged)
        self.raw_name = f"{judged.name}, intervals as trained"
        self._raw = bool(judged.base.levels and judged.calibration.windows)
        if self._raw:
            self.metrics[self.raw_name] = metrics(judged)
        self.metrics.update({entrant.name: metrics(entrant) for entrant in entrants[1:]})
        self._places: list[np.ndarray] = []
        self._errors: list[np.ndarray] = []
        self._worst: Example | None = None
        self._best: Example | None = None

    def add(self, window: Window) -> Forecast:
        """Forecasts a batch with every forecaster of the table and adds its errors.

        Returns:
            The judged forecaster's forecasts.
        """
        self.windows += len(window.truth)
        judged: Forecast | None = None
        for name, forecast in self._forecasts(window):
            require_finite(forecast, name, window.place)
            self.metrics[name].update(
                window.truth, window.weights, window.series_index, forecast.point,
                forecast.quantiles,
            )  # fmt: skip
            if name == self.entrants[0].name:
                judged = forecast
                self._keep_errors(window, forecast)
        assert judged is not None
        return judged

    def _forecasts(self, window: Window) -> Iterator[tuple[str, Forecast]]:
        judged = self.entrants[0]
        base = judged.base.forecast(crop(window.inputs, judged.lookback))
        yield judged.name, judged.calibration.apply(base, window.series_index)
        if self.online is not None:
            yield self.online.name, self.online.follow(window, base)
        if self._raw:
            yield self.raw_name, base
        for entrant in self.entrants[1:]:
            yield entrant.name, entrant.forecast(crop(window.inputs, entrant.lookback))

    def _keep_errors(self, window: Window, forecast: Forecast) -> None:
        deviation = self.scales.standard_deviation[window.series_index]
        unit = np.where(np.isfinite(deviation) & (deviation > 0), deviation, 1.0)
        error = np.abs(window.truth - forecast.point) * window.weights
        errors = error.sum(axis=1) / window.weights.sum(axis=1) / unit
        worst, best = int(errors.argmax()), int(errors.argmin())
        if self._worst is None or errors[worst] > self._worst.error:
            self._worst = self._example("worst", window, worst, float(errors[worst]))
        if self._best is None or errors[best] < self._best.error:
            self._best = self._example("best", window, best, float(errors[best]))
        self._errors.append(errors)
        steps = np.full(len(error), window.step, np.int64)
        self._places.append(np.stack([steps, np.arange(len(error))], axis=1))

    def examples(self, batches: WindowBatches) -> list[Example]:
        """The worst, the median and the best window; the median one is read a second time."""
        errors, places = np.concatenate(self._errors), np.concatenate(self._places)
        number = np.argsort(errors, kind="stable")[len(errors) // 2]
        step, row = places[number].tolist()
        batch = next(windows(batches, start_step=step))
        median = self._example("median", batch, row, float(errors[number]))
        chosen = (self._worst, median, self._best)
        return [example for example in chosen if example is not None]

    def _example(self, label: str, batch: Window, row: int, error: float) -> Example:
        rows = slice(row, row + 1)
        inputs = {name: value[rows] for name, value in batch.inputs.items()}
        window = Window(inputs, batch.truth[rows], batch.weights[rows], batch.step)
        judged = self.entrants[0]
        forecast = judged.forecast(crop(inputs, judged.lookback))
        return Example(label, int(window.series_index[0]), window, forecast, error)
