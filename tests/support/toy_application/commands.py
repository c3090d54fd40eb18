"""The application on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse

from rnn_apps.application.definition import Application, Result, Verb


def _guess_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, metavar="FOLDER", help="folder of a trained run")
    parser.add_argument("--after", required=True, metavar="A,B,C,D", help="four numbers")


def _guess(options: argparse.Namespace) -> Result:
    from toy_application.run import load

    numbers = [float(number) for number in options.after.split(",")]
    return {"next": load(options.run).guess(numbers)}


APPLICATION = Application(
    name="toy",
    summary="guess which number comes next",
    package="toy_application",
    config="toy_application.config:ToyConfig",
    verbs=(Verb("guess", "the number after four others", _guess_arguments, _guess),),
)
