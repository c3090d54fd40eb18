"""A few calls of exported C code with what they must give, which every build of it is held to.

Compilers make mistakes, and a computer that serves a model has another compiler, other options and
other vector instructions than the one that proved it. So an export leaves these calls in its
folder, as `check.npz`: for the function with the prefix PREFIX, `PREFIX/CALL/inputs/NAME` in the
code's own types, `PREFIX/CALL/outputs/NAME` as real numbers with the states as NAME_out, and
`PREFIX/tolerance` in units of max(0.1, the output's largest value).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.base.errors import UserError

FILE = "check.npz"
_ARCHIVE_DAMAGE = (zipfile.BadZipFile, zlib.error)
# Outputs that never exceed this are compared as if they reached it.
_LEAST_SCALE = 0.1


@dataclass(frozen=True)
class LibraryCheck:
    """Calls of one function, one after another from states of zeros.

    Attributes:
        inputs: inputs of each call by name, in the code's own types, without states.
        outputs: what each call must give by name, as real numbers; states as NAME_out.
        tolerance: largest difference, in units of max(0.1, the output's largest value).
    """

    inputs: tuple[dict[str, np.ndarray], ...]
    outputs: tuple[dict[str, np.ndarray], ...]
    tolerance: float

    def difference(self, outputs: Sequence[Mapping[str, np.ndarray]]) -> float:
        """The largest difference from what the calls must give, in the units of `tolerance`.

        Args:
            outputs: outputs that a build gave for each call, as real numbers.

        Returns:
            Infinity for numbers that are not finite.
        """
        largest = 0.0
        for name in self.outputs[0]:
            wanted = np.concatenate([one[name].ravel() for one in self.outputs]).astype(float)
            found = np.concatenate([one[name].ravel() for one in outputs]).astype(float)
            if not np.isfinite(found).all():
                return float("inf")
            scale = max(_LEAST_SCALE, float(np.abs(wanted).max(initial=0.0)))
            largest = max(largest, float(np.abs(found - wanted).max(initial=0.0)) / scale)
        return largest


def write_checks(path: Path, checks: Mapping[str, LibraryCheck]) -> None:
    """Stores the checks of a folder's functions, by the functions' prefixes."""
    arrays: dict[str, np.ndarray] = {}
    for prefix, check in checks.items():
        arrays[f"{prefix}/tolerance"] = np.array(check.tolerance)
        for number, (inputs, outputs) in enumerate(zip(check.inputs, check.outputs, strict=True)):
            arrays |= {f"{prefix}/{number}/inputs/{name}": one for name, one in inputs.items()}
            arrays |= {f"{prefix}/{number}/outputs/{name}": one for name, one in outputs.items()}
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_checks(path: Path) -> dict[str, LibraryCheck]:
    """Reads what `write_checks` wrote; nothing where there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return {}
    tolerances: dict[str, float] = {}
    calls: dict[str, dict[int, dict[str, dict[str, np.ndarray]]]] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                prefix, number, *rest = key.split("/", 3)
                if number == "tolerance":
                    tolerances[prefix] = float(archive[key])
                    continue
                part, name = rest
                empty: dict[str, dict[str, np.ndarray]] = {"inputs": {}, "outputs": {}}
                call = calls.setdefault(prefix, {}).setdefault(int(number), empty)
                call[part][name] = archive[key]
        return {
            prefix: LibraryCheck(
                tuple(numbered[number]["inputs"] for number in sorted(numbered)),
                tuple(numbered[number]["outputs"] for number in sorted(numbered)),
                tolerances[prefix],
            )
            for prefix, numbered in calls.items()
        }
    except (OSError, EOFError, ValueError, KeyError, TypeError, *_ARCHIVE_DAMAGE) as damage:
        raise UserError(
            f"{path}: damaged ({type(damage).__name__}: {damage}). Export the folder again"
        ) from damage
