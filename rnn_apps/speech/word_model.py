"""An n-gram model of words trained on transcripts, for decoding; it is saved as an ARPA file.

`write_word_model` trains it on a run's transcripts, and on more text of the same kind.

Source: Chen and Goodman (1999), "An empirical study of smoothing techniques for language
modeling", section 3: interpolated modified Kneser-Ney. Sentences are counted one by one, each
between its own begin and end; an n-gram that begins a sentence keeps its plain count, since nothing
can stand before it (as in Heafield et al. 2013, "Scalable modified Kneser-Ney language model
estimation", section 2).
"""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.text.files import open_text_files
from rnn_apps.edge.speech.word_model import (
    BEGIN,
    END,
    UNKNOWN,
    Table,
    WordModel,
    Words,
    perplexity,
)
from rnn_apps.speech.trained import TrainedRecogniser
from rnn_apps.training.ngram_discounts import estimate_discounts

_log = logging.getLogger(__name__)

ORDER = 3


def train_word_model(transcripts: Iterable[str], order: int = ORDER) -> WordModel:
    """A word model of transcripts.

    Args:
        transcripts: words with spaces between them, spelled as the recogniser writes them.
        order: number of words in the longest n-gram.

    Returns:
        The model; for every history its probabilities, that of the unknown word included, sum to 1.

    Raises:
        ConfigurationError: the order is below one.
        DataError: there are no words.
    """
    if order < 1:
        raise ConfigurationError(f"order = {order}: an n-gram has at least one word")
    counts = _counts(transcripts, order)
    if len(counts[0]) < 2:
        raise DataError("the transcripts hold no words: there is nothing to train a model on")
    tables: list[Table] = []
    for table in counts:
        tables.append(_estimated(table, tables))
    # Nothing ever follows a begin of no context, so its probability is never asked for.
    tables[0].setdefault((BEGIN,), (-99.0, 0.0))
    return WordModel(_with_weights(tables, counts))


def _counts(transcripts: Iterable[str], order: int) -> list[Counter[Words]]:
    """For each order how often its n-grams occur; below the highest, after how many words."""
    raw: list[Counter[Words]] = [Counter() for _ in range(order)]
    for transcript in transcripts:
        words = _without_marks(transcript.split())
        if not words:
            continue
        sentence = (BEGIN, *words, END)
        for n in range(1, order + 1):
            raw[n - 1].update(sentence[i : i + n] for i in range(len(sentence) - n + 1))
    counts = [Counter[Words]() for _ in range(order)]
    counts[-1] = raw[-1]
    for n in range(order - 1):
        counts[n].update(gram[1:] for gram in raw[n + 1])
        counts[n].update({g: c for g, c in raw[n].items() if g[0] == BEGIN})
    counts[0].pop((BEGIN,), None)
    return counts


def _without_marks(words: list[str]) -> list[str]:
    """Words without the begin and end of a sentence, which text for other programs may state.

    The unknown word, which such text may hold too, is written as word models write it.
    """
    known = [word.lower() for word in words]
    return [
        UNKNOWN if small == UNKNOWN else word
        for word, small in zip(words, known, strict=True)
        if small not in (BEGIN, END)
    ]


def _discount(count: int, discounts: tuple[float, float, float]) -> float:
    return discounts[min(count, 3) - 1]


def _estimated(counts: Counter[Words], lower: list[Table]) -> Table:
    """The n-grams of one order with their interpolated probabilities; weights are still 0."""
    discounts = estimate_discounts(np.array(list(counts.values())))
    totals, freed = _by_context(counts, discounts)
    if not lower:
        # Below single words all are alike, the unknown one among them.
        everything = len(counts) + ((UNKNOWN,) not in counts)
        uniform = freed[()] / totals[()] / everything
        table = {
            gram: (math.log10((c - _discount(c, discounts)) / totals[()] + uniform), 0.0)
            for gram, c in counts.items()
        }
        # Text may name it, in place of rare words: then it is counted as a word is.
        table.setdefault((UNKNOWN,), (math.log10(uniform), 0.0))
        return table
    shorter = lower[-1]
    table = {}
    for gram, count in counts.items():
        context = gram[:-1]
        own = (count - _discount(count, discounts)) / totals[context]
        passed = freed[context] / totals[context] * 10 ** shorter[gram[1:]][0]
        table[gram] = (math.log10(own + passed), 0.0)
    return table


