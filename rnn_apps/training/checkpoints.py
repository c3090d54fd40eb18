"""Checkpoints: everything a run needs to go on, in one file without pickle.

A checkpoint is an npz archive with the arrays, one JSON text and a SHA-256 over both. It is
written under another name, flushed and renamed, so that a kill at any moment leaves the one before.
The last two are kept: if the newest is damaged on the disk, the other one is used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import UserError

_log = logging.getLogger(__name__)

_PREFIX = "step-"
_KEPT = 2
_TEXT = "text"
_CHECKSUM = "sha256"


@dataclass(frozen=True)
class Checkpoint:
    """The content of one file.

    Args:
        arrays: arrays by name, of any shape and of numpy's own dtypes.
        content: everything else that belongs to the checkpoint, as JSON can hold it.
    """

    arrays: Mapping[str, np.ndarray]
    content: dict[str, Any]


def exist(folder: Path) -> bool:
    """Whether `folder` holds a checkpoint, whole or damaged."""
    return bool(_files(folder))


def save(folder: Path, step: int, checkpoint: Checkpoint) -> Path:
    """Writes a checkpoint of `step` and removes all but the last two."""
    text = np.frombuffer(json.dumps(checkpoint.content).encode(), np.uint8)
    arrays = dict(checkpoint.arrays)
    checksum = np.frombuffer(_checksum(arrays, text), np.uint8)
    members: dict[str, Any] = {f"array/{name}": array for name, array in arrays.items()}
    members.update({_TEXT: text, _CHECKSUM: checksum})
    path = folder / f"{_PREFIX}{step:012d}.npz"
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.savez(file, **members)
    # What a killed session had half written; there is one writer, and its file has its name.
    for leftover in folder.glob(f".{_PREFIX}*.partial"):
        leftover.unlink(missing_ok=True)
    for old in _files(folder)[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; None if there is none at all.

    Raises:
        UserError: there are checkpoints, and every one of them is damaged.
    """
    files = _files(folder)
    for path in reversed(files):
        try:
            return _load(path)
        except (
            OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError,
            zipfile.BadZipFile, zlib.error,
        ) as error:  # fmt: skip
            _log.warning("%s is damaged (%s): the checkpoint before it is tried.", path, error)
    if files:
        raise UserError(
            f"{folder}: no checkpoint in it can be read; they are damaged. "
            "Train again in another folder"
        )
    return None


def _load(path: Path) -> Checkpoint:
    with np.load(path, allow_pickle=False) as archive:
        text, checksum = archive[_TEXT], archive[_CHECKSUM]
        arrays = {
            name.removeprefix("array/"): archive[name]
            for name in archive.files
            if name.startswith("array/")
        }
    if _checksum(arrays, text) != checksum.tobytes():
        raise ValueError("its checksum does not match")
    return Checkpoint(arrays, json.loads(text.tobytes()))


def _files(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first: the step in the name has a fixed width."""
    return sorted(folder.glob(f"{_PREFIX}*.npz"))


def _checksum(arrays: Mapping[str, np.ndarray], text: np.ndarray) -> bytes:
    digest = hashlib.sha256(text.tobytes())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data if array.size else b"")
    return digest.digest()
