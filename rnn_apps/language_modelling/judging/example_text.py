"""The example text in a run's folder, on which its exports are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import UserError

EXAMPLES = "example_tokens.npy"
EXAMPLE_TOKENS = 8_192
"""Tokens of the judged text that are kept."""


def save_examples(path: Path, tokens: NDArray[Any]) -> None:
    """Keeps the beginning of the judged text, on which exports are proven later."""
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.save(file, np.asarray(tokens[:EXAMPLE_TOKENS]), allow_pickle=False)


def read_examples(path: Path) -> NDArray[np.int32]:
    """The tokens that `save_examples` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.int32)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: the run's example text cannot be read: {error}. Evaluate the run to write it "
            "anew"
        ) from None
