"""Transcripts as labels, and how many frames CTC needs for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.data_report import DataReport
from pipelines.speech.recordings.spelling import Spelling

if TYPE_CHECKING:
    from pipelines.tokenizers.tokenizer import Tokenizer

Labels = npt.NDArray[np.int32]


class LabelSet:
    """The output labels of a recogniser: the units of a tokenizer, followed by the blank of CTC.

    Args:
        tokenizer: tokenizer of characters, words or subwords.
        spelling: spelling in which transcripts are learnt; None for the default.

    Attributes:
        size: number of labels, the blank included.
        blank: number of the blank, which is the last label.
    """

    def __init__(self, tokenizer: Tokenizer, spelling: Spelling | None = None) -> None:
        self.tokenizer = tokenizer
        self.spelling = spelling or Spelling()
        self.blank = tokenizer.size
        self.size = tokenizer.size + 1

    @classmethod
    def load(cls, folder: str | Path, spelling: Spelling | None = None) -> LabelSet:
        """The labels of the tokenizer in a folder.

        Raises:
            DataError: the folder has no tokenizer, or its file is damaged.
        """
        from pipelines.tokenizers import load_tokenizer

        return cls(load_tokenizer(folder), spelling)

    def tidy(self, text: str) -> str:
        """A transcript in the spelling that the recogniser learns."""
        return self.spelling.tidy(text)

    def decode(self, labels: Iterable[int]) -> str:
        """The text of labels without blanks, with single spaces; unknown labels are left out."""
        known = [label for label in labels if label != self.tokenizer.unknown_id]
        return " ".join(self.tokenizer.decode(known).split())


def encode_transcripts(
    transcripts: Sequence[str], tokenizer: Tokenizer, report: DataReport, places: Sequence[str]
) -> tuple[list[int], list[Labels]]:
    """Encodes the transcripts that can be written with the tokenizer's alphabet.

    Transcripts that are empty or have characters outside the alphabet are reported.

    Args:
        transcripts: transcripts in the spelling of `LabelSet.tidy`.
        tokenizer: tokenizer of characters, words or subwords.
        report: report that receives the transcripts that are dropped.
        places: place of each transcript in its source, for the report.

    Returns:
        The numbers of the transcripts that are kept, and their labels.
    """
    kept: list[int] = []
    labels: list[Labels] = []
    for number, (text, place) in enumerate(zip(transcripts, places, strict=True)):
        ids = tokenizer.encode(text)
        if not len(ids):
            report.note("empty transcript", "dropped", place)
            continue
        unknown = tokenizer.unknown_places(text)
        if unknown:
            pieces = ", ".join(sorted({repr(piece) for _, piece in unknown}))
            report.note("transcript outside the alphabet", "dropped", f"{place}: {pieces}")
            continue
        kept.append(number)
        labels.append(ids)
    return kept, labels


def frames_needed(labels: Labels) -> int:
    """The smallest number of output frames for CTC: labels, and blanks between equal neighbours.

    With fewer frames no path gives the labels, and the loss is infinite (Graves et al. 2006,
    section 3).
    """
    return len(labels) + int((labels[1:] == labels[:-1]).sum())
