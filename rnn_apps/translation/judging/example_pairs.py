"""Sentence pairs in a run's folder, on which its exports are judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import UserError
from pipelines.pairs.encoding import without_too_long
from rnn_apps.edge.translation.sentences import one_line
from rnn_apps.translation.trained import TrainedTranslationModel

FILE = "example_pairs.json"
MOST_PAIRS = 100

Pairs = list[tuple[str, str]]


def save_examples(path: Path, source: Sequence[str], target: Sequence[str]) -> None:
    """Keeps up to `MOST_PAIRS` of the judged pairs, evenly chosen."""
    write_json(path, [list(pair) for pair in _chosen(source, target)])


def examples_of(run: TrainedTranslationModel) -> Pairs:
    """The pairs in the run's folder, or some of its test part if there are none.

    Raises:
        UserError: the file is damaged, or there is none and the data are gone.
    """
    path = run.folder.path / FILE
    if path.is_file():
        return _read(path)
    pairs = run.data.part(run.data.judged_part)
    longest = run.search_options.longest_source
    pairs, _ = without_too_long(pairs, run.source_tokenizer, run.target_tokenizer, longest)
    return _chosen(pairs.source, pairs.target)


def _read(path: Path) -> Pairs:
    try:
        found = [(str(a), str(b)) for a, b in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: the run's example pairs cannot be read: {error}. Evaluate the run to write "
            "them anew"
        ) from None
    if not found:
        raise UserError(f"{path}: holds no pair. Evaluate the run to write it anew")
    return found


def _chosen(source: Sequence[str], target: Sequence[str]) -> Pairs:
    pairs = [(a, b) for a, b in zip(source, target, strict=True) if one_line(a) and one_line(b)]
    places = np.linspace(0, len(pairs) - 1, min(len(pairs), MOST_PAIRS)).round().astype(int)
    return [pairs[place] for place in places.tolist()]
