"""Forecasting on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse

from pipelines.base.errors import UserError
from rnn_apps.application.definition import Application, Result, Verb
from rnn_apps.application.flags import add_run


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column",
        dest="columns",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="column of --data, and of a table that goes with it, and its role, where it has "
        "another name than in the training, as ROLE=NAME or ROLE=NAME,NAME in the order of the "
        "training; once per role. Roles: time, id, target, known, past, static",
    )


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--data",
        default="",
        metavar="SOURCE",
        help="series to judge on instead of the run's own test part",
    )
    parser.add_argument(
        "--covariates",
        default="",
        metavar="SOURCE",
        help="table of covariates for --data, if the run was trained with such a table",
    )
    _add_columns(parser)
    parser.add_argument(
        "--part",
        default="",
        metavar="PART",
        help="part to judge on: train, validation, test or all; by default the test part of the "
        "run's own data, and all of other data",
    )
    parser.add_argument(
        "--stride",
        type=int,
        default=1,
        metavar="N",
        help="number of rows from one origin to the next",
    )
    parser.add_argument(
        "--forecasts",
        default="",
        metavar="FILE.csv",
        help="file for every forecast: series, origin, step, time, truth, forecast and quantiles",
    )
    parser.add_argument(
        "--refit",
        type=int,
        default=0,
        metavar="K",
        help="number of origins after which the model is fitted again on what is known by then; 0 "
        "to judge the run as it is",
    )
    parser.add_argument(
        "--refit-from",
        default="",
        metavar="run|scratch",
        help="weights that every fit of --refit begins with (default: run)",
    )


def _evaluate(options: argparse.Namespace) -> Result:
    from rnn_apps.forecasting.run import load

    if options.refit_from and not options.refit:
        raise UserError(
            f"--refit-from {options.refit_from} is for a model that is fitted again: state "
            "--refit K, the number of origins after which it is"
        )
    run = load(options.run)
    if options.refit:
        from rnn_apps.forecasting.judging.refitted import evaluate_refitted

        refitted: Result = evaluate_refitted(
            run, options.refit, data=options.data or None, part=options.part,
            stride=options.stride, begin=options.refit_from or "run", forecasts=options.forecasts,
            covariates=options.covariates or None, columns=options.columns,
        )  # fmt: skip
        return refitted
    result: Result = run.evaluate(
        options.data or None,
        options.part,
        stride=options.stride,
        forecasts=options.forecasts,
        covariates=options.covariates or None,
        columns=options.columns,
    )
    return result


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--data",
        default="",
        metavar="SOURCE",
        help="series to continue; without this option those that the run was trained on",
    )
    _add_columns(parser)
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
        "--at",
        default="",
        metavar="TIME",
        help="time of the last row that counts as known, such as '2014-10-01 13:00' in local "
        "time, or with an offset from UTC; without this option the end of each series",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=0,
        metavar="N",
        help="number of steps to forecast; beyond the horizon of the run they are made from "
        "forecasts and have no quantiles",
    )
    parser.add_argument(
        "--future",
        default="",
        metavar="SOURCE",
        help="table of what is known of the future, as file:PATH: time, id if the values differ "
        "between the series, and the columns that are known ahead",
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
        at=options.at,
        steps=options.steps,
        future=options.future,
        columns=options.columns,
    )


APPLICATION = Application(
    name="forecast",
    summary="forecast time series: points, quantiles, distributions, calibrated intervals",
    package="rnn_apps.forecasting",
    config="rnn_apps.forecasting.config:ForecastingConfig",
    verbs=(
        Verb(
            "evaluate",
            "compare a trained model with its baselines",
            _evaluate_arguments,
            _evaluate,
        ),
        Verb(
            "predict",
            "forecast what follows the end of series, as a CSV and a plot",
            _predict_arguments,
            _predict,
        ),
    ),
)
