"""Translation on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import DataError, UserError
from rnn_apps.application.definition import Application, Result, Verb
from rnn_apps.application.flags import SwitchOnce, add_export, add_run, add_unknown
from rnn_apps.translation.reference_flags import add_references, reference_options

if TYPE_CHECKING:
    from rnn_apps.translation.run import Run
    from rnn_apps.translation.search.search_options import SearchOptions
    from rnn_apps.translation.translating import Translation

_log = logging.getLogger(__name__)


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--data", default="", metavar="SOURCE", help="other pairs than the run's own test part"
    )
    parser.add_argument(
        "--part", default="", metavar="PART", help="of the run's own pairs: train|validation|test"
    )
    add_references(parser)
    parser.add_argument(
        "--hypotheses", default="", metavar="FILE",
        help="write a table of sources, references, translations and scores: .csv, .tsv or .jsonl",
    )  # fmt: skip
    parser.add_argument("--lowercase", action="store_true", help="add a row compared in lower case")


def _evaluate(options: argparse.Namespace) -> Result:
    references = reference_options(options)
    from rnn_apps.translation.run import load

    return load(options.run).evaluate(
        options.data or None, options.part,
        hypotheses=options.hypotheses, lowercase=options.lowercase, **references,
    )  # fmt: skip


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", metavar="RUN",
        help="folder of a trained run, or name of a model that comes with the toolkit",
    )  # fmt: skip
    parser.add_argument(
        "--data", default="", metavar="SOURCE", help="other pairs than the first run's test part"
    )
    parser.add_argument(
        "--part", default="", metavar="PART", help="of the first run: train|validation|test"
    )
    add_references(parser)
    parser.add_argument(
        "--samples", type=int, default=1000, metavar="N", help="samples of the bootstrap (1000)"
    )


def _compare(options: argparse.Namespace) -> Result:
    if len(options.runs) < 2:
        raise UserError("a comparison needs two runs or more: compare RUN RUN")
    references = reference_options(options)
    from rnn_apps.translation.run import load

    first, *others = (load(folder) for folder in options.runs)
    return first.compare(others, options.data or None, options.part, options.samples, **references)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    add_export(parser)
    parser.add_argument(
        "--longest-source",
        type=int,
        default=0,
        metavar="N",
        help="largest number of tokens in a source sentence for C code, whose memory grows with "
        "it; 0 for the run's longest",
    )


def _export(options: argparse.Namespace) -> Result:
    from rnn_apps.translation.run import load

    return load(options.run).export(options.to, options.formats, options.longest_source)


def _translate_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--text", action="append", metavar="SENTENCE",
        help="sentence, or - for standard input, one sentence per line; may be given several times",
    )  # fmt: skip
    given.add_argument("--file", metavar="FILE", help="a file with a sentence a line, .gz too")
    parser.add_argument(
        "--to", default="", metavar="FILE",
        help="write the translations there, --n-best lines for each sentence",
    )  # fmt: skip
    parser.add_argument(
        "--ensemble", action="append", default=[], metavar="FOLDER",
        help="a further run of the same vocabularies that votes; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--glossary", default="", metavar="FILE",
        help="translations of words that the model does not know: a word, a tab, its translation",
    )  # fmt: skip
    parser.add_argument(
        "--longest-source", type=int, default=None, metavar="N",
        help="refuse sentences of more than N tokens (1000)",
    )  # fmt: skip
    add_unknown(parser, "accept")
    parser.add_argument("--beam-width", type=int, default=None, metavar="N", help="1: greedy")
    parser.add_argument("--n-best", type=int, default=1, metavar="N", help="translations of each")
    parser.add_argument(
        "--length-penalty", type=float, default=None, metavar="A", help="above 0 favours length"
    )
    parser.add_argument(
        "--coverage-penalty", type=float, default=0.0, metavar="B",
        help="above 0: what leaves source words unread is ranked lower",
    )  # fmt: skip
    parser.add_argument(
        "--longest", type=float, default=2.0, metavar="R", help="tokens at most a source token (2)"
    )
    parser.add_argument(
        "--longest-extra", type=int, default=10, metavar="N",
        help="number of tokens that a translation may have beyond --longest (10)",
    )  # fmt: skip
    parser.add_argument(
        "--shortest", type=float, default=0.0, metavar="R", help="tokens at least a source token"
    )
    parser.add_argument(
        "--no-repeat", type=int, default=0, metavar="N", help="no N tokens in a row come twice"
    )
    parser.add_argument(
        "--repetition-penalty", type=float, default=1.0, metavar="F",
        help="factor of the log probability of tokens that the translation has already; above 1: "
        "fewer repetitions (1)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-unknown", action=SwitchOnce, default=True,
        help="whether the token for unknown text may be written",
    )  # fmt: skip
    parser.add_argument(
        "--replace-unknown", action=SwitchOnce, default=True,
        help="whether that token is replaced by an unknown word of the source, or its glossary's",
    )  # fmt: skip
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="above 0: draw, do not search"
    )
    parser.add_argument("--top-k", type=int, default=0, metavar="K", help="draw from the best K")
    parser.add_argument(
        "--top-p", type=float, default=1.0, metavar="P",
        help="draw from the best that have probability P together",
    )  # fmt: skip
    parser.add_argument(
        "--min-p", type=float, default=0.0, metavar="P",
        help="draw from tokens with at least this share of the largest probability",
    )  # fmt: skip
    parser.add_argument(
        "--typical-p", type=float, default=1.0, metavar="P",
        help="draw from the tokens of most typical surprise that have probability P together",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn")


def _search_options(run: Run, options: argparse.Namespace) -> SearchOptions:
    import dataclasses

    from rnn_apps.edge.sampling_rules import rules_in_use

    names = (
        "n_best", "coverage_penalty", "longest", "longest_extra", "shortest", "no_repeat",
        "repetition_penalty",
        "allow_unknown", "replace_unknown", "temperature", "top_k", "top_p", "min_p", "typical_p",
        "seed",
    )  # fmt: skip
    changes: dict[str, Any] = {name: getattr(options, name) for name in names}
    unused = rules_in_use(changes) if not options.temperature else []
    if unused:
        _log.warning(
            f"{', '.join(unused)} without effect: translations are drawn only with --temperature "
            "above 0"
        )
    for name in ("beam_width", "length_penalty", "longest_source"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    return dataclasses.replace(run.search_options, **changes)


def _sentences(options: argparse.Namespace) -> Iterator[str]:
    if options.file:
        from pipelines.data_report import DataReport
        from pipelines.text.lines import read_lines

        if not Path(options.file).exists():
            raise UserError(f"{options.file}: the file does not exist")
        yield from read_lines(options.file, DataReport(options.file))
        return
    from pipelines.text.line_ends import split_lines
    from pipelines.text.lines import standard_input

    for text in options.text:
        if text == "-":
            yield from split_lines(standard_input())
        else:
            yield text


def _unknown_words(run: Run, sentences: Sequence[str]) -> list[str]:
    """Lines that say which sentences hold what the model's vocabulary does not know."""
    tokenizer = run.source_tokenizer
    lines = []
    found = [(row, tokenizer.unknown_places(one, 1)) for row, one in enumerate(sentences, 1)]
    holding = [(row, places[0][1]) for row, places in found if places]
    if holding:
        row, piece = holding[0]
        lines.append(
            f"{len(holding)} of {len(sentences)} sentences hold {tokenizer.kind} that the model "
            f"does not know, such as {piece!r} in sentence {row}: look at their translations."
        )
    spelled = [(row, tokenizer.known_spelling(one)) for row, one in enumerate(sentences, 1)]
    otherwise = [(row, spelling) for row, spelling in spelled if spelling]
    if otherwise:
        row, spelling = otherwise[0]
        lines.append(
            f"{len(otherwise)} of {len(sentences)} sentences hold characters that the model knows "
            f"in {spelling} only, such as sentence {row}: write them so."
        )
    return lines


