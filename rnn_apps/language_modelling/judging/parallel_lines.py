"""Lines scored by several processes, with the bits that one process gives.

    python -m rnn_apps.language_modelling.judging.parallel_lines

is such a process. All processes score the batches that one would.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.base.parallel_requests import (
    Refused,
    answers_in_order,
    number_of_processes,
    serve,
)
from rnn_apps.language_modelling.judging.line_scores import (
    LINES,
    Batch,
    BatchSums,
    LineScore,
    score_lines,
)
from rnn_apps.language_modelling.trained import TrainedLanguageModel

_MODULE = "rnn_apps.language_modelling.judging.parallel_lines"


def score_lines_of(
    run: TrainedLanguageModel, lines: Sequence[str], processes: int = 1
) -> list[LineScore]:
    """Scores lines that do not depend on each other; see `line_scores.score_lines`.

    Args:
        run: trained language model.
        lines: lines to score; an empty one has no predicted token.
        processes: number of processes that share the lines; 0 for one per core.

    Raises:
        ConfigurationError: the number of processes is negative.
        UserError: the processes cannot open the run, or one of them ended.
    """
    count = number_of_processes(processes, -(-len(lines) // LINES))
    if count == 1:
        sums = BatchSums(run.carried, run.tokenizer)
        return score_lines(run.tokenizer, lines, lambda batches: map(sums, batches))

    def shared(batches: Sequence[Batch]) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for answer in answers_in_order(_MODULE, run.folder.path, batches, count):
            if isinstance(answer, Refused):
                raise answer.error
            found.append(answer)
        return found

    return score_lines(run.tokenizer, lines, shared)


def begin(folder: Path) -> BatchSums:
    """The function that sums batches of lines, in a process that has just begun.

    Raises:
        UserError: the run cannot be read.
    """
    run = TrainedLanguageModel.open(folder)
    return BatchSums(run.carried, run.tokenizer)


if __name__ == "__main__":
    serve(begin)
