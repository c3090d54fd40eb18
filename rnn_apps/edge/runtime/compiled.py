"""An exported folder of C code as a model of this computer, through ctypes."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.library import library_of
from rnn_apps.edge.runtime.library_check import FILE, LibraryCheck, read_checks
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec

# The members behind the states, one for each type of scratch memory. In newer code they share
# their bytes, so that this is then more memory than the struct needs.
_POOLS = {"bool": "truths", "float32": "scratch", "int16": "fixed", "int32": "integers"}
_STORED = {"bool": "uint8"}


class CompiledFunction:
    """One function of an exported folder, with the memory that it works on.

    Args:
        library: the folder's code, compiled.
        card: description of the function.
        key: name of its signature.
    """

    def __init__(self, library: ctypes.CDLL, card: Mapping[str, Any], key: str) -> None:
        self._inputs, self._outputs = card["inputs"], card["outputs"]
        self._states = card["states"]
        self._key = key
        self.prefix = str(card["prefix"])
        self._function = getattr(library, card["function"])
        self._function.restype = None
        # Bytes, by the rules of C for structs: every member begins at a multiple of its type.
        places, size = _places(card)
        self._memory = np.zeros(-(-size // 8) * 8 + 8, np.uint8)
        self._kept = {
            state["name"]: _part(self._memory, places[state["identifier"]], state)
            for state in self._states
        }

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

    def call(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the function once; inputs and outputs are in the code's own types."""
        for name, kept in self._kept.items():
            kept[...] = inputs[name]
        arguments, made, _ = self._arguments(inputs)
        self._function(*arguments)
        return made | {f"{name}_out": kept.copy() for name, kept in self._kept.items()}

    def invocation(self, inputs: Mapping[str, np.ndarray]) -> Callable[[], object]:
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

    def trial(self, calls: Sequence[Mapping[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
        """What calls one after another give, from states of zeros: real numbers."""
        outputs = self.signature().outputs
        self.reset()
        results = []
        for inputs in calls:
            made = self.call({**inputs, **self._kept})
            results.append(
                {name: value * (outputs[name].scale or 1) for name, value in made.items()}
            )
        self.reset()
        return results

    def _arguments(
        self, inputs: Mapping[str, np.ndarray]
    ) -> tuple[list[ctypes.c_void_p], dict[str, np.ndarray], list[np.ndarray]]:
        """The function's arguments, the outputs that it writes, and what must stay alive."""
        given = [np.ascontiguousarray(inputs[one["name"]], one["dtype"]) for one in self._inputs]
        made = {one["name"]: np.empty(one["shape"], one["dtype"]) for one in self._outputs}
        arrays = [self._memory, *given, *made.values()]
        return [ctypes.c_void_p(array.ctypes.data) for array in arrays], made, arrays


class CompiledRuntime:
    """Calls the functions of an exported folder; see `Runtime`.

    A library PREFIX.so in the folder, beside card.json, is used as it is. Without one, the sources
    are compiled by this computer's compiler (the variable CC, or cc, gcc, clang), once in a process
    for each content: the code has no variables of its own, so that all runtimes share it. Either
    library must give what the export left in check.npz. If the compiler's fastest code does not,
    plainer code is compiled instead, and a warning says so.

    Args:
        folder: folder that `export_c` wrote.

    Raises:
        UserError: there is no such folder, no compiler, the compiler refuses the source, or no
            library gives what the export proved.
    """

    def __init__(self, folder: str | Path) -> None:
        path = Path(folder)
        card = _card(path)
        try:
            cards = card.get("functions") or {_only_key(card): card}
            checks = read_checks(path / FILE)
            library = library_of(
                path,
                card["prefix"],
                [one["prefix"] for one in cards.values()],
                lambda built: _wrong(_functions(built, cards), checks),
            )
            self._functions = _functions(library, cards)
            self._signatures = {key: one.signature() for key, one in self._functions.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as damage:
            raise UserError(
                f"{path / 'card.json'}: damaged, or of other code than that beside it "
                f"({type(damage).__name__}: {damage}). Export it again"
            ) from damage

    def signatures(self) -> dict[str, Signature]:
        """What each function takes and gives."""
        return self._signatures

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a function once; inputs and outputs are in the code's own types."""
        return self._functions[signature.key].call(inputs)

    def invocation(
        self, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[], object]:
        """What runs the function on the inputs, as often as it is called."""
        return self._functions[signature.key].invocation(inputs)

    def reset(self) -> None:
        """Sets all states to zero."""
        for function in self._functions.values():
            function.reset()


def _only_key(card: Mapping[str, Any]) -> str:
    return "step" if card["mode"] == "streaming" else "serving_default"


def _functions(
    library: ctypes.CDLL, cards: Mapping[str, Mapping[str, Any]]
) -> dict[str, CompiledFunction]:
    """The functions of a library, by the names of their signatures."""
    return {key: CompiledFunction(library, one, key) for key, one in cards.items()}


def _wrong(functions: Mapping[str, CompiledFunction], checks: Mapping[str, LibraryCheck]) -> str:
    """What functions give that their export did not: a sentence, or nothing."""
    for function in functions.values():
        check = checks.get(function.prefix)
        if check is None:
            continue
        difference = check.difference(function.trial(check.inputs))
        if not difference <= check.tolerance:
            return (
                f"{function.prefix} gives other numbers than those that its export proved "
                f"({difference:.2g} of the largest, where {check.tolerance:.2g} is allowed)"
            )
    return ""


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
