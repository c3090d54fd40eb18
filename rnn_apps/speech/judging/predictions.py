"""The predictions of an evaluation as a table: one row per utterance, with its errors."""

from __future__ import annotations

import csv
import io

from rnn_apps.application.own_data import EVALUATED
from rnn_apps.speech.judging.judgement import Evaluated

HEADER = ("path", "offset", "duration", "speaker", "transcript", "recognised", "confidence",
          "words", "word_errors", "characters", "character_errors")  # fmt: skip


def predictions_name(report: str) -> str:
    """The name of the table that belongs to a report.

    Args:
        report: name of the report's page without its ending, such as "report-validation".
    """
    return f"{report.replace('report', 'predictions', 1)}.csv"


TABLES = tuple(map(predictions_name, ("report", *(f"report-{part}" for part in EVALUATED))))
"""Names of the tables that evaluations leave in a run."""


def predictions(evaluated: Evaluated) -> str:
    """The table as CSV, in the order of the recordings.

    It holds the transcripts of the way of decoding that was asked for. `offset` and `duration` are
    seconds; `offset` is empty for a whole file, so that the table is a list of recordings again.
    """
    first = evaluated.first
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(HEADER)
    for number, recording in enumerate(evaluated.utterances.store.recordings):
        segment, words, characters = (
            recording.segment,
            first.words[number],
            first.characters[number],
        )
        writer.writerow([
            recording.path.absolute(), "" if segment is None else f"{segment.offset:.3f}",
            f"{recording.seconds:.3f}", recording.speaker,
            evaluated.utterances.transcripts[number], first.transcripts[number].text,
            f"{first.transcripts[number].confidence:.4f}", words.reference, words.errors,
            characters.reference, characters.errors,
        ])  # fmt: skip
    return content.getvalue()