def _say_unknown(run: Run, sentences: Sequence[str], options: argparse.Namespace) -> None:
    """Says what the model's vocabulary does not know, or refuses it.

    Raises:
        DataError: there is something, and `--unknown refuse` is given.
    """
    unknown = run.unknown_text(sentences)
    if unknown and options.unknown == "refuse":
        raise DataError(
            f"{unknown}",
            file=options.file or "the sentences",
            row=unknown.texts[0],
            advice="Write them in another way, or have them read as the unknown token: "
            "--unknown accept.",
        )
    for line in _unknown_words(run, sentences):
        _log.info(line)
    if unknown:
        _log.info(f"In all, {unknown}")


def _output_lines(found: Sequence[Sequence[Translation]], n_best: int) -> Iterator[str]:
    """`n_best` lines for every sentence, empty where fewer were found, so that none is shifted."""
    from rnn_apps.edge.translation.sentences import one_line

    for best in found:
        for number in range(n_best):
            yield one_line(best[number].text) if number < len(best) else ""


def _translate(options: argparse.Namespace) -> Result:
    from rnn_apps.translation.run import load

    sentences = list(_sentences(options))
    run = load(options.run)
    _say_unknown(run, sentences, options)
    search = _search_options(run, options)
    translate = run.translate
    if options.ensemble or options.glossary:
        from rnn_apps.edge.translation.glossary import read_glossary

        glossary = read_glossary(options.glossary) if options.glossary else None
        others = [load(folder) for folder in options.ensemble]
        translate = run.with_others(others, glossary).translate
    try:
        found = translate(sentences, search)
    except DataError as refused:
        if not options.file or refused.row is None:
            raise
        # The row is that of the file, whose name is known here alone.
        raise DataError(
            refused.problem, file=options.file, row=refused.row, advice=refused.advice
        ) from None
    if options.to:
        from pipelines.base.atomic_files import write_text

        lines = _output_lines(found, options.n_best)
        write_text(Path(options.to), "".join(f"{line}\n" for line in lines))
        return {"sentences": len(sentences), "file": options.to}
    if not options.json and options.n_best == 1:
        for line in _output_lines(found, 1):
            print(line)
        return {}
    rows = [
        [source, one.text, one.score, one.log_probability]
        for source, best in zip(sentences, found, strict=True)
        for one in best
    ]
    header = ["source", "translation", "score", "log probability"]
    return {"table": {"title": "", "header": header, "rows": rows}}


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--source", metavar="SENTENCE", help="a sentence")
    parser.add_argument("--target", metavar="SENTENCE", help="its translation")
    parser.add_argument(
        "--data", default="", metavar="SOURCE", help="pairs in its place, as train takes them"
    )


