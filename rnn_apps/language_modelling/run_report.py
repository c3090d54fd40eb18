"""The report of a run: how well it predicts, where the cost lies, and what it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnn_apps.application.reporting.report import Report
from rnn_apps.application.reporting.training_section import add_training
from rnn_apps.edge.sampling import SamplingConfig
from rnn_apps.language_modelling.judging import breakdown, charts
from rnn_apps.language_modelling.judging.judgement import Evaluated
from rnn_apps.language_modelling.trained import TrainedLanguageModel
from rnn_apps.language_modelling.writing import WritingConfig

SAMPLE_TOKENS = 400
PROMPT_TOKENS = 40
TEMPERATURES = (0.0, 0.5, 0.8, 1.0)


def write_report(
    run: TrainedLanguageModel, found: Evaluated, details: dict[str, Any], path: Path
) -> None:
    """Writes a run's report to `path`; `details` are what metrics.json says of the text."""
    config = run.config
    report = Report(
        f"Language model {run.folder.path.name}",
        footer=f"Made by: rnn-apps language evaluate --run {run.folder.path}",
    )
    report.text(
        f"{config.layers} {config.cell} layer(s) of {config.units} units each over a vocabulary of "
        f"{run.tokenizer.size} {run.tokenizer.kind}, trained on "
        f"{config.data or 'a text in memory'}."
    )
    _accuracy(report, found)
    _where(report, found, details)
    _calibration(report, details)
    _samples(report, run, found)
    _training(report, run)
    report.section("Configuration")
    report.settings(vars(config))
    report.write(path)


def _accuracy(report: Report, found: Evaluated) -> None:
    report.section("How well the text is predicted")
    report.text(
        "The whole text is scored once, from its beginning to its end, with the state carried "
        "through it: every token except the first is predicted from all tokens before it. Lower is "
        "better, except in the last two columns: how often the model considered the actual token "
        "the most probable one, or one of the five most probable. The n-gram model is counted on "
        "the same training text in the same tokens."
    )
    table = found.table()
    report.table(table["title"], table["header"], table["rows"], marked=[0])
    for note in found.notes:
        report.text(f"{note[0].upper()}{note[1:]}.")


def _where(report: Report, found: Evaluated, details: dict[str, Any]) -> None:
    report.section("Where the cost lies")
    header = ["token", "share of tokens", "bits per token", "share of cost", "most probable"]
    report.table("By kind of token", header, [list(row.values()) for row in details["by_class"]])
    header = ["token", "count", "bits per token", "share of cost"]
    rows = [list(row.values()) for row in details["most_costly"]]
    report.table("The most costly tokens", header, rows)
    report.figure(
        charts.cost_by_position(details["by_position"]),
        "Cost by distance from the beginning of the text, where the state is empty",
    )
    report.figure(
        charts.cost_over_the_text(breakdown.over_the_text(found.scores)), "Cost along the text"
    )


def _calibration(report: Report, details: dict[str, Any]) -> None:
    report.section("Calibration")
    report.text(
        "A model is well calibrated if the token that it considers most probable comes as often as "
        "its probability says. The mean deviation from that (expected calibration error) is "
        f" {details['expected_calibration_error']:.4f}."
    )
    report.figure(charts.reliability(details["calibration"]), "Calibration of the first choice")


def _samples(report: Report, run: TrainedLanguageModel, found: Evaluated) -> None:
    report.section("What it writes")
    prompt = run.tokenizer.decode(found.tokens[:PROMPT_TOKENS])
    # Only a vocabulary of words has a text that stands for what it does not know.
    unknown = run.tokenizer.unknown_id in found.tokens[:PROMPT_TOKENS]
    if unknown and run.tokenizer.kind != "words":
        prompt = ""
        if run.tokenizer.line_end_id is None:
            return
    rows = []
    for temperature in TEMPERATURES:
        sampling = SamplingConfig(temperature=temperature, seed=0)
        [text] = run.writer.write([prompt], WritingConfig(SAMPLE_TOKENS, sampling))
        rows.append([f"{temperature:g}", text])
    report.table(f"Text after the prompt {prompt!r}", ["temperature", "text"], rows)


def _training(report: Report, run: TrainedLanguageModel) -> None:
    add_training(report, run.folder, run.config, "loss (nats per token)")
    for line in run.metrics.get("data", {}).get("understood", []):
        report.text(line)
