"""Forecasting on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse

from rnn_apps.application.definition import Application, Result, Verb


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, metavar="FOLDER", help="folder of a trained run")
    parser.add_argument(
        "--data",
        default="",
        metavar="SOURCE",
        help="series to continue; without this option those that the run was trained on",
    )
    parser.add_argument("--to", required=True, metavar="FILE.csv", help="file for the forecasts")
    parser.add_argument(
        "--plot",
        default="",
        metavar="FILE",
        help="file for the picture, .png or .svg; by default next to the CSV",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=0,
        metavar="N",
        help="number of sample paths to add; not for output = point",
    )
    parser.add_argument(
        "--recent",
        type=int,
        default=0,
        metavar="N",
        help="number of latest windows per series to calibrate the intervals on again; 0 keeps the "
        "calibration of the training run",
    )


def _predict(options: argparse.Namespace) -> Result:
    from rnn_apps.forecasting.prediction_files import predict_to_files
    from rnn_apps.forecasting.run import load

    return predict_to_files(
        load(options.run),
        options.data,
        options.to,
        options.plot,
        samples=options.samples,
        recent=options.recent,
    )


APPLICATION = Application(
    name="forecast",
    summary="forecast time series: points, quantiles, distributions, calibrated intervals",
    package="rnn_apps.forecasting",
    config="rnn_apps.forecasting.config:ForecastingConfig",
    verbs=(
        Verb(
            "predict",
            "forecast what follows the end of series, as a CSV and a plot",
            _predict_arguments,
            _predict,
        ),
    ),
)