def _score(options: argparse.Namespace) -> Result:
    if bool(options.data) == (options.source is not None or options.target is not None):
        raise UserError("say what to score: --source and --target, or --data")
    if not options.data and (options.source is None or options.target is None):
        raise UserError("--source and --target go together")
    import numpy as np

    from rnn_apps.translation.run import load

    run = load(options.run)
    if options.data:
        pairs = run.data.other(options.data)
        given = list(zip(pairs.source, pairs.target, strict=True))
    else:
        given = [(options.source, options.target)]
    scored = run.score(given)
    tokens = sum(len(one.tokens) for one in scored)
    nats = -sum(one.log_probability for one in scored)
    known = np.concatenate([one.known_log_probabilities for one in scored])
    result: Result = {
        "pairs": len(given),
        "nats": nats,
        "nats a token": nats / max(tokens, 1),
        "perplexity": math.exp(nats / max(tokens, 1)),
        "unknown source tokens": sum(one.unknown_source for one in scored),
        "unknown target tokens": tokens - len(known),
        "perplexity of known tokens": math.exp(-float(known.mean(dtype=np.float64))),
    }
    if options.data:
        header = ["source", "target", "log probability", "perplexity", "unknown"]
        rows = [
            [*pair, one.log_probability, one.perplexity, one.unknown_source + sum(one.unknown)]
            for pair, one in zip(given, scored, strict=True)
        ]
    else:
        header = ["token", "log probability"]
        rows = [
            list(row)
            for row in zip(scored[0].tokens, scored[0].token_log_probabilities, strict=True)
        ]
    return {"table": {"title": "", "header": header, "rows": rows}, **result}


APPLICATION = Application(
    name="translate",
    summary="translate sentences, trained on sentence pairs",
    package="rnn_apps.translation",
    config="rnn_apps.translation.config:TranslationConfig",
    verbs=(
        Verb("evaluate", "measure a model by BLEU, chrF, TER", _evaluate_arguments, _evaluate),
        Verb("compare", "test whether runs differ by more than luck", _compare_arguments, _compare),
        Verb(
            "export",
            "write a SavedModel, TFLite files or C code, verified",
            _export_arguments,
            _export,
        ),
        Verb("translate", "translate sentences", _translate_arguments, _translate),
        Verb("score", "how probable given translations are", _score_arguments, _score),
    ),
)
