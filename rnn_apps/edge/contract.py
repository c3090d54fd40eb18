"""contract.json of an exported folder: what its files take and give, written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import UserError

CONTRACT = "contract.json"


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
