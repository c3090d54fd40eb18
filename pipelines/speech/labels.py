"""Transcripts as labels, and which utterances CTC can learn from."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.data_report import DataReport

if TYPE_CHECKING:
    from pipelines.tokenizers.tokenizer import Tokenizer

Labels = npt.NDArray[np.int32]


def tidy_transcript(text: str, *, lowercase: bool = True) -> str:
    """One spelling of a transcript: composed characters (NFC), single spaces, lower case."""
    text = unicodedata.normalize("NFC", text)
    return " ".join((text.lower() if lowercase else text).split())


def encode_transcripts(
    transcripts: Sequence[str], tokenizer: Tokenizer, report: DataReport, places: Sequence[str]
) -> tuple[list[int], list[Labels]]:
    """The labels of those transcripts that the tokenizer's alphabet can write.

    Transcripts that are empty or hold what is outside the alphabet are reported.

    Args:
        transcripts: already tidied.
        tokenizer: characters or subwords.
        report: is added to.
        places: where each transcript comes from, for the report.

    Returns:
        The numbers of the transcripts that are kept, and the labels of those.
    """
    kept: list[int] = []
    labels: list[Labels] = []
    for number, (text, place) in enumerate(zip(transcripts, places, strict=True)):
        found = tokenizer.encode(text)
        if not len(found):
            report.note("empty transcript", "dropped", place)
            continue
        unknown = tokenizer.unknown_places(text)
        if unknown:
            pieces = ", ".join(sorted({repr(piece) for _, piece in unknown}))
            report.note("transcript outside the alphabet", "dropped", f"{place}: {pieces}")
            continue
        kept.append(number)
        labels.append(found)
    return kept, labels


def frames_needed(labels: Labels) -> int:
    """Output frames that CTC needs at least: the labels, and a blank between equal neighbours.

    Graves et al. 2006, section 3: otherwise no path gives the labels and the loss is infinite.
    """
    return len(labels) + int((labels[1:] == labels[:-1]).sum())
