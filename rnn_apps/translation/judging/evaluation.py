"""The evaluation of a run: pairs are judged, and the figures and the report are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import UserError
from rnn_apps.application.table_files import require_table_name
from rnn_apps.translation.judging.example_pairs import FILE as EXAMPLES
from rnn_apps.translation.judging.example_pairs import save_examples
from rnn_apps.translation.judging.hypotheses import write_hypotheses
from rnn_apps.translation.judging.judgement import as_json, judge
from rnn_apps.translation.run_data import AS_TRAINED, JudgedAs
from rnn_apps.translation.run_report import write_report
from rnn_apps.translation.trained import TrainedTranslationModel

if TYPE_CHECKING:
    from pipelines.pairs.sentence_pairs import SentencePairs


def evaluate(
    run: TrainedTranslationModel,
    data: str | SentencePairs | None,
    part: str,
    *,
    read: JudgedAs = AS_TRAINED,
    hypotheses: str | Path = "",
    lowercase: bool = False,
) -> dict[str, Any]:
    """See `Run.evaluate`. Writes metrics.json and the report into the run."""
    run.folder.check_evaluable()
    if hypotheses:
        require_table_name(hypotheses)
    own = data is None
    if own:
        part = part or run.data.judged_part
        pairs = run.unchanged.judged(part, read)
    elif part:
        raise UserError(f"part = {part!r} is of the run's own pairs; others are judged whole")
    else:
        assert data is not None
        pairs, part = run.data.other(data, read), "other_data"
    evaluated = judge(run, pairs, lowercase=lowercase)
    if hypotheses:
        write_hypotheses(hypotheses, evaluated, run.config.bleu_tokenizer)
    details = as_json(evaluated)
    table = evaluated.table()
    judged = own and part == run.data.held_out_part
    if judged:
        with run.folder.further_results() as beside:
            save_examples(beside / EXAMPLES, evaluated.pairs.source, evaluated.pairs.target)
    measured = {"source": pairs.name, "sha256": pairs.fingerprint, **details}
    page = run.folder.write_evaluation(part, measured, table, judged=judged)
    write_report(run, evaluated, details, page)
    return {
        "table": table,
        "notes": evaluated.notes,
        "signatures": evaluated.signatures,
        "perplexity": evaluated.perplexity,
        "report": str(page),
        **({"hypotheses": str(hypotheses)} if hypotheses else {}),
        **evaluated.rows[evaluated.search].as_json(),
    }
