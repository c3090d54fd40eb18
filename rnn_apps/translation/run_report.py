"""The report of a run: how good its translations are, which ones, and where it looked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_apps.application.reporting.report import Report
from rnn_apps.application.reporting.training_section import add_training
from rnn_apps.edge.translation.sentences import one_line
from rnn_apps.translation.judging import charts
from rnn_apps.translation.judging.judgement import Evaluated
from rnn_apps.translation.trained import TrainedTranslationModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnn_apps.translation.judging.scoring import ScoredPair

SHOWN_AT_EACH_END = 10
SHOWN_BETWEEN = 5
ATTENTION_MAPS = 4
_LONGEST_MAP = 25


def write_report(
    run: TrainedTranslationModel, found: Evaluated, details: dict[str, Any], path: Path
) -> None:
    """Writes a run's report to `path`; `details` are what metrics.json says of the pairs."""
    config = run.config
    report = Report(
        f"Translation {run.folder.path.name}",
        footer=f"Made by: rnn-apps translate evaluate --run {run.folder.path}",
    )
    report.text(
        f"{config.encoder_layers} + {config.decoder_layers} {config.cell} layers of "
        f"{config.units} units, attention {config.attention}, decoder {config.decoder}, over "
        f"{run.source_tokenizer.size} source and {run.target_tokenizer.size} target "
        f"{run.target_tokenizer.kind}, trained on {config.data or 'pairs in memory'}."
    )
    _quality(report, found)
    _lengths(report, details)
    _sentences(report, found)
    _attention(report, run, found)
    _training(report, run)
    report.section("Configuration")
    report.settings(vars(config))
    report.write(path)


def _quality(report: Report, found: Evaluated) -> None:
    report.section("How good the translations are")
    report.text(
        "BLEU and chrF are 100 at most, and higher is better; TER counts edits per 100 words of "
        "the reference, and lower is better. All are computed by sacrebleu on detokenised text "
        f"with {_references(found)} per sentence. The baseline answers with the translation of the "
        "training sentence whose words are most similar. With teacher forcing the references have "
        f"a perplexity of {found.perplexity:.3f} per token."
    )
    table = found.table()
    report.table(table["title"], table["header"], table["rows"], marked=[0])
    report.table("Signatures", ["metric", "signature of sacrebleu"], list(found.signatures.items()))
    seconds = [[name, value, len(found.pairs) / value] for name, value in found.seconds.items()]
    report.table(
        "Time on the machine that made this page, compilation included",
        ["search", "seconds", "sentences per second"],
        seconds,
    )
    for note in found.notes:
        report.text(f"{note[0].upper()}{note[1:]}.")


def _references(found: Evaluated) -> str:
    counts = found.pairs.reference_counts
    return "one reference" if counts == "1" else f"{counts} references"


def _lengths(report: Report, details: dict[str, Any]) -> None:
    report.section("Quality by length")
    rows = details["by_length"]
    header = ["words of the source", "sentences", "mean chrF", "length ratio"]
    report.table("", header, [list(row.values()) for row in rows])
    report.figure(charts.quality_by_length(rows), "Translation quality by the length of the source")


def _sentences(report: Report, found: Evaluated) -> None:
    report.section("Sentences, best to worst")
    references = found.pairs.references
    order = np.argsort(-np.array(found.sentence_chrf), kind="stable")
    count = len(order)
    ends = min(SHOWN_AT_EACH_END, -(-count // 2))
    middle = count // 2
    groups = {
        "The best translations": order[:ends],
        "Translations from the middle": order[
            max(middle - SHOWN_BETWEEN // 2, 0) : middle + SHOWN_BETWEEN // 2 + 1
        ],
        "The worst translations": order[::-1][:ends],
    }
    header = ["source", "translation", "reference", "chrF"]
    for title, numbers in groups.items():
        rows = [
            [
                found.pairs.source[n], found.best[n].text, " | ".join(references[n]),
                found.sentence_chrf[n],
            ]
            for n in numbers
        ]  # fmt: skip
        report.table(title, header, rows)


def _attention(report: Report, run: TrainedTranslationModel, found: Evaluated) -> None:
    if run.config.attention == "none":
        return
    report.section("Where the model looks")
    report.text(
        "Each row is a token of the translation and each column a token of the source; the darker "
        "a cell, the more attention the source token had while the token of the row was written."
    )
    order = np.argsort(-np.array(found.sentence_chrf), kind="stable")
    short = [n for n in order if 0 < len(found.best[n].tokens) <= _LONGEST_MAP]
    picks = (
        [short[round(p * (len(short) - 1))] for p in np.linspace(0, 1, ATTENTION_MAPS)]
        if short
        else []
    )
    numbers = list(dict.fromkeys(int(n) for n in picks))
    shown = [(found.pairs.source[n], found.best[n].text) for n in numbers]
    for (source, text), scored in zip(shown, run.score(shown), strict=True):
        figure = attention_chart(run, source, scored)
        if figure is not None:
            report.figure(figure, f"{source} → {text}")


def attention_chart(run: TrainedTranslationModel, source: str, scored: ScoredPair) -> Figure | None:
    """The attention of one translation as a map; None if it has none that fits a page.

    Args:
        run: run whose model translated.
        source: the source sentence.
        scored: the translation's tokens and attention, from `Run.score`.
    """
    names = run.source_tokenizer.tokens
    columns = [*(names[n] for n in run.source_tokenizer.encode(one_line(source))), "<end>"]
    fits = scored.attention.shape[1] == len(columns) <= 2 * _LONGEST_MAP
    return charts.attention_map(scored.attention, columns, scored.tokens) if fits else None


def _training(report: Report, run: TrainedTranslationModel) -> None:
    add_training(report, run.folder, run.config, "loss (nats per token)")
    data: dict[str, Any] = run.metrics.get("data", {})
    for line in data.get("understood", []):
        report.text(line)
    rows = [
        [one["kind"], one["count"], one["treatment"], "; ".join(one["places"])]
        for one in data.get("findings", [])
    ]
    if rows:
        report.table(
            "What was found in the data", ["what", "count", "treatment", "first places"], rows
        )
