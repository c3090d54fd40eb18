"""Whether one run translates better than another: sacrebleu's paired bootstrap (Koehn 2004)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import UserError
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics
from rnn_apps.translation.judging.judgement import judgeable
from rnn_apps.translation.run_data import AS_TRAINED, JudgedAs
from rnn_apps.translation.trained import TrainedTranslationModel

if TYPE_CHECKING:
    from pipelines.pairs.sentence_pairs import SentencePairs

SAMPLES = 1000
HEADER = ("run", "metric", "score", "mean of the samples", "95% interval ±", "p")


def compare(
    runs: Sequence[TrainedTranslationModel],
    data: str | SentencePairs | None = None,
    part: str = "",
    samples: int = SAMPLES,
    *,
    read: JudgedAs = AS_TRAINED,
) -> dict[str, Any]:
    """Translates the same sentences with several runs and tests the differences to the first.

    Each run searches with its own settings. All are compared with the references as they are
    written, since vocabularies may normalise in different ways. p is the probability of a
    difference this large between systems of equal quality.

    Args:
        runs: two runs or more; the first is what the others are compared with.
        data: pairs to judge; None for those of the first run.
        part: name of a part of the first run's own pairs; empty for its test part.
        samples: number of samples that the bootstrap draws.
        read: further references of the pairs, and their columns.

    Returns:
        "table" with a row per run and figure, and sacrebleu's signatures.

    Raises:
        UserError: fewer than two runs or no samples are asked for, or a part of other pairs.
        DataError: the pairs cannot be read, are of other languages than a run's, or are a part of
            data that has changed since the first run was trained on it.
    """
    if len(runs) < 2:
        raise UserError("a comparison needs two runs or more")
    if samples < 1:
        raise UserError(f"samples = {samples} must be at least 1")
    first = runs[0]
    if data is None:
        pairs = first.unchanged.judged(part or first.data.judged_part, read)
    elif part:
        raise UserError(f"part = {part!r} is of the run's own pairs; others are judged whole")
    else:
        pairs = first.data.other(data, read)
    notes: list[str] = []
    for run in runs:
        run.data.require_same_direction(pairs)
        pairs = judgeable(run, pairs, notes)
        _note_known_sentences(run, pairs, notes)
    systems = []
    for number, run in enumerate(runs, 1):
        texts = [found[0].text for found in run.translate(pairs.source)]
        systems.append((f"{number}: {run.folder.path}", texts))
    metrics = CorpusMetrics(first.config.bleu_tokenizer)
    signatures, scores = metrics.paired_bootstrap(systems, pairs.references, samples)
    rows = [
        [name, metric, float(one.score), float(one.mean), float(one.ci), _p_value(one, results[0])]
        for metric, results in scores.items()
        for (name, _), one in zip(systems, results, strict=True)
    ]
    title = f"{pairs.name}: {len(pairs)} pairs, {samples} samples, compared with {systems[0][0]}"
    return {
        "table": {"title": title, "header": list(HEADER), "rows": rows},
        "notes": notes,
        "signatures": signatures,
    }


def _p_value(result: Any, first: Any) -> float | None:
    """The p of a system; None for the first one, which is compared with nothing.

    sacrebleu counts samples whose difference exceeds the real one, so that it would call two equal
    systems, whose differences are all 0, surely different.
    """
    if result is first:
        return None
    return 1.0 if result.score == first.score else float(result.p_value)


def _note_known_sentences(
    run: TrainedTranslationModel, pairs: SentencePairs, notes: list[str]
) -> None:
    """Notes sentences that a run was trained on, which would flatter it."""
    try:
        known = set(run.unchanged.whole.train.source)
    except UserError:
        notes.append(f"whether {run.folder.path} was trained on some of the sentences is not known")
        return
    seen = sum(source in known for source in pairs.source)
    if seen:
        notes.append(f"{run.folder.path} was trained on {seen} of the {len(pairs)} sentences")
