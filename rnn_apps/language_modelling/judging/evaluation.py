"""The evaluation of a run: the whole text, exactly, beside an n-gram model; and the report."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import UserError
from pipelines.text.encoding import TokenArray
from rnn_apps.language_modelling.device.exporting import EXAMPLES, save_examples
from rnn_apps.language_modelling.judging import breakdown
from rnn_apps.language_modelling.judging.dynamic_evaluation import DynamicEvaluation
from rnn_apps.language_modelling.judging.figures import (
    HEADER,
    TextFigures,
    TextSize,
    figures,
    predicted_size,
)
from rnn_apps.language_modelling.judging.kneser_ney import ORDER, KneserNey
from rnn_apps.language_modelling.judging.neural_cache import NeuralCache
from rnn_apps.language_modelling.judging.scoring import TokenScores, score_tokens
from rnn_apps.language_modelling.run_report import write_report
from rnn_apps.language_modelling.run_text import TEXT

if TYPE_CHECKING:
    from pipelines.text.corpus import TextCorpus
    from rnn_apps.language_modelling.run import Run

_log = logging.getLogger(__name__)

MODEL = "model"
BASELINE = f"Kneser-Ney {ORDER}-gram"
# Of the text that dynamic evaluation and the cache are tuned on, and of that which the n-gram
# model counts, where there is more.
MOST_TUNING_TOKENS = 10_000
MOST_BASELINE_TOKENS = 20_000_000


@dataclass(frozen=True)
class Evaluated:
    """A judged text.

    Attributes:
        name: of the text and part.
        tokens: integers [tokens], the text.
        scores: the model's, of each token but the first.
        rows: the figures by the name of what gave them; the model itself is the first.
        notes: what a reader must know of the figures.
    """

    name: str
    tokens: NDArray[Any]
    size: TextSize
    scores: TokenScores
    rows: dict[str, TextFigures]
    notes: list[str] = field(default_factory=list)

    def table(self) -> dict[str, Any]:
        """The figures for the terminal and the report."""
        title = f"{self.name}: {self.size.tokens} tokens, {self.size.characters} characters"
        rows = [[name, *found.row()] for name, found in self.rows.items()]
        return {"title": title, "header": [MODEL, *HEADER], "rows": rows}


def evaluate(
    run: Run, data: str | TextCorpus | None, part: str, *, dynamic: bool, cache: bool
) -> dict[str, Any]:
    """See `Run.evaluate`. Writes metrics.json and the report into the run."""
    run.folder.check_evaluable()
    own = data is None
    if own:
        part = part or run.text.judged_part
        text = run.text.tokens(part)
        trained_on = run.text.tokens("train")
        run.folder.check_own_data(TEXT, trained_on.name, sha256=trained_on.sha256)
    elif part:
        raise UserError(f"part = {part!r} is of the run's own text; another is judged whole")
    else:
        assert data is not None
        text, part = run.text.other(data), "other_data"
    found = judge(run, text, part, dynamic=dynamic, cache=cache)
    details = _as_json(run, found)
    table = found.table()
    judged = own and part == run.text.judged_part
    run.folder.write_metrics(
        **{part: {"source": text.name, "sha256": text.sha256, **details}},
        **({"table": table} if judged else {}),
    )
    if judged:
        with run.folder.further_results() as beside:
            save_examples(beside / EXAMPLES, text.ids)
    # The run's own page stays that of the part it is judged on.
    page = run.folder.report if judged else run.folder.path / f"report-{part}.html"
    write_report(run, found, details, page)
    return {
        "table": table,
        "notes": found.notes,
        "report": str(page),
        "tokens": found.size.tokens,
        **found.rows[MODEL].as_json(),
    }


def judge(
    run: Run, text: TokenArray, part: str, *, dynamic: bool = False, cache: bool = False
) -> Evaluated:
    """Scores a text with the model, the n-gram model and what else is asked for."""
    _log.info("Scoring %s: %d tokens", text.name, text.length)
    tokens = text.ids
    scores = score_tokens(run.carried, tokens)
    size = predicted_size(run.tokenizer, tokens, text.characters, text.bytes)
    rows = {MODEL: figures(scores.log_probabilities, size, scores.ranks)}
    found = Evaluated(text.name, tokens, size, scores, rows, _notes(text, size))
    if dynamic or cache:
        tuning_name, tuning = _tuning_text(run, part)
        found.notes.append(f"dynamic evaluation and cache: settings chosen on {tuning_name}")
    if dynamic:
        _add_dynamic(run, found, tuning)
    if cache:
        _add_cache(run, found, tuning)
    _add_baseline(run, found)
    return found


def _notes(text: TokenArray, size: TextSize) -> list[str]:
    if not size.unknown:
        return []
    examples = ", ".join(repr(piece) for piece in text.unknown_examples)
    such = f"such as {examples}" if examples else "<unk> in the text itself"
    return [
        f"{100 * size.unknown_rate:.3g} % of the tokens are unknown ({such}). Which "
        "unknown one it was costs nothing here, so there is no figure a character or a byte, and "
        "none can be compared with that of another vocabulary"
    ]


def _tuning_text(run: Run, part: str) -> tuple[str, NDArray[Any]]:
    """Text on which settings are chosen: never that which is scored."""
    chosen = "validation" if part != "validation" and run.text.has("validation") else "train"
    tokens = run.text.tokens(chosen).ids
    cut = tokens[-MOST_TUNING_TOKENS:] if chosen == "train" else tokens[:MOST_TUNING_TOKENS]
    return f"{len(cut)} tokens of the {chosen} part", np.asarray(cut)


def _add_dynamic(run: Run, found: Evaluated, tuning: NDArray[Any]) -> None:
    _log.info("Dynamic evaluation")
    adaptive = DynamicEvaluation(run.carried, run.text.tokens("train").ids)
    settings = adaptive.choose(tuning)
    log_probabilities = adaptive.log_probabilities(found.tokens, settings)
    name = (
        f"{MODEL}, dynamic evaluation (rate {settings.learning_rate:g}, decay {settings.decay:g})"
    )
    found.rows[name] = figures(log_probabilities, found.size)


def _add_cache(run: Run, found: Evaluated, tuning: NDArray[Any]) -> None:
    _log.info("Neural cache")
    settings = NeuralCache(run.carried, tuning).choose()
    log_probabilities = NeuralCache(run.carried, found.tokens).log_probabilities(settings)
    name = (
        f"{MODEL}, neural cache (theta {settings.flatness:g}, lambda {settings.share:g}, "
        f"{settings.window} tokens)"
    )
    found.rows[name] = figures(log_probabilities, found.size)


def _add_baseline(run: Run, found: Evaluated) -> None:
    """An n-gram model over the same training text and the same tokens."""
    try:
        training = run.text.tokens("train").ids
    except UserError as gone:
        found.notes.append(f"no n-gram model beside it: {gone}")
        return
    name = BASELINE
    if len(training) > MOST_BASELINE_TOKENS:
        training = training[:MOST_BASELINE_TOKENS]
        name += f" (of the first {MOST_BASELINE_TOKENS} tokens)"
    baseline = KneserNey(np.asarray(training), run.tokenizer.size)
    log_probabilities = baseline.log_probabilities(np.asarray(found.tokens))[1:]
    found.rows[name] = figures(log_probabilities, found.size)


def _as_json(run: Run, found: Evaluated) -> dict[str, Any]:
    reliability, error = breakdown.calibration(found.scores)
    return {
        "tokens": found.size.tokens,
        "characters": found.size.characters,
        "bytes": found.size.bytes,
        "unknown_rate": found.size.unknown_rate,
        "notes": found.notes,
        "models": {name: one.as_json() for name, one in found.rows.items()},
        "by_class": breakdown.by_class(run.tokenizer, found.tokens, found.scores),
        "by_position": breakdown.by_position(found.scores),
        "most_costly": breakdown.most_costly(run.tokenizer, found.tokens, found.scores),
        "calibration": reliability,
        "expected_calibration_error": error,
    }
