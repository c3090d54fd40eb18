"""Names of models and tensors as C identifiers.

A model and its tensors may have any name: a keyword, digits, letters outside ASCII. Every name
made here begins with the model's prefix or a word of ours, so that no keyword, function of the C
library or macro can be hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipelines.base.errors import ConfigurationError

LONGEST_PREFIX = 40
# What a prefix alone must not be, since files and functions are called by it.
_KEYWORDS = """
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while bool true false class new delete this template namespace try catch
    throw using virtual private public protected friend operator and or not xor main
"""
_HEADERS = """
    assert complex ctype errno fenv float inttypes iso646 limits locale math memory setjmp signal
    stdarg stdbool stddef stdint stdio stdlib string strings tgmath time wchar wctype
"""
_TAKEN = frozenset((_KEYWORDS + _HEADERS).split())


def prefix_of(name: str) -> str:
    """A model's name as the beginning of all names in its C code: a-z, 0-9 and single "_"."""
    stem = "_".join(re.findall(r"[a-z0-9]+", name.lower()))[:LONGEST_PREFIX].strip("_")
    if not stem or stem[0].isdigit() or stem in _TAKEN:
        stem = f"model_{stem}".strip("_")
    return stem


def check_prefix(name: str) -> str:
    """A prefix that the user chose.

    Raises:
        ConfigurationError: it cannot begin C names.
    """
    usual = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)
    if usual is None or name in _TAKEN or "__" in name or len(name) > LONGEST_PREFIX:
        raise ConfigurationError(
            f"name = {name!r} cannot begin the names of C code: use up to {LONGEST_PREFIX} "
            'letters, digits and single "_", a letter first, and no keyword of C or C++ and no '
            "name of a header of the C library"
        )
    return name


def identifiers(kind: str, names: Iterable[str]) -> dict[str, str]:
    """A C identifier for each name, all different: "input_" and the like, then the name.

    Args:
        kind: "input", "output" or "state".
        names: names of the signature.
    """
    made: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        words = "_".join(re.findall(r"[A-Za-z0-9]+", name)) or "tensor"
        first = candidate = f"{kind}_{words}"
        number = 1
        while candidate.lower() in taken:
            number += 1
            candidate = f"{first}_{number}"
        taken.add(candidate.lower())
        made[name] = candidate
    return made
