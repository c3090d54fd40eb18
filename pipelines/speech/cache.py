"""The cache folder, which keeps computed files between runs."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.base.errors import UserError

FOLDER_VARIABLE = "RNN_APPS_CACHE"


def cache_folder(named: str | Path = "") -> Path:
    """The cache folder: `named`, else the variable RNN_APPS_CACHE, else ~/.cache/rnn-apps.

    Everything in it can be computed again; it may be deleted whenever nothing is running.

    Args:
        named: path of the folder, created if needed; "" for the default.

    Raises:
        UserError: the folder cannot be created.
    """
    user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    chosen = str(named) or os.environ.get(FOLDER_VARIABLE) or f"{user_cache}/rnn-apps"
    folder = Path(chosen).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: the cache folder cannot be created: {error.strerror}. Name another with "
            f"the setting cache_dir or the variable {FOLDER_VARIABLE}"
        ) from None
    return folder
