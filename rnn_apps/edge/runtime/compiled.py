"""An exported folder of C code as a model of this computer, through ctypes."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec

# All vector instructions of this computer; no sum is reordered.
OPTIONS = ("-std=c99", "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared")
_COMPILERS = ("cc", "gcc", "clang")
_TIME_LIMIT = 300.0
# The order and the names of the scratch memories in the struct, as the header has them.
_POOLS = {"bool": "truths", "float32": "scratch", "int16": "fixed", "int32": "integers"}
_STORED = {"bool": "uint8"}


class CompiledRuntime:
    """Calls the function of an exported folder; see `Runtime`.

    A library PREFIX.so in the folder, beside card.json, is used as it is. Without one, the source
    is compiled by this computer's compiler (the variable CC, or cc, gcc, clang).

    Args:
        folder: folder that `export_c` wrote.

    Raises:
        UserError: there is no such folder, no compiler, or the compiler refuses the source.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        card = _card(self._folder)
        self._inputs, self._outputs = card["inputs"], card["outputs"]
        self._states = card["states"]
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        library = ctypes.CDLL(str(self._library(card["prefix"])))
        self._function = getattr(library, card["function"])
        self._function.restype = None
        # Bytes, by the rules of C for structs: every member begins at a multiple of its type.
        places, size = _places(card)
        self._memory = np.zeros(-(-size // 8) * 8 + 8, np.uint8)
        self._kept = {
            state["name"]: _part(self._memory, places[state["identifier"]], state)
            for state in self._states
        }
        self._key = "step" if card["mode"] == "streaming" else "serving_default"

    def signature(self) -> Signature:
        """What the code takes and gives; states are inputs NAME and outputs NAME_out."""
        inputs = [*self._inputs, *self._states]
        outputs = [(one["name"], one) for one in self._outputs]
        outputs += [(f"{one['name']}_out", one) for one in self._states]
        return Signature(
            self._key,
            0,
            {one["name"]: _spec(one["name"], place, one) for place, one in enumerate(inputs)},
            {name: _spec(name, place, one) for place, (name, one) in enumerate(outputs)},
        )

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the function once; inputs and outputs are in the code's own types."""
        made = self._called(inputs)
        return made | {f"{name}_out": kept.copy() for name, kept in self._kept.items()}

    def invocation(
        self, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[], object]:
        """What runs the function on the inputs, as often as it is called."""
        arguments, _, kept = self._arguments(inputs)
        function = self._function

        def run() -> None:
            function(*arguments)

        run.kept = kept  # type: ignore[attr-defined]
        return run

    def reset(self) -> None:
        """Sets all states to zero."""
        for kept in self._kept.values():
            kept[...] = 0

    def _called(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, kept in self._kept.items():
            kept[...] = inputs[name]
        arguments, made, _ = self._arguments(inputs)
        self._function(*arguments)
        return made

    def _arguments(
        self, inputs: Mapping[str, np.ndarray]
    ) -> tuple[list[ctypes.c_void_p], dict[str, np.ndarray], list[np.ndarray]]:
        """The function's arguments, the outputs that it writes, and what must stay alive."""
        given = [np.ascontiguousarray(inputs[one["name"]], one["dtype"]) for one in self._inputs]
        made = {one["name"]: np.empty(one["shape"], one["dtype"]) for one in self._outputs}
        arrays = [self._memory, *given, *made.values()]
        return [ctypes.c_void_p(array.ctypes.data) for array in arrays], made, arrays

    def _library(self, prefix: str) -> Path:
        own = self._folder / f"{prefix}.so"
        if own.is_file():
            return own.absolute()
        asked = shlex.split(os.environ.get("CC", ""))
        found = next((name for name in _COMPILERS if shutil.which(name)), None)
        command = asked or ([found] if found else [])
        if not command:
            raise UserError(
                f"{self._folder}: C code needs a compiler here (Debian and Ubuntu: apt install "
                f"gcc), or a library {prefix}.so beside card.json, made on a computer like this "
                f"one with: cc {' '.join(OPTIONS)} src/{prefix}.c -o {prefix}.so"
            )
        self._temporary = tempfile.TemporaryDirectory()
        target = Path(self._temporary.name) / f"{prefix}.so"
        source = self._folder / "src" / f"{prefix}.c"
        try:
            done = subprocess.run(
                [*command, *OPTIONS, str(source), "-o", str(target)],
                capture_output=True,
                text=True,
                timeout=_TIME_LIMIT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as failure:
            raise UserError(f"{source}: cannot be compiled: {failure}") from failure
        if done.returncode:
            raise UserError(f"{source}: cannot be compiled: {done.stderr.strip()[:500]}")
        return target


def _card(folder: Path) -> dict[str, Any]:
    """The card of an exported folder."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        if card["target"] != "c":
            raise KeyError("target")
    except (OSError, ValueError, KeyError, TypeError) as refusal:
        raise UserError(
            f"{folder} is not a folder of C code with a card.json: export one with target c"
        ) from refusal
    return dict(card)


def _places(card: Mapping[str, Any]) -> tuple[dict[str, int], int]:
    """Where each member of the code's struct begins, in bytes, and the struct's size."""
    members = [
        (one["identifier"], one["dtype"], int(np.prod(one["shape"]))) for one in card["states"]
    ]
    members += [(_POOLS[dtype], dtype, size) for dtype, size in sorted(card["scratch"].items())]
    places, end = {}, 0
    for name, dtype, size in members:
        width = np.dtype(_STORED.get(dtype, dtype)).itemsize
        places[name] = -(-end // width) * width
        end = places[name] + size * width
    return places, end


def _part(memory: np.ndarray, place: int, one: Mapping[str, Any]) -> np.ndarray:
    dtype = np.dtype(_STORED.get(one["dtype"], one["dtype"]))
    count = int(np.prod(one["shape"]))
    return memory[place : place + count * dtype.itemsize].view(dtype).reshape(one["shape"])


def _spec(name: str, index: int, one: Mapping[str, Any]) -> TensorSpec:
    scale = None if "fraction" not in one else 2.0 ** -one["fraction"]
    return TensorSpec(name, index, tuple(one["shape"]), one["dtype"], scale, 0)
