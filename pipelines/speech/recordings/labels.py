"""Transcripts as labels, and which utterances CTC can learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.data_report import DataReport
from pipelines.speech.recordings.spelling import tidy_transcript

if TYPE_CHECKING:
    from pipelines.tokenizers.tokenizer import Tokenizer

Labels = npt.NDArray[np.int32]


class LabelSet:
    """What a recogniser writes: the units of a tokenizer, and behind them the blank of CTC.

    Args:
        tokenizer: characters or subwords.
        lowercase: whether transcripts are written in lower case.

    Attributes:
        size: units and blank.
        blank: the blank's number, the last one.
    """

    def __init__(self, tokenizer: Tokenizer, *, lowercase: bool = True) -> None:
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.blank = tokenizer.size
        self.size = tokenizer.size + 1

    @classmethod
    def load(cls, folder: str | Path, *, lowercase: bool = True) -> LabelSet:
        """The labels whose tokenizer lies in a folder.

        Raises:
            DataError: there is none, or its file is damaged.
        """
        from pipelines.tokenizers import load_tokenizer

        return cls(load_tokenizer(folder), lowercase=lowercase)

    def tidy(self, text: str) -> str:
        """A transcript in the spelling that the recogniser learns."""
        return tidy_transcript(text, lowercase=self.lowercase)

    def decode(self, labels: Iterable[int]) -> str:
        """The text of labels without blanks, in single spaces; what is unknown is left out."""
        known = [label for label in labels if label != self.tokenizer.unknown_id]
        return " ".join(self.tokenizer.decode(known).split())


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
