"""What a source has besides a program's own statements: kernels, and arrays of constants."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Sequence

from rnn_apps.export.c.programs.program import C_TYPES, Buffer
from rnn_apps.export.c.writing.loops import literal

_KERNELS = importlib.resources.files("rnn_apps.export.c.writing") / "kernels"
_KERNEL_GROUPS = ("functions", "matrices", "integers", "sound")
_NUMBERS_OF_A_LINE = 8
# Functions on weights of 8 bits; with "wide_" before the name they are those on weights of 16 bits.
_ON_WEIGHTS = (
    "fixed_columns", "fixed_product", "four_sums", "half_columns", "half_product", "paired_sums",
    "short_product", "sum", "sums", "sums_left",
)  # fmt: skip


def kernels_for(text: str, prefix: str) -> list[str]:
    """The kernels that a text uses, those that others need before them."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        own = _kernel(name)
        if name in found or own is None:
            return
        for needed in _needed_by(own):
            if needed != name:
                add(needed)
        found[name] = own

    for name in sorted(set(_needed_by(text))):
        add(name)
    upper = prefix.upper()
    texts = []
    for own in found.values():
        named = re.sub(r"@_(RESTRICT|NOINLINE|DSP|NO_FLOATS)\b", rf"{upper}_\1", own)
        named = named.replace("static inline ", f"static {upper}_INLINE ")
        texts.append(named.replace("@_", f"{prefix}_"))
    return texts


def _needed_by(text: str) -> list[str]:
    """Names that a text uses: functions, and macros that have a file."""
    return [name.lower() for name in re.findall(r"@_([a-z_0-9]+|COLUMNS\b|ADD_PAIRS\b)", text)]


def _kernel(name: str) -> str | None:
    """The text of a kernel; None if there is none of this name."""
    if name == "short_convolution":
        text = _kernel("fixed_convolution") or ""
        return text.replace("@_fixed_", "@_short_")
    own = _text_of(name)
    if own is not None or not name.startswith("wide_"):
        return own
    narrow = _text_of(name.removeprefix("wide_"))
    if narrow is None:
        return None
    text = re.sub(rf"@_({'|'.join(_ON_WEIGHTS)})\b", r"@_wide_\1", narrow)
    return re.sub(r"\bint8_t\b", "int16_t", text)


def _text_of(name: str) -> str | None:
    """The text of a file of kernels; None if there is none of this name."""
    files = [_KERNELS / group / f"{name}.c" for group in _KERNEL_GROUPS]
    file = next((one for one in files if one.is_file()), None)
    return None if file is None else file.read_text(encoding="utf-8")


def constant_text(buffer: Buffer, name: str, matrix: tuple[int, int] | None = None) -> str:
    """A constant array.

    Args:
        buffer: buffer with the numbers of the array.
        name: name of the array.
        matrix: number of columns and of rows of a matrix of weights in integers; None for others.
    """
    assert buffer.data is not None
    numbers = [literal(number, buffer.dtype) for number in buffer.data.tolist()]
    if matrix is not None and buffer.dtype == "int8":
        numbers = _in_fours(numbers, *matrix)
    lines = [
        ", ".join(numbers[start : start + _NUMBERS_OF_A_LINE])
        for start in range(0, len(numbers), _NUMBERS_OF_A_LINE)
    ]
    joined = ",\n    ".join(lines)
    aligned = "@_ALIGNED " if matrix is not None or buffer.dtype == "float32" else ""
    declared = f"{aligned}static const {C_TYPES[buffer.dtype]} {name}[{buffer.size}]"
    return f"{declared} = {{\n    {joined}\n}};\n"


def _in_fours(numbers: Sequence[str], columns: int, depth: int) -> list[str]:
    """Weights as `weights.in_blocks` orders them; four of a column's weights are one macro each."""
    made: list[str] = []

    def add(start: int, count: int, left: int) -> None:
        made.extend(
            f"@_FOUR({', '.join(numbers[place : place + 4])})"
            for place in range(start, start + count - left, 4)
        )
        made.extend(numbers[start + count - left : start + count])

    for column in range(0, columns - columns % 4, 4):
        add(column * depth, 4 * depth, 4 * (depth % 8))
    for column in range(columns - columns % 4, columns):
        add(column * depth, depth, depth % 4)
    return made
