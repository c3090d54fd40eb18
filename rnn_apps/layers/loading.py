"""Reading `.keras` files that hold layers of this package."""

from __future__ import annotations

import importlib
import zipfile
import zlib
from pathlib import Path

import keras

from pipelines.base.errors import UserError
from rnn_apps.layers.cells.registry import cell_names, find_cell

_ZIP = b"PK"
_HDF5 = b"\x89HDF"

_HOMES = (
    "adaptive_softmax",
    "attention.layer",
    "recurrence.acceleration",
    "cells.zoneout",
    "feature_normalisation",
    "frame_lengths",
    "initializers",
    "lookahead",
    "regularisation",
    "sampled_softmax",
    "speech_features",
    "streamed_frames",
    "token_embedding",
)


def load_model(path: str | Path) -> keras.Model:
    """A `.keras` file's model, not compiled, in Keras' safe mode: no code of the file is run.

    As `keras.saving.load_model`, which finds a class of another package only where that has been
    imported before.

    Raises:
        UserError: the file is damaged or cut short, or is not a `.keras` file.
        ValueError, TypeError, OSError: from Keras, if it cannot read the file.
    """
    _require_whole(Path(path))
    for name in cell_names():
        find_cell(name)
    for home in _HOMES:
        importlib.import_module(f"rnn_apps.layers.{home}")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _require_whole(path: Path) -> None:
    """A `.keras` file is a zip archive, each of whose files has a checksum.

    What is not a file is left to Keras, as are the HDF5 files of older versions.
    """
    if not path.is_file():
        return
    with open(path, "rb") as file:
        start = file.read(len(_HDF5))
    if start == _HDF5:
        return
    if not start.startswith(_ZIP):
        raise UserError(
            f"{path}: this is not a .keras file: it is not a zip archive. "
            "Give a file that model.save('NAME.keras') wrote."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as damage:
        broken = str(damage) or type(damage).__name__
    if broken is not None:
        raise UserError(
            f"{path}: the file is damaged or cut short ({broken}). Copy it again, or save it anew."
        )
