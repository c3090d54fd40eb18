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
        help="the series to continue; without it, those that the run was trained on",
    )
    parser.add_argument("--to", required=True, metavar="FILE.csv", help="where the forecasts go")
    parser.add_argument(
        "--plot", default="", metavar="FILE", help="the picture, .png or .svg (beside the CSV)"
    )
    parser.add_argument(
        "--samples", type=int, default=0, metavar="N", help="also N sample paths (not of points)"
    )
    parser.add_argument(
        "--recent",
        type=int,
        default=0,
        metavar="N",
        help="calibrate the intervals on the data's latest N windows",
    )


def _predict(options: argparse.Namespace) -> Result:
    from rnn_apps.forecasting.prediction import predict_to_files
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
    verbs=(Verb("predict", "continue series: a CSV and a plot", _predict_arguments, _predict),),
)
