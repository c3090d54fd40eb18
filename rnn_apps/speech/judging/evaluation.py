"""The evaluation of a run: recordings are judged, and the figures and the report are written."""

from __future__ import annotations

from typing import Any

from pipelines.base.atomic_files import write_text
from pipelines.base.errors import UserError
from pipelines.base.stated_columns import Stated
from pipelines.speech import Recordings
from rnn_apps.application.own_data import PARTS
from rnn_apps.speech.decoding import DecodingConfig
from rnn_apps.speech.judging.judgement import as_json, check_decoding, judge
from rnn_apps.speech.judging.predictions import predictions, predictions_name
from rnn_apps.speech.run_report import write_report
from rnn_apps.speech.trained import TrainedRecogniser


def evaluate(
    run: TrainedRecogniser,
    data: str | Recordings | None,
    part: str,
    decoding: DecodingConfig | None,
    columns: Stated = (),
) -> dict[str, Any]:
    """See `Run.evaluate`. Writes metrics.json, the report and the predictions into the run."""
    run.folder.check_evaluable()
    own = data is None
    if part and part not in PARTS:
        raise UserError(f"part = {part!r}: choose from {', '.join(PARTS)}")
    if own and columns:
        raise UserError("column goes with other data, since the run knows its own: name data")
    if own:
        part = part or run.judged_part
        recordings = run.recordings(part)
    else:
        assert data is not None
        recordings = run.other_recordings(data, part, columns)
        part = "other_data"
    notes = check_decoding(run, decoding)
    evaluated = judge(run, recordings, part, decoding)
    evaluated.notes.extend(notes)
    details = as_json(evaluated)
    judged = own and part == run.held_out_part
    page = run.folder.write_evaluation(part, details, evaluated.table(), judged=judged)
    write_report(run, evaluated, details, page)
    table = page.with_name(predictions_name(page.stem))
    write_text(table, predictions(evaluated))
    return {
        "table": evaluated.table(),
        "notes": evaluated.notes,
        "report": str(page),
        "predictions": str(table),
        "data": evaluated.utterances.report.as_dict(),
        "wer": evaluated.first.word_total.rate,
        "cer": evaluated.first.character_total.rate,
    }
