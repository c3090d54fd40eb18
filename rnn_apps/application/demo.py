"""`rnn-apps demo`: every application, from built-in data to the edge runtime."""

from __future__ import annotations

import argparse
import importlib
import logging
import shutil
import time
from pathlib import Path

from pipelines.base.atomic_files import check_writable, write_json, writing
from pipelines.base.errors import UserError
from pipelines.builtin import builtin_data
from rnn_apps.application.definition import Application, DemoResult, Picture, Result, Verb
from rnn_apps.application.registry import applications
from rnn_apps.application.reporting.report import Report
from rnn_apps.application.reporting.shown_values import format_cell

_log = logging.getLogger(__name__)

_MARK = "demo.json"
_HEADER = ["application", "data", "metric", "ours", "baselines", "device runtime", "minutes"]


def run_demo(applications: tuple[Application, ...], folder: Path) -> Result:
    """Trains, judges, exports, verifies and uses every application once on built-in data.

    Args:
        applications: applications to show.
        folder: folder for the runs and for the page that links them; an earlier demo in it is
            replaced.

    Raises:
        UserError: `folder` holds something that is not a demo, or a package with built-in data is
            missing.
    """
    for application in applications:
        source = importlib.import_module(f"{application.package}.demo").SOURCE
        builtin_data(source.removeprefix("builtin:")).require()
    _prepare(folder)
    rows: list[list[object]] = []
    results: dict[str, DemoResult] = {}
    details: list[Result] = []
    for application in applications:
        _log.info("%s: %s", application.name, application.summary)
        began = time.monotonic()
        shown = importlib.import_module(f"{application.package}.demo")
        result: DemoResult = shown.demo(folder / application.name)
        minutes = (time.monotonic() - began) / 60
        baselines = ", ".join(f"{k} {format_cell(v)}" for k, v in result.baselines.items())
        rows.append([application.name, result.data, result.metric, result.figure, baselines,
                     result.proof, minutes])  # fmt: skip
        results[application.name] = result
        figures = {name: value for name, value in vars(result).items() if name != "pictures"}
        details.append({"application": application.name, **figures, "minutes": minutes})
    page = folder / "index.html"
    write_page(page, rows, results)
    write_json(folder / _MARK, {"applications": list(results)})
    return {
        "table": {"title": "Trained on built-in data just now", "header": _HEADER, "rows": rows},
        "used": {name: result.use for name, result in results.items()},
        "details": details,
        "page": str(page),
    }


def _prepare(folder: Path) -> None:
    if folder.exists():
        if not folder.is_dir():
            raise UserError(f"{folder} is a file. Name a folder with --to")
        if any(folder.iterdir()) and not (folder / _MARK).exists():
            raise UserError(
                f"{folder} holds something that is not a demo. Name another folder with --to"
            )
        check_writable(folder)
        with writing(folder):
            shutil.rmtree(folder)
    with writing(folder):
        folder.mkdir(parents=True)
    # Marked from the start, so that a demo that was interrupted can be replaced too.
    write_json(folder / _MARK, {"applications": []})


def write_page(path: Path, rows: list[list[object]], results: dict[str, DemoResult]) -> None:
    """Writes the page that shows every application and links the pages of their runs.

    Args:
        path: file of the page.
        rows: rows of the table of all applications.
        results: result of each application's demo, by the application's name.
    """
    report = Report("rnn-apps demo", footer="Made by: rnn-apps demo")
    report.text("Each model was trained, judged and exported just now, on data that comes with "
                "pip packages. Lower is better for every metric here.")  # fmt: skip
    report.table("", _HEADER, rows)
    for name, result in results.items():
        report.section(name)
        # What a picture quotes is not told twice.
        if not any(picture.text and picture.text in result.use for picture in result.pictures):
            report.text(result.use)
        for picture in result.pictures:
            _show(report, picture)
        report.table("Further figures", ["figure", "value"], list(result.notes.items()))
        report.link("The run's report", result.report.relative_to(path.parent).as_posix())
    report.write(path)


def _show(report: Report, picture: Picture) -> None:
    if picture.text:
        report.text(f"{picture.caption}:")
        report.quotation(picture.text)
    if picture.figure is not None:
        report.figure(picture.figure, picture.caption)
    if picture.sound:
        report.sound(picture.sound, picture.caption if picture.figure is None else "")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        default="demo-runs",
        metavar="FOLDER",
        help="folder for the runs and the page (demo-runs)",
    )  # fmt: skip
    parser.add_argument(
        "--only",
        default="",
        metavar="APPLICATION",
        help="the only application to show, such as forecast",
    )


def _run(options: argparse.Namespace) -> Result:
    chosen = tuple(a for a in applications() if a.has_demo())
    if options.only:
        names = ", ".join(a.name for a in chosen)
        chosen = tuple(a for a in chosen if a.name == options.only)
        if not chosen:
            raise UserError(f"--only {options.only}: no such application. Available: {names}")
    return run_demo(chosen, Path(options.to))


VERBS = (Verb("demo", "see every application work on built-in data", _add_arguments, _run),)
