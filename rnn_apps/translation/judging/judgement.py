"""The judgement of sentence pairs: translations compared with references and a baseline."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.base.errors import UserError
from pipelines.data_report import PLACES_KEPT
from pipelines.pairs.encoding import without_too_long
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.tokenizers.sentence_ids import comparable_text
from rnn_apps.translation.judging.corpus_metrics import (
    HEADER,
    CorpusFigures,
    CorpusMetrics,
    unsplit_warning,
)
from rnn_apps.translation.trained import TrainedTranslationModel
from rnn_apps.translation.translating import Translation
from rnn_apps.translation.translation_memory import TranslationMemory

_log = logging.getLogger(__name__)

BASELINE = "nearest training sentence"
GREEDY = "greedy"
# The attention of all tokens of these pairs is in memory at a time.
SCORED_AT_ONCE = 10_000
# Upper borders of the source's length in words.
LENGTHS = (5, 10, 15, 20, 30, 50)


@dataclass(frozen=True)
class Evaluated:
    """Judged pairs.

    Attributes:
        name: name of the pairs and their part.
        pairs: pairs that were judged.
        best: best translation of each source that the search found.
        rows: figures by the name of what gave them; the search comes first.
        signatures: sacrebleu's signatures, by figure.
        references: all references of each pair, as the target's vocabulary would write them.
        sentence_chrf: chrF of each translation, 0 to 100.
        perplexity: perplexity per token of the references, with teacher forcing.
        seconds: time that each search took.
        notes: sentences that a reader of the figures must know.
    """

    name: str
    pairs: SentencePairs
    best: list[Translation]
    rows: dict[str, CorpusFigures]
    signatures: dict[str, str]
    references: list[tuple[str, ...]]
    sentence_chrf: list[float]
    perplexity: float
    seconds: dict[str, float]
    notes: list[str] = field(default_factory=list)

    @property
    def search(self) -> str:
        """The name of the search that the run is judged with."""
        return next(iter(self.rows))

    def table(self) -> dict[str, Any]:
        """The figures for the terminal and the report."""
        title = f"{self.name}: {len(self.pairs)} pairs"
        rows = [[name, *found.row()] for name, found in self.rows.items()]
        return {"title": title, "header": ["translated by", *HEADER], "rows": rows}


def judge(
    run: TrainedTranslationModel, pairs: SentencePairs, *, lowercase: bool = False
) -> Evaluated:
    """Translates with the run's search, greedily and by the baseline, and compares.

    References are compared as the target's vocabulary would write them; where that changes some, a
    row has the figures with the references as they are.

    Args:
        run: run that translates.
        pairs: pairs to judge.
        lowercase: True for a further row, in which BLEU and chrF are compared in lower case.

    Raises:
        DataError: no sentence is short enough to be translated at once.
    """
    notes: list[str] = []
    pairs = judgeable(run, pairs, notes)
    _log.info("Translating %s: %d sentences", pairs.name, len(pairs))
    references = comparable_references(run, pairs)
    metrics = CorpusMetrics(run.config.bleu_tokenizer)
    options = run.search_options
    width = options.beam_width
    names = {f"beam {width}" if width > 1 else GREEDY: options}
    if width > 1:
        names[GREEDY] = dataclasses.replace(options, beam_width=1)
    rows: dict[str, CorpusFigures] = {}
    seconds: dict[str, float] = {}
    best: list[Translation] = []
    for name, one in names.items():
        began = time.monotonic()
        translated = [found[0] for found in run.translate(pairs.source, one)]
        seconds[name] = time.monotonic() - began
        rows[name] = metrics.figures([t.text for t in translated], references)
        best = best or translated
    warning = unsplit_warning([first for first, *_ in references], run.config.bleu_tokenizer)
    notes += [warning] if warning else []
    texts = [one.text for one in best]
    signatures = metrics.signatures()
    if lowercase:
        folded = CorpusMetrics(run.config.bleu_tokenizer, lowercase=True)
        rows[f"{next(iter(rows))}, in lower case"] = folded.figures(texts, references)
        for name in ("BLEU", "chrF"):
            signatures[f"{name}, in lower case"] = folded.signatures()[name]
    _add_as_written(pairs.references, references, texts, metrics, rows, notes)
    notes += _note_several(pairs)
    _add_baseline(run, pairs, references, metrics, rows, notes)
    chrf = [
        metrics.sentence_chrf(text, correct)
        for text, correct in zip(texts, references, strict=True)
    ]
    perplexity = _perplexity(run, pairs, notes)
    return Evaluated(
        pairs.name, pairs, best, rows, signatures, references, chrf, perplexity, seconds, notes
    )


def comparable_references(
    run: TrainedTranslationModel, pairs: SentencePairs
) -> list[tuple[str, ...]]:
    """All references of each pair, as the target's vocabulary would write them."""
    return [
        tuple(comparable_text(run.target_tokenizer, one) for one in correct)
        for correct in pairs.references
    ]


def _note_several(pairs: SentencePairs) -> list[str]:
    if not pairs.further:
        return []
    return [
        f"each sentence has {pairs.reference_counts} references, and a translation need only be "
        "near one of them: figures with another number of references cannot be compared with "
        "these. The perplexity, and the length ratios by length, are of the first reference"
    ]


