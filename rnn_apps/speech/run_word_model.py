"""A word model for a run: trained on its transcripts, and on more text of the same kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.text.files import open_text_files
from rnn_apps.edge.speech.word_model import WordModel, perplexity
from rnn_apps.speech.trained import TrainedRecogniser
from rnn_apps.speech.word_model import ORDER, train_word_model


def write_word_model(
    run: TrainedRecogniser, to: str | Path, text: Sequence[str | Path] = (), order: int = ORDER
) -> dict[str, Any]:
    """Trains an n-gram model of words and writes it as an ARPA file, for decoding.

    Every transcript, and every line of the text, is a sentence, in the spelling that the run's
    recogniser writes. All n-grams are held in memory.

    Args:
        run: trained recogniser, from whose training transcripts the model learns.
        to: ARPA file that the model is written to.
        text: further text in UTF-8: files, or folders of `.txt` files.
        order: number of words in the longest n-gram.

    Returns:
        "table", the number of n-grams of each order; and where something was held out from
        training, "perplexity" a word of what is said there, with "held_out", its part.

    Raises:
        DataError: the text cannot be read, or there are no words.
        ConfigurationError: the order is below one.
    """
    said = [run.labels.tidy(one.transcript) for one in run.recordings("train")]
    more = (run.labels.tidy(line) for line in _lines(text))
    model = train_word_model(itertools.chain(said, more), order)
    model.save(to)
    rows = [[n, len(table)] for n, table in enumerate(model.tables, start=1)]
    table = {"title": f"Word model {to}", "header": ["words", "n-grams"], "rows": rows}
    return {"word_model": str(to), "table": table, **_judged(run, model)}


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
