"""Language modelling on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rnn_apps.application.definition import Application, Result, Verb

if TYPE_CHECKING:
    from rnn_apps.language_modelling.writing import WritingConfig


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, metavar="FOLDER", help="folder of a trained run")


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
    parser.add_argument(
        "--data", default="", metavar="SOURCE", help="other text than the run's own test part"
    )
    parser.add_argument(
        "--part", default="", metavar="PART", help="of the run's own text: train|validation|test"
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


def _evaluate(options: argparse.Namespace) -> Result:
    from rnn_apps.language_modelling.run import load

    return load(options.run).evaluate(
        options.data or None, options.part, dynamic=options.dynamic, cache=options.cache
    )


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
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
        default=0.8,
        metavar="T",
        help="temperature of the draws; 0 is greedy (0.8)",
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


def _writing_config(options: argparse.Namespace) -> WritingConfig:
    from rnn_apps.edge.sampling import SamplingConfig
    from rnn_apps.language_modelling.writing import WritingConfig

    sampling = SamplingConfig(
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        repetition_penalty=options.repetition_penalty,
        seed=options.seed,
    )
    return WritingConfig(options.most_tokens, sampling, options.beam, options.stop)


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
    _add_run(parser)
    parser.add_argument(
        "--text", required=True, metavar="TEXT", help="text to score, or - for standard input"
    )


def _score(options: argparse.Namespace) -> Result:
    from pipelines.text.lines import text_from_standard_input
    from rnn_apps.language_modelling.run import load

    text = text_from_standard_input() if options.text == "-" else options.text
    scored = load(options.run).score(text)
    known = [one.log_probability for one in scored if one.log_probability is not None]
    rows = [[one.token, one.log_probability, one.rank] for one in scored]
    return {
        "table": {"title": "", "header": ["token", "log probability", "rank"], "rows": rows},
        "nats": -sum(known),
        "nats a token": -sum(known) / len(known),
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