def judgeable(
    run: TrainedTranslationModel, pairs: SentencePairs, notes: list[str]
) -> SentencePairs:
    """The pairs whose sentences are short enough; a note says which are not judged.

    Raises:
        DataError: no pair is short enough.
    """
    longest = run.search_options.longest_source
    kept, left_out = without_too_long(pairs, run.source_tokenizer, run.target_tokenizer, longest)
    if left_out:
        shown = ", ".join(left_out[:PLACES_KEPT]) + (", ..." if left_out[PLACES_KEPT:] else "")
        notes.append(
            f"{len(left_out)} of the {len(pairs)} pairs of {pairs.name} are not judged, because a "
            f"sentence of theirs has more than {longest:,} tokens: {shown}"
        )
    return kept


def _add_as_written(
    written: Sequence[tuple[str, ...]],
    references: Sequence[tuple[str, ...]],
    texts: Sequence[str],
    metrics: CorpusMetrics,
    rows: dict[str, CorpusFigures],
    notes: list[str],
) -> None:
    pairs = zip(itertools.chain(*written), itertools.chain(*references), strict=True)
    changed = [(before, after) for before, after in pairs if before != after]
    if not changed:
        return
    search = next(iter(rows))
    rows[f"{search}, references as written"] = metrics.figures(texts, written)
    before, after = changed[0]
    notes.append(
        f"{len(changed)} of the {sum(map(len, written))} references hold characters that the "
        f"vocabulary normalises, as {before!r} to {after!r}: no translation has them, "
        "and translations are compared with references that are normalised alike. The row "
        "'references as written' compares with the others"
    )


def _add_baseline(
    run: TrainedTranslationModel,
    pairs: SentencePairs,
    references: Sequence[tuple[str, ...]],
    metrics: CorpusMetrics,
    rows: dict[str, CorpusFigures],
    notes: list[str],
) -> None:
    try:
        training = run.unchanged.whole.train
    except UserError as gone:
        notes.append(f"no baseline to compare with: {gone}")
        return
    memory = TranslationMemory(training.source, training.target)
    nearest = [comparable_text(run.target_tokenizer, memory.translate(s)) for s in pairs.source]
    rows[_baseline_name(memory.step, len(training))] = metrics.figures(nearest, references)
    known = set(training.source)
    seen = sum(source in known for source in pairs.source)
    if seen:
        notes.append(f"{seen} of the {len(pairs)} source sentences are also in the training data")


def _baseline_name(step: int, count: int) -> str:
    """The name of the baseline's row, which says if it has some of the training pairs only."""
    if step == 1:
        return BASELINE
    return f"{BASELINE} (of {len(range(0, count, step)):,} of {count:,}, one in {step})"


def _perplexity(run: TrainedTranslationModel, pairs: SentencePairs, notes: list[str]) -> float:
    """The perplexity of the first references; a note says what the vocabularies do not know."""
    chosen = list(zip(pairs.source, pairs.target, strict=True))
    total = known_total = 0.0
    tokens = unknown = in_sources = 0
    for first in range(0, len(chosen), SCORED_AT_ONCE):
        for one in run.score(chosen[first : first + SCORED_AT_ONCE]):
            total += one.log_probability
            known_total += float(one.known_log_probabilities.sum(dtype=np.float64))
            tokens += len(one.tokens)
            unknown += sum(one.unknown)
            in_sources += one.unknown_source
    perplexity = float(np.exp(-total / tokens))
    if unknown or in_sources:
        alone = float(np.exp(-known_total / (tokens - unknown)))
        such = run.unknown_text(list(pairs.source))
        notes.append(
            f"{unknown:,} of the {tokens:,} tokens of the references are unknown to the "
            f"vocabulary: the perplexity with them is {perplexity:.4g}, and it is {alone:.4g} of "
            "the others. "
            f"The sources hold {such or 'nothing unknown'}"
        )
    return perplexity


def by_length(found: Evaluated) -> list[dict[str, Any]]:
    """chrF of the translations by the length of the source in words."""
    words = np.array([len(source.split()) for source in found.pairs.source])
    chrf = np.array(found.sentence_chrf)
    ratio = np.array(
        [
            len(one.text.split()) / max(len(reference.split()), 1)
            for one, (reference, *_) in zip(found.best, found.references, strict=True)
        ]
    )
    rows = []
    lower = 1
    for upper in (*LENGTHS, None):
        inside = (words >= lower) & (words <= (upper or words.max()))
        if inside.any():
            rows.append(
                {
                    "words": f"{lower} to {upper}" if upper else f"{lower} or more",
                    "sentences": int(inside.sum()),
                    "chrf": float(chrf[inside].mean()),
                    "length_ratio": float(ratio[inside].mean()),
                }
            )
        lower = (upper or 0) + 1
    return rows


def as_json(found: Evaluated) -> dict[str, Any]:
    """What metrics.json says of the pairs."""
    return {
        "pairs": len(found.pairs),
        **({"references": found.pairs.reference_counts} if found.pairs.further else {}),
        "notes": found.notes,
        "translated_by": {name: one.as_json() for name, one in found.rows.items()},
        "signatures": found.signatures,
        "perplexity": found.perplexity,
        "seconds": {name: round(value, 3) for name, value in found.seconds.items()},
        "by_length": by_length(found),
    }
