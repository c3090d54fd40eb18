"""The command line: ``rnn-apps <application> <verb>`` and the tools next to the applications.

Nothing heavy is imported here or by what `--help` needs; TensorFlow comes with the verb that
uses it.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import ADVICE
from pipelines.base.errors import ConfigurationError, UserError
from pipelines.base.terminal_log import nothing_but_our_lines
from rnn_apps import __version__
from rnn_apps.application.configuration import add_flags, from_flags, toml_content
from rnn_apps.application.definition import Application, PartialResultError, Result, Verb
from rnn_apps.application.flags import add_export, add_run, refuse_repetition, unknown_flags
from rnn_apps.application.going_on import inherited_settings
from rnn_apps.application.registry import applications
from rnn_apps.application.run_folder import begun_settings

_TOOLS = ("rnn_apps.export.commands", "rnn_apps.application.model_zoo", "rnn_apps.application.demo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit code: 0, or 2 for a user's mistake."""
    parser = build_parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(unknown_flags(unknown, options.parser))
    from rnn_apps.application.console import results_only, show, show_json

    try:
        with results_only(options.json) as stream, nothing_but_our_lines("pipelines", "rnn_apps"):
            failed: PartialResultError | None = None
            try:
                result = options.verb.run(options)
            except PartialResultError as error:
                result, failed = error.result, error
            if options.json:
                show_json(result, stream)
            else:
                show(result)
            if failed is not None:
                raise failed
    except UserError as error:
        print(f"rnn-apps: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # Only training has something to go on with.
        advice = ". The run continues with --resume" if options.verb.name == "train" else ""
        print(f"rnn-apps: stopped{advice}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away, as `head` does; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        # A full disk is met in many places, also in other packages.
        if error.errno not in ADVICE:
            raise
        place = f"{error.filename}: " if error.filename else ""
        advice = ADVICE[error.errno]
        print(f"rnn-apps: error: {place}{error.strerror}. {advice}", file=sys.stderr)
        return 2
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="rnn-apps",
        description="Recurrent networks on Keras 3, from data to the edge device.",
    )
    parser.add_argument("--version", action="version", version=f"rnn-apps {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for application in applications():
        nested = commands.add_parser(
            application.name, help=application.summary, description=application.summary
        )
        verbs = nested.add_subparsers(metavar="VERB", required=True)
        own = {verb.name for verb in application.verbs}
        shared = (verb for verb in shared_verbs(application) if verb.name not in own)
        for verb in (*shared, *application.verbs):
            _add_verb(verbs, verb)
    for module in _TOOLS:
        for verb in importlib.import_module(module).VERBS:
            _add_verb(commands, verb)
    return parser


def _add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Verb) -> None:
    parser = verbs.add_parser(verb.name, help=verb.summary, description=verb.summary)
    refuse_repetition(parser)
    verb.add_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )
    parser.set_defaults(verb=verb, parser=parser)


def shared_verbs(application: Application) -> tuple[Verb, ...]:
    """The verbs that mean the same in every application."""

    def train_arguments(parser: argparse.ArgumentParser) -> None:
        add_flags(parser, application.config_type())
        parser.add_argument(
            "--resume", action="store_true", help="continue the run in --run from its checkpoint"
        )

    def train(options: argparse.Namespace) -> Result:
        _check_application(application, options.config)
        config: Any = from_flags(application.config_type(), options, _base(application, options))
        run = application.module().train(config, resume=options.resume)
        metrics = dict(run.metrics)
        shown = {name: metrics.pop(name) for name in ("table", "training") if name in metrics}
        report = str(run.folder.report)
        return {**shown, "run": config.run, "report": report, "details": metrics}

    def evaluate_arguments(parser: argparse.ArgumentParser) -> None:
        add_run(parser)
        parser.add_argument(
            "--data",
            default="",
            metavar="SOURCE",
            help="data to judge on instead of the run's own test part",
        )

    def evaluate(options: argparse.Namespace) -> Result:
        run = application.module().load(options.run)
        result: Result = run.evaluate(options.data or None)
        return result

    def export(options: argparse.Namespace) -> Result:
        wanted = {} if options.formats is None else {"formats": options.formats}
        result: Result = application.module().load(options.run).export(options.to, **wanted)
        return result

    return (
        Verb("train", "train a model", train_arguments, train),
        Verb(
            "evaluate", "compare a trained model with its baselines", evaluate_arguments, evaluate
        ),
        Verb(
            "export",
            "write a SavedModel, TFLite files or C code, verified",
            add_export,
            export,
        ),
    )


def _check_application(application: Application, path: str | None) -> None:
    """Refuses a --config file that is another application's.

    Raises:
        ConfigurationError: its settings are that application's, not this one's.
    """
    if not path:
        return
    keys = toml_content(path).keys()

    def knows(other: Application) -> bool:
        return keys <= {field.name for field in dataclasses.fields(other.config_type())}

    others = [other.name for other in applications() if knows(other)]
    if not knows(application) and others:
        raise ConfigurationError(
            f"{path} has the settings of {' or '.join(others)}, not of {application.name}"
        )


def _base(application: Application, options: argparse.Namespace) -> dict[str, Any]:
    """What a resumed run was started with, so that `--run FOLDER --resume` says enough.

    For a run that goes on from another, the settings that it takes over.
    """
    run, config_type = getattr(options, "run", ""), application.config_type()
    begun = (
        begun_settings(Path(run), application.name, config_type) if options.resume and run else {}
    )
    from_file = toml_content(options.config) if options.config else {}
    origin = getattr(options, "from_run", from_file.get("from_run", ""))
    if begun or not isinstance(origin, str) or not origin:
        return begun
    named = bool(getattr(options, "vocabulary", from_file.get("vocabulary")))
    return inherited_settings(config_type, application.name, origin, named_vocabulary=named)