def _by_context(
    counts: Counter[Words], discounts: tuple[float, float, float]
) -> tuple[dict[Words, float], dict[Words, float]]:
    """The sum of the counts after each context, and what the discounts set free there."""
    totals: dict[Words, float] = defaultdict(float)
    freed: dict[Words, float] = defaultdict(float)
    for gram, count in counts.items():
        totals[gram[:-1]] += count
        freed[gram[:-1]] += _discount(count, discounts)
    return totals, freed


def _with_weights(tables: list[Table], counts: list[Counter[Words]]) -> list[Table]:
    """Gives each n-gram the weight with which it passes on, as a context, to shorter ones."""
    for n in range(1, len(tables)):
        discounts = estimate_discounts(np.array(list(counts[n].values())))
        totals, freed = _by_context(counts[n], discounts)
        for context, total in totals.items():
            known = tables[n - 1].get(context)
            if known is not None:
                tables[n - 1][context] = (known[0], math.log10(freed[context] / total))
    return tables


def write_word_model(
    run: TrainedRecogniser, to: str | Path, text: Sequence[str | Path] = (), order: int = ORDER
) -> dict[str, Any]:
    """Trains an n-gram model of words and writes it as an ARPA file, for decoding.

    Every transcript, and every line of the text, is a sentence, in the spelling that the run's
    recogniser writes. All n-grams are held in memory. Where the run's recordings are gone or have
    changed, the text alone is learnt from, and a warning says so.

    Args:
        run: trained recogniser, from whose training transcripts the model learns.
        to: ARPA file that the model is written to.
        text: further text in UTF-8: files, or folders of `.txt` files.
        order: number of words in the longest n-gram.

    Returns:
        "table", the number of n-grams of each order; and where something was held out from
        training and is still there, "perplexity" a word of what is said there, with "held_out", its
        part.

    Raises:
        DataError: the text cannot be read, or there are no words.
        UserError: the run's recordings are gone, and there is no text.
        ConfigurationError: the order is below one.
    """
    said = _transcripts(run, text)
    more = (run.labels.tidy(line) for line in _lines(text))
    model = train_word_model(itertools.chain(said or (), more), order)
    model.save(to)
    rows = [[n, len(table)] for n, table in enumerate(model.tables, start=1)]
    table = {"title": f"Word model {to}", "header": ["words", "n-grams"], "rows": rows}
    judged = {} if said is None else _judged(run, model)
    return {"word_model": str(to), "table": table, **judged}


def _transcripts(run: TrainedRecogniser, text: Sequence[str | Path]) -> list[str] | None:
    """The run's training transcripts; None where they are gone and there is text in their place.

    Raises:
        UserError: they are gone, and there is no text.
    """
    try:
        return [run.labels.tidy(one.transcript) for one in run.recordings("train")]
    except UserError as error:
        # Its advice is to name other recordings, which are of no use here.
        reason = f"the run was trained on {run.own.lost}"
        if isinstance(error, DataError):
            place = f"{error.file}: " if error.file else ""
            reason = f"{place}{error.problem}"
    if not text:
        raise UserError(
            f"{reason}. Name text to learn words from instead, with a sentence per line: "
            "--text FILE.txt"
        )
    _log.warning("%s. The word model is made of the text alone.", reason)
    return None


def _judged(run: TrainedRecogniser, model: WordModel) -> dict[str, Any]:
    part = run.held_out_part
    if not part:
        return {}
    said = [run.labels.tidy(one.transcript) for one in run.recordings(part)]
    unknown = sum(not model.knows(word) for text in said for word in text.split())
    return {"held_out": part, "perplexity": perplexity(model, said), "unknown_words": unknown}


def _lines(text: Sequence[str | Path]) -> Iterator[str]:
    if not text:
        return
    rest = ""
    for chunk in open_text_files(text, "text").chunks():
        *lines, rest = (rest + chunk).split("\n")
        yield from lines
    yield rest
