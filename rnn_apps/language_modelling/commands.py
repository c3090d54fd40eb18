"""Language modelling on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import DataError, UserError
from rnn_apps.application.definition import Application, Result, Verb
from rnn_apps.application.flags import UNKNOWN_CHOICES, add_run, add_unknown

if TYPE_CHECKING:
    from rnn_apps.language_modelling.writing import WritingConfig

_log = logging.getLogger(__name__)

_TEMPERATURE = 0.8


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--data", default="", metavar="SOURCE", help="other text than the run's own test part"
    )
    parser.add_argument(
        "--part", default="", metavar="PART", help="of the run's own text: train|validation|test"
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="a column and its role in other data, as text=NAME; as in training",
    )
    parser.add_argument(
        "--text-column",
        default="",
        metavar="COLUMN",
        help="column that has the text in other data, by name or number; as in training",
    )
    parser.add_argument(
        "--window",
        type=int,
        default=0,
        metavar="N",
        help="also in windows of N tokens without earlier context, as transformers are judged",
    )
    parser.add_argument(
        "--dynamic",
        action="store_true",
        help="also with dynamic evaluation: the model continues to learn from the text it has read",
    )
    parser.add_argument(
        "--cache",
        action="store_true",
        help="also with a neural cache: recent tokens of a similar state are more probable",
    )
    add_unknown(parser, "accept")


def _evaluate(options: argparse.Namespace) -> Result:
    from pipelines import roles
    from pipelines.base.stated_columns import agreed_columns
    from rnn_apps.language_modelling.run import load

    (text_column,) = agreed_columns(options.column, roles.TEXT, text_column=options.text_column)
    return load(options.run).evaluate(
        options.data or None,
        options.part,
        window=options.window,
        dynamic=options.dynamic,
        cache=options.cache,
        unknown=options.unknown,
        text_column=text_column,
    )


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--prompt",
        action="append",
        metavar="TEXT",
        help="what to write on after, or - for standard input; may be given several times",
    )
    parser.add_argument(
        "--most-tokens",
        type=int,
        default=400,
        metavar="N",
        help="number of tokens to write at most (400)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=_TEMPERATURE,
        metavar="T",
        help=f"temperature of the draws; 0 is greedy ({_TEMPERATURE})",
    )
    parser.add_argument(
        "--top-k", type=int, default=0, metavar="K", help="draw from the K most probable only"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="draw from the most probable that have probability P together only",
    )
    parser.add_argument(
        "--min-p",
        type=float,
        default=0.0,
        metavar="P",
        help="draw from tokens with at least this share of the largest probability only",
    )
    parser.add_argument(
        "--typical-p",
        type=float,
        default=1.0,
        metavar="P",
        help="draw from the tokens of most typical surprise that have probability P together only",
    )
    parser.add_argument(
        "--repetition-window",
        type=int,
        default=64,
        metavar="N",
        help="number of latest tokens that the repetition penalty applies to (64)",
    )
    parser.add_argument(
        "--repetition-penalty",
        type=float,
        default=1.0,
        metavar="R",
        help="above 1: what was written lately is less probable",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=None,
        metavar="N",
        help="seed of the draws; the same seed writes the same text",
    )
    parser.add_argument(
        "--beam", type=int, default=0, metavar="N", help="search the most probable text instead"
    )
    parser.add_argument("--stop", default="", metavar="TEXT", help="end once this is written")
    add_unknown(parser, "refuse")


def _writing_config(options: argparse.Namespace) -> WritingConfig:
    from rnn_apps.edge.sampling import SamplingConfig
    from rnn_apps.edge.sampling_rules import rules_in_use
    from rnn_apps.language_modelling.writing import WritingConfig

    unused = rules_in_use(vars(options)) if options.beam or not options.temperature else []
    if options.beam and options.temperature not in (0, _TEMPERATURE):
        unused.append("--temperature")
    if options.beam and options.seed is not None:
        unused.append("--seed")
    if unused:
        drawn = "--beam searches" if options.beam else "--temperature 0 takes the most probable"
        _log.warning(f"{', '.join(unused)} without effect: {drawn} instead of drawing")
    sampling = SamplingConfig(
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        repetition_penalty=options.repetition_penalty,
        repetition_window=options.repetition_window,
        seed=options.seed,
        min_p=options.min_p,
        typical_p=options.typical_p,
    )
    return WritingConfig(options.most_tokens, sampling, options.beam, options.stop, options.unknown)


def _generate(options: argparse.Namespace) -> Result:
    config = _writing_config(options)
    from pipelines.text.lines import text_from_standard_input

    prompts = [text_from_standard_input() if p == "-" else p for p in options.prompt or [""]]
    from rnn_apps.language_modelling.run import load

    run = load(options.run)
    if options.json or len(prompts) > 1:
        texts = run.generate(prompts, config)
        rows = [list(pair) for pair in zip(prompts, texts, strict=True)]
        return {"table": {"title": "", "header": ["prompt", "text"], "rows": rows}}
    pieces = run.stream(prompts[0], config)
    # The first piece first: a prompt that cannot be used is refused before anything is printed.
    first = next(pieces, "")
    print(prompts[0] + first, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    return {}


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--text", metavar="TEXT", help="text to score, or - for standard input")
    given.add_argument(
        "--lines", metavar="FILE", help="file whose lines are scored, each with its own start"
    )
    parser.add_argument(
        "--to", default="", metavar="FILE", help="write the lines' table: .csv, .tsv or .jsonl"
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="number of processes that share the lines; 0 for one per core (1)",
    )
    parser.add_argument(
        "--unknown",
        choices=UNKNOWN_CHOICES,
        default=None,
        help="treatment of text outside the vocabulary: it is refused (default of --text), or "
        "accepted as the unknown token and counted (default of --lines)",
    )


def _score_lines(options: argparse.Namespace) -> Result:
    from pipelines.data_report import DataReport
    from pipelines.text.lines import read_lines
    from rnn_apps.application.table_files import require_table_name, write_table
    from rnn_apps.language_modelling.judging.line_scores import total_score
    from rnn_apps.language_modelling.run import load

    if not Path(options.lines).exists():
        raise UserError(f"{options.lines}: the file does not exist")
    if options.to:
        require_table_name(options.to)
    lines = read_lines(options.lines, DataReport(options.lines))
    run = load(options.run)
    unknown = run.unknown_text(lines)
    if unknown and options.unknown == "refuse":
        raise DataError(
            f"{unknown}", file=options.lines, row=unknown.texts[0],
            advice="Leave them out, or have them scored as the unknown token: --unknown accept.",
        )  # fmt: skip
    scores = run.score_lines(lines, options.processes)
    if unknown:
        _log.warning(
            f"{len(unknown.texts)} of {len(lines)} lines hold {run.tokenizer.kind} that the model "
            f"does not know, such as line {unknown.texts[0]}: they are scored as the unknown "
            f"token. {unknown}"
        )
    header = [
        "line", "text", "log probability", "tokens", "nats per token", "unknown",
        "nats per known token", "unknown text",
    ]  # fmt: skip
    rows = [
        [number, line, one.log_probability, one.tokens, one.nats_per_token, one.unknown,
         one.nats_per_known_token, " ".join(one.unknown_pieces)]
        for number, (line, one) in enumerate(zip(lines, scores, strict=True), 1)
    ]  # fmt: skip
    totals = total_score(scores).as_json()
    if not options.to:
        return {"table": {"title": "", "header": header, "rows": rows}, **totals}
    write_table(options.to, header, rows)
    return {"lines": len(lines), "file": options.to, **totals}


def _score(options: argparse.Namespace) -> Result:
    if options.lines:
        return _score_lines(options)
    if options.to:
        raise UserError("--to goes with --lines")
    if options.processes != 1:
        raise UserError("--processes share lines: name their file with --lines")
    from pipelines.text.lines import text_from_standard_input
    from rnn_apps.language_modelling.run import load

    text = text_from_standard_input() if options.text == "-" else options.text
    scored = load(options.run).score(text, options.unknown or "refuse")
    if scored.unknown:
        _log.warning(f"The text holds {scored.unknown}: they are scored as the unknown token")
    rows = [[one.token, one.log_probability, one.rank] for one in scored]
    return {
        "table": {"title": "", "header": ["token", "log probability", "rank"], "rows": rows},
        "nats": scored.nats,
        "nats a token": scored.nats / (len(scored) - 1),
        "perplexity": scored.perplexity,
        "unknown tokens": sum(one.unknown for one in scored),
        "perplexity of known tokens": scored.perplexity_of_known_tokens,
    }


APPLICATION = Application(
    name="language",
    summary="model text: how probable it is, and what comes next",
    package="rnn_apps.language_modelling",
    config="rnn_apps.language_modelling.config:LanguageModellingConfig",
    verbs=(
        Verb("evaluate", "compare a model with an n-gram model", _evaluate_arguments, _evaluate),
        Verb("generate", "continue a prompt", _generate_arguments, _generate),
        Verb("score", "list each token's log probability", _score_arguments, _score),
    ),
)
