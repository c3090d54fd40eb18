"""contract.json of an exported folder: what its files take and give, written and read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json
from pipelines.base.checksums import sha256
from pipelines.base.errors import UserError

CONTRACT = "contract.json"
CHECKSUMS = "sha256"
"""Name of the entry with the SHA-256 of every file that the contract holds for, by its name."""
OTHERS = "files_of_other_exports"
"""Name of the entry with the files in the folder that exports of other models have left there."""
_COMPUTES = ("src/*.c", "src/*.h", "saved_model.pb", "variables/*")


def write_contract(folder: Path, contract: Mapping[str, Any]) -> None:
    """Writes the contract of an exported folder, atomically.

    Args:
        folder: folder of the export.
        contract: description of the files in it, of values that JSON knows.
    """
    write_json(folder / CONTRACT, dict(contract))


def read_contract(folder: Path, exported: str, required: Sequence[str] = ()) -> dict[str, Any]:
    """Reads the contract of an exported folder.

    Args:
        folder: folder of the export.
        exported: name of what was exported, for messages, such as "a recogniser".
        required: names of entries without which the contract is another application's.

    Raises:
        UserError: the contract cannot be read, or lacks an entry.
    """
    path = folder / CONTRACT
    advice = f"Give the folder that exporting {exported} wrote"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}). {advice}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object. {advice}")
    missing = [name for name in required if name not in content]
    if missing:
        raise UserError(
            f"{path}: holds no {', '.join(missing)}, so it is not the contract of {exported}. "
            f"{advice}"
        )
    return content


def require_described(folder: Path, contract: Mapping[str, Any], file: str) -> None:
    """Makes sure that a file in the folder is the one that the contract holds for.

    An export into the folder of another one leaves files of other names where they are. They would
    run with the vocabulary and the features of a model that is not theirs. A file that was put into
    the folder by hand is taken for the model's.

    Args:
        folder: folder of the export.
        contract: content of its contract; those of earlier versions have no checksums, and nothing
            is compared.
        file: name of the file in the folder, or of the folder of C code.

    Raises:
        UserError: the contract does not hold for the file.
    """
    checksums = contract.get(CHECKSUMS)
    path = folder / file
    if not isinstance(checksums, Mapping) or not path.exists():
        return
    advice = f"Export all the formats that are needed into one new folder, {folder.name}-new say"
    found = content_checksum(path)
    if found in checksums.values():
        return  # Whatever it is called now.
    name = Path(file).as_posix()
    if name in contract.get(OTHERS, ()):
        raise UserError(
            f"{path} is not of the export that wrote {CONTRACT} beside it, which holds for "
            f"{', '.join(map(str, checksums)) or 'no file'}. {advice}"
        )
    if name in checksums:
        raise UserError(f"{path} is not the file that {CONTRACT} beside it holds for. {advice}")


def content_checksum(path: Path) -> str:
    """The SHA-256 of a file; of a folder, that of what it computes, with the files' names.

    Of C code these are the sources, beside which a program that was compiled may lie; of a
    SavedModel its graph and its weights.
    """
    if not path.is_dir():
        return sha256(path)
    digest = hashlib.sha256()
    sources = [one for kind in _COMPUTES for one in path.glob(kind)]
    for source in sorted(sources):
        digest.update(source.name.encode() + b"\0" + sha256(source).encode() + b"\0")
    return digest.hexdigest()
