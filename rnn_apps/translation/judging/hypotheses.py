"""The translations that an evaluation judged, as a table with a row per sentence."""

from __future__ import annotations

from pathlib import Path

from rnn_apps.application.table_files import write_table
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics
from rnn_apps.translation.judging.judgement import Evaluated

HEADER = (
    "id", "source", "reference", "hypothesis", "score", "log probability", "BLEU", "chrF",
)  # fmt: skip


def write_hypotheses(path: str | Path, evaluated: Evaluated, tokenizer: str) -> None:
    """Writes what the run's search found for each judged pair.

    The id is the pair's place in its source, such as "line 3". BLEU and chrF are of the sentence;
    sentence BLEU takes the orders of n-grams that the sentence has.

    Args:
        path: path of the file, which ends in .csv, .tsv or .jsonl.
        evaluated: pairs of sentences that were judged, with their hypotheses.
        tokenizer: name of BLEU's tokenizer.

    Raises:
        UserError: the path has another ending.
    """
    metrics = CorpusMetrics(tokenizer)
    pairs = evaluated.pairs
    rows = []
    for number, found in enumerate(evaluated.best):
        reference = pairs.target[number]
        rows.append(
            [
                pairs.place(number),
                pairs.source[number],
                reference,
                found.text,
                float(found.score),
                float(found.log_probability),
                metrics.sentence_bleu(found.text, reference),
                float(evaluated.sentence_chrf[number]),
            ]
        )
    write_table(path, HEADER, rows)
