"""The evaluation of a run: a text is judged, and the figures and the report are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers.tokenizer import named_piece
from pipelines.tokenizers.unknown_text import ACCEPT, REFUSE, require_choice
from rnn_apps.language_modelling.judging.example_text import EXAMPLES, save_examples
from rnn_apps.language_modelling.judging.judgement import MODEL, as_json, judge
from rnn_apps.language_modelling.judging.known_text import notes_on_known_text
from rnn_apps.language_modelling.run_report import write_report
from rnn_apps.language_modelling.trained import TrainedLanguageModel

if TYPE_CHECKING:
    from pipelines.text.corpus import TextCorpus
    from pipelines.text.encoding import TokenArray


def evaluate(
    run: TrainedLanguageModel,
    data: str | TextCorpus | None,
    part: str,
    *,
    window: int = 0,
    dynamic: bool,
    cache: bool,
    unknown: str = ACCEPT,
    text_column: str = "",
) -> dict[str, Any]:
    """See `Run.evaluate`. Writes metrics.json and the report into the run."""
    run.folder.check_evaluable()
    own = data is None
    if own and text_column:
        raise UserError("text_column goes with other data: name the text to judge")
    if own:
        part = part or run.text.judged_part
        text = run.unchanged.tokens(part)
    elif part:
        raise UserError(f"part = {part!r} is of the run's own text; another is judged whole")
    else:
        assert data is not None
        other, part = run.text.other(data, text_column), "other_data"
        text = run.text.encode(other)
    require_choice(unknown)
    if window < 0:
        raise ConfigurationError(f"window = {window} must be at least 0")
    if unknown == REFUSE:
        _refuse_unknown(run, text)
    evaluated = judge(run, text, window=window, dynamic=dynamic, cache=cache)
    if not own:
        evaluated.notes.extend(notes_on_known_text(run, other, text))
    details = as_json(run, evaluated)
    table = evaluated.table()
    judged = own and part == run.text.held_out_part
    measured = {"source": text.name, "sha256": text.sha256, **details}
    page = run.folder.write_evaluation(part, measured, table, judged=judged)
    if judged:
        with run.folder.further_results() as beside:
            save_examples(beside / EXAMPLES, text.ids)
    write_report(run, evaluated, details, page)
    return {
        "table": table,
        "notes": evaluated.notes,
        "report": str(page),
        "tokens": evaluated.size.tokens,
        "unknown_tokens": evaluated.size.unknown,
        "perplexity_of_known_tokens": evaluated.known_perplexity,
        **evaluated.rows[MODEL].as_json(),
    }


def _refuse_unknown(run: TrainedLanguageModel, text: TokenArray) -> None:
    """Refuses a text with words or characters that are not in the vocabulary."""
    if not text.unknown_examples:
        return
    kind = run.tokenizer.kind
    listed = ", ".join(named_piece(piece, kind) for piece in text.unknown_examples)
    raise DataError(
        f"{text.unknown:,} of {text.length:,} tokens are {kind} that the model does not know, such "
        f"as {listed}",
        file=text.name,
        advice=f"Leave them out, or have them scored as the unknown token: unknown = {ACCEPT}.",
    )
