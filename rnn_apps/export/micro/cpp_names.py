"""Names of files and tensors as C++ identifiers.

A model's file and its tensors may have any name: a keyword, digits, letters outside ASCII, path
characters, line breaks. Every identifier made here has a word of ours before or after it, so that
no keyword, function of the C library or macro can be hit, and identifiers of one scope differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rnn_apps.edge.runtime.signatures import Signature

# File systems allow 255 bytes for a name; the longest ending that follows has 11.
_LONGEST_STEM = 100
# What is appended to a tensor's constant for its other properties.
_CONSTANT_ENDINGS = ("", "Elements", "Scale", "ZeroPoint")


@dataclass(frozen=True)
class TensorName:
    """The identifiers that stand for one input or output.

    Attributes:
        constant: the header's constant, such as kInputFrames; "Elements", "Scale" and "ZeroPoint"
            may follow.
        variable: the argument or buffer, such as input_frames.
    """

    constant: str
    variable: str


@dataclass(frozen=True)
class TensorNames:
    """Identifiers of a signature's inputs and outputs, by the tensors' own names."""

    inputs: dict[str, TensorName]
    outputs: dict[str, TensorName]


def file_stem(name: str) -> str:
    """A model's name as the beginning of file names and C++ names: a-z, 0-9 and single "_"."""
    stem = _ascii_words(name, "_").lower()[:_LONGEST_STEM].strip("_")
    return stem if stem and not stem[0].isdigit() else f"model_{stem}".strip("_")


def tensor_names(signature: Signature) -> TensorNames:
    """Identifiers for every input and output of a signature, all different."""
    return TensorNames(_names_of("Input", signature.inputs), _names_of("Output", signature.outputs))


def comment_text(name: str) -> str:
    """A name for a C++ comment: quoted ASCII on one line, whatever characters it has."""
    return json.dumps(name)


def _names_of(kind: str, names: Iterable[str]) -> dict[str, TensorName]:
    names = list(names)
    constants = _distinct(names, lambda name: f"k{kind}{_camel_case(name)}", _CONSTANT_ENDINGS)
    variables = _distinct(names, lambda name: f"{kind.lower()}_{_ascii_words(name, '_')}", ("",))
    return {name: TensorName(constants[name], variables[name]) for name in names}


def _distinct(
    names: list[str], spell: Callable[[str], str], endings: tuple[str, ...]
) -> dict[str, str]:
    """Spells every name; a number follows where any of its endings would repeat an earlier one."""
    taken: set[str] = set()
    spelled = {}
    for name in names:
        first = candidate = spell(name)
        number = 1
        while not taken.isdisjoint(candidate + ending for ending in endings):
            number += 1
            candidate = f"{first}{number}" if len(endings) > 1 else f"{first}_{number}"
        taken.update(candidate + ending for ending in endings)
        spelled[name] = candidate
    return spelled


def _camel_case(name: str) -> str:
    parts = _ascii_words(name, "_").split("_")
    return "".join(part[:1].upper() + part[1:] for part in parts)


def _ascii_words(name: str, separator: str) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    return separator.join(words) or "tensor"
