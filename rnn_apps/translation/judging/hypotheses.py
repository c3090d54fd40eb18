"""The translations that an evaluation judged, as a table with a row per sentence."""

from __future__ import annotations

from pathlib import Path

from rnn_apps.application.table_files import write_table
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics
from rnn_apps.translation.judging.judgement import Evaluated

PAIR, FOUND = ("id", "source"), ("hypothesis", "score", "log probability", "BLEU", "chrF")
REFERENCE = "reference"


def write_hypotheses(path: str | Path, evaluated: Evaluated, tokenizer: str) -> None:
    """Writes what the run's search found for each judged pair.

    The id is the pair's place in its source, such as "line 3". A column `reference 2` and so on
    follow the first reference where sentences have several; missing ones are empty. References are
    shown as they are written. BLEU and chrF are of the sentence and, as the run's own figures,
    compare with the references as the target's vocabulary would write them; sentence BLEU takes the
    orders of n-grams that the sentence has.

    Args:
        path: path of the file, which ends in .csv, .tsv or .jsonl.
        evaluated: pairs of sentences that were judged, with their hypotheses.
        tokenizer: name of BLEU's tokenizer.

    Raises:
        UserError: the path has another ending.
    """
    metrics = CorpusMetrics(tokenizer)
    pairs = evaluated.pairs
    most = max(map(len, pairs.references))
    header = (*PAIR, REFERENCE, *(f"{REFERENCE} {place}" for place in range(2, most + 1)), *FOUND)
    rows = []
    for number, (found, written) in enumerate(zip(evaluated.best, pairs.references, strict=True)):
        rows.append(
            [
                pairs.place(number),
                pairs.source[number],
                *written,
                *[None] * (most - len(written)),
                found.text,
                float(found.score),
                float(found.log_probability),
                metrics.sentence_bleu(found.text, evaluated.references[number]),
                float(evaluated.sentence_chrf[number]),
            ]
        )
    write_table(path, header, rows)
