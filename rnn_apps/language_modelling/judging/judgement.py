"""The judgement of a text: each token is scored by the model and, for comparison, by others."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import UserError
from pipelines.text.encoding import TokenArray
from pipelines.tokenizers.tokenizer import named_piece
from rnn_apps.language_modelling.judging import breakdown
from rnn_apps.language_modelling.judging.dynamic_evaluation import DynamicEvaluation
from rnn_apps.language_modelling.judging.figures import (
    HEADER,
    TextFigures,
    TextSize,
    figures,
    mean_perplexity,
    predicted_size,
)
from rnn_apps.language_modelling.judging.kneser_ney import ORDER, KneserNey
from rnn_apps.language_modelling.judging.known_text import tuning_text
from rnn_apps.language_modelling.judging.neural_cache import NeuralCache
from rnn_apps.language_modelling.judging.scoring import (
    TokenScores,
    score_tokens,
    score_windows,
)
from rnn_apps.language_modelling.trained import TrainedLanguageModel

_log = logging.getLogger(__name__)

MODEL = "model"
BASELINE = f"Kneser-Ney {ORDER}-gram"
# Of the text that the n-gram model counts, where there is more.
MOST_BASELINE_TOKENS = 20_000_000


@dataclass(frozen=True)
class Evaluated:
    """A judged text.

    Attributes:
        name: name of the text and its part.
        tokens: tokens of the text, integers [tokens].
        size: number of tokens, characters and bytes that were predicted.
        scores: scores by the model of each token but the first.
        rows: figures by the name of what gave them; the model itself comes first.
        notes: sentences that a reader of the figures must know.
        known_perplexity: perplexity of the tokens that the vocabulary has, by the model; None if it
            has none of them.
    """

    name: str
    tokens: NDArray[Any]
    size: TextSize
    scores: TokenScores
    rows: dict[str, TextFigures]
    notes: list[str] = field(default_factory=list)
    known_perplexity: float | None = None

    def table(self) -> dict[str, Any]:
        """The figures for the terminal and the report."""
        title = f"{self.name}: {self.size.tokens} tokens, {self.size.characters} characters"
        rows = [[name, *found.row()] for name, found in self.rows.items()]
        return {"title": title, "header": [MODEL, *HEADER], "rows": rows}


def judge(
    run: TrainedLanguageModel,
    text: TokenArray,
    *,
    window: int = 0,
    dynamic: bool = False,
    cache: bool = False,
) -> Evaluated:
    """Scores a text with the model, with an n-gram model and with what else is asked for.

    Args:
        run: trained language model.
        text: tokens of the text.
        window: number of tokens of the windows that are also judged without what comes before
            them; 0 for none.
        dynamic: True to judge with dynamic evaluation too.
        cache: True to judge with a neural cache too.

    Raises:
        UserError: `dynamic` or `cache` is asked for, and the text holds every part of the run's
            text on which settings could be chosen, or the run's text is no longer what it was.
    """
    if dynamic or cache:
        tuning_name, tuning = tuning_text(run, text)
    _log.info("Scoring %s: %d tokens", text.name, text.length)
    tokens = text.ids
    scores = score_tokens(run.carried, tokens)
    size = predicted_size(run.tokenizer, tokens, text.characters, text.bytes)
    rows = {MODEL: figures(scores.log_probabilities, size, scores.ranks)}
    unknown = -1 if run.tokenizer.unknown_id is None else run.tokenizer.unknown_id
    known = mean_perplexity(scores.log_probabilities[np.asarray(tokens[1:]) != unknown])
    notes = _notes(text, size, run.tokenizer.kind, rows[MODEL].perplexity, known)
    found = Evaluated(text.name, tokens, size, scores, rows, notes, known)
    if window:
        _log.info("Windows of %d tokens", window)
        name = f"{MODEL}, windows of {window:,} tokens without earlier context"
        found.rows[name] = figures(score_windows(run.carried, tokens, window), size)
    if dynamic or cache:
        found.notes.append(f"dynamic evaluation and cache: settings chosen on {tuning_name}")
    if dynamic:
        _add_dynamic(run, found, tuning)
    if cache:
        _add_cache(run, found, tuning)
    _add_baseline(run, found)
    return found


def _notes(
    text: TokenArray, size: TextSize, kind: str, perplexity: float, known: float | None
) -> list[str]:
    if not size.unknown:
        return []
    examples = ", ".join(named_piece(piece, kind) for piece in text.unknown_examples)
    such = f"such as {examples}" if examples else "<unk> in the text itself"
    alone = "there is no other token" if known is None else f"it is {known:.4g} of the others"
    return [
        f"{100 * size.unknown_rate:.3g} % of the tokens ({size.unknown:,} of {size.tokens:,}) are "
        f"unknown ({such}). The perplexity with them is {perplexity:.4g}; {alone}. Which "
        "unknown one it was costs nothing here, so there is no figure per character or byte, and "
        "none can be compared with that of another vocabulary"
    ]


def _add_dynamic(run: TrainedLanguageModel, found: Evaluated, tuning: NDArray[Any]) -> None:
    _log.info("Dynamic evaluation")
    adaptive = DynamicEvaluation(run.carried, run.unchanged.tokens("train").ids)
    settings = adaptive.choose(tuning)
    log_probabilities = adaptive.log_probabilities(found.tokens, settings)
    name = (
        f"{MODEL}, dynamic evaluation (rate {settings.learning_rate:g}, decay {settings.decay:g})"
    )
    found.rows[name] = figures(log_probabilities, found.size)


def _add_cache(run: TrainedLanguageModel, found: Evaluated, tuning: NDArray[Any]) -> None:
    _log.info("Neural cache")
    settings = NeuralCache(run.carried, tuning).choose()
    log_probabilities = NeuralCache(run.carried, found.tokens).log_probabilities(settings)
    name = (
        f"{MODEL}, neural cache (theta {settings.flatness:g}, lambda {settings.share:g}, "
        f"{settings.window} tokens)"
    )
    found.rows[name] = figures(log_probabilities, found.size)


def _add_baseline(run: TrainedLanguageModel, found: Evaluated) -> None:
    """Adds an n-gram model over the same training text and the same tokens."""
    try:
        training = run.unchanged.tokens("train").ids
    except UserError as gone:
        found.notes.append(f"no n-gram model to compare with: {gone}")
        return
    name = BASELINE
    if len(training) > MOST_BASELINE_TOKENS:
        training = training[:MOST_BASELINE_TOKENS]
        name += f" (of the first {MOST_BASELINE_TOKENS} tokens)"
    baseline = KneserNey(np.asarray(training), run.tokenizer.size)
    log_probabilities = baseline.log_probabilities(np.asarray(found.tokens))[1:]
    found.rows[name] = figures(log_probabilities, found.size)


def as_json(run: TrainedLanguageModel, found: Evaluated) -> dict[str, Any]:
    """The entry of a judged text in metrics.json."""
    reliability, error = breakdown.calibration(found.scores)
    return {
        "tokens": found.size.tokens,
        "characters": found.size.characters,
        "bytes": found.size.bytes,
        "unknown_rate": found.size.unknown_rate,
        **_unknown_json(found),
        "notes": found.notes,
        "models": {name: one.as_json() for name, one in found.rows.items()},
        "by_class": breakdown.by_class(run.tokenizer, found.tokens, found.scores),
        "by_position": breakdown.by_position(found.scores),
        "most_costly": breakdown.most_costly(run.tokenizer, found.tokens, found.scores),
        "calibration": reliability,
        "expected_calibration_error": error,
    }


def _unknown_json(found: Evaluated) -> dict[str, Any]:
    """Figures of a text with unknown tokens; nothing of another text, which has no use for them."""
    if not found.size.unknown:
        return {}
    return {
        "unknown_tokens": found.size.unknown,
        "perplexity_of_known_tokens": found.known_perplexity,
    }
