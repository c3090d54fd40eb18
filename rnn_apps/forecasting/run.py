"""A trained run: evaluate it, predict with it, export it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.stated_columns import Stated
from rnn_apps.forecasting.device.exporting import export
from rnn_apps.forecasting.judging.evaluation import evaluate
from rnn_apps.forecasting.prediction import predict
from rnn_apps.forecasting.trained import TrainedForecaster

if TYPE_CHECKING:
    import pandas as pd

    from rnn_apps.forecasting.run_data import Data


class Run(TrainedForecaster):
    """A trained forecaster with its folder and its verbs; made by `train` and `load`."""

    def evaluate(
        self,
        data: Data | None = None,
        part: str = "",
        *,
        stride: int = 1,
        forecasts: str | Path = "",
        covariates: Data | None = None,
        columns: Stated = (),
    ) -> dict[str, Any]:
        """Compares the run with its baselines in a rolling-origin backtest; writes the report.

        Args:
            data: source or DataFrame; None for the data that the run was trained on.
            part: name of the part: train, validation, test or all, as the run's split cuts it;
                empty for the test part of the run's own data, and for all of other data.
            stride: number of rows between neighbouring origins; 1 counts every window.
            forecasts: file for a CSV of every forecast: series, origin, step, time, truth, forecast
                and calibrated quantiles; empty for no such file.
            covariates: table of covariates for `data`, source or DataFrame, in place of the one
                that the run was trained with; None where the data has them.
            columns: columns of `data` by role, where they have other names than in the training:
                {"target": NAME} or ["target=NAME"]. Several of a role are in the order of those of
                the training.

        Returns:
            "table", the figures of every forecaster, and where the report is.
        """
        return evaluate(self, data, part, stride, forecasts, covariates, columns)

    def predict(
        self,
        data: Data | None = None,
        *,
        samples: int = 0,
        recent: int = 0,
        seed: int = 0,
        at: str = "",
        steps: int = 0,
        future: Data | None = None,
        columns: Stated = (),
    ) -> pd.DataFrame:
        """Forecasts what follows the end of every series, or an earlier time.

        Args:
            data: source or DataFrame with at least `lookback` rows per series; None for the data
                that the run was trained on. Known-future covariates must be there for `horizon`
                rows more, with the target left empty. Series that lack either are named and left
                out.
            samples: number of sample paths to add as columns, for an output that is not a point.
                They are drawn from the model's own distribution, before calibration.
            recent: number of the latest windows of each series in `data` on which the intervals
                are calibrated anew; 0 keeps the calibration of the validation part.
            seed: seed of the sample paths.
            at: time of the last row that counts as known, such as "2014-10-01 13:00"; empty for
                the end of each series. Nothing of the target after it is used.
            steps: number of steps to forecast; 0 for the horizon of the run. Beyond the horizon
                the model reads its own forecasts as if they had been observed. There it gives no
                quantiles, since these would be too narrow.
            future: table of what is known of the future, as a source or DataFrame: time, id if the
                values differ between the series, and the known-future covariates; None if `data`
                has them. Rows up to the end of a series are not read, except for a run that was
                trained with a table of covariates: then this table takes its place.
            columns: columns of `data`, and of `future`, by role, where they have other names than
                in the training; see `evaluate`. The forecasts have the names of the training.

        Returns:
            One row per series and step: series, time (continuing where the series ends), truth
            (with `at` only; NaN where nothing was observed), forecast,
            quantile_0.1 and so on (calibrated), sample_1 and so on.

        Raises:
            DataError: every series is too short or lacks covariates, or the data holds a series
                that the run does not know, or does not hold the time `at`.
            UserError: more steps than the horizon are asked for, together with sample paths or
                from a model with covariates of the past.
        """
        return predict(
            self, data, samples=samples, recent=recent, seed=seed, at=at, steps=steps,
            future=future, columns=columns,
        )  # fmt: skip

    def export(
        self, to: str | Path, formats: Sequence[str] = ("saved_model", "tflite")
    ) -> dict[str, Any]:
        """Writes files that take and give raw values, each proven equal to the Keras model.

        Args:
            to: folder for the files.
            formats: names of formats: saved_model, tflite, tflite_float16, tflite_dynamic, c and
                c_int8.

        Returns:
            For every file its path, size and largest difference from Keras on real windows.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        return export(self, to, formats)


def load(folder: str | Path) -> Run:
    """Opens the folder of a trained run.

    Args:
        folder: folder of the run, as `train` left it.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
    """
    return Run.open(folder)
