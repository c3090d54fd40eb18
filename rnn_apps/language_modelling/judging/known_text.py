"""What a judged text shares with the texts that the model was trained or chosen on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import UserError
from pipelines.text.corpus import TextCorpus
from pipelines.text.encoding import TokenArray
from rnn_apps.application.run_parts import read_json
from rnn_apps.language_modelling.run_data import TEXT
from rnn_apps.language_modelling.trained import TrainedLanguageModel
from rnn_apps.language_modelling.understood import MANY_SHARED, shared_lines

# Of the text that dynamic evaluation and the cache are tuned on, where there is more.
MOST_TUNING_TOKENS = 10_000


def tuning_text(run: TrainedLanguageModel, judged: TokenArray) -> tuple[str, NDArray[Any]]:
    """The name and the tokens of the text on which settings are chosen: never what is scored.

    It is of the validation part; of the training part or the test part where the judged text holds
    the ones before.

    Raises:
        UserError: the judged text holds each of them, or the run's text is gone or has changed.
    """
    own = run.unchanged
    for part in ("validation", "train", "test"):
        if not own.has(part):
            continue
        tokens = own.tokens(part).ids
        # The end of the training text is nearest to the texts that follow it.
        cut = tokens[-MOST_TUNING_TOKENS:] if part == "train" else tokens[:MOST_TUNING_TOKENS]
        if not _holds(judged.ids, cut) and not _holds(cut, judged.ids):
            return f"{len(cut)} tokens of the {part} part", np.asarray(cut)
    raise UserError(
        "dynamic evaluation and the cache need a text to choose their settings on, and "
        f"{judged.name} holds every one that the run has ({', '.join(own.present())}). Judge "
        "one part of it: --part test; or leave out --dynamic and --cache"
    )


def notes_on_known_text(
    run: TrainedLanguageModel, text: TextCorpus, tokens: TokenArray
) -> list[str]:
    """Notes on a text of one's own that the run has met before; none for a new one.

    Args:
        run: trained language model.
        text: text that is judged.
        tokens: the same text as tokens.
    """
    path = run.folder.path / TEXT
    known = read_json(path) if path.exists() else {}
    if tokens.sha256 == known.get("sha256"):
        return ["the run was trained on this very text: figures on it are too good"]
    if tokens.sha256 == known.get("validation_sha256"):
        return ["the run's weights were chosen on this very text: figures on it are too good"]
    try:
        shared = shared_lines(run.unchanged.whole.train, text)
    except UserError:
        # The training text is gone or another one; the judgement itself says so.
        return []
    if shared <= MANY_SHARED:
        return []
    return [
        f"{shared:.0%} of the lines of the text are also in the training text: figures on it are "
        "too good"
    ]


def _holds(text: NDArray[Any], piece: NDArray[Any]) -> bool:
    """Whether all tokens of a piece follow each other somewhere in a text."""
    size = text.dtype.itemsize
    content, sought = text.tobytes(), piece.astype(text.dtype).tobytes()
    place = content.find(sought)
    while place >= 0 and place % size:
        place = content.find(sought, place + 1)
    return place >= 0
