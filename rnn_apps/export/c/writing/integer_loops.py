"""What a loop does to each element, as C, in 16 and 32 bits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnn_apps.export.c.programs.program import C_TYPES, Assignment, Loop, Operand, View
from rnn_apps.export.c.writing.elementwise import expression
from rnn_apps.export.c.writing.loops import Elements, is_number, number_of

# A number of 16 bits may be shifted to the left by this much in 32 bits, and one more be added.
_MOST_LEFT = 14
# The fractions that the kernels of tanh and sigmoid take and give.
_TANH_TAKES, _SIGMOID_TAKES = 12, 11
_SQUASHED = frozenset(["tanh", "sigmoid"])
_COMPARISONS = frozenset(["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"])
_OF_ONE_FRACTION = {"maximum": "({0} > {1} ? {0} : {1})", "minimum": "({0} < {1} ? {0} : {1})"}


@dataclass
class Integers(Elements):
    """A loop in integers; every result is of 16 bits, held in 32.

    A loop with tanh or sigmoid goes over some elements at a time, in stages: the arguments of all
    of them, then tanh of all, then what needs it. So compilers make vector instructions of all but
    the reading of the table.

    Attributes:
        fractions: fractions of all names that are no truth values.
    """

    fractions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fractions.update(self.loop.fractions or {})

    def text(self) -> list[str]:
        """The lines of a function's body."""
        stages = _stages_of(self.loop)
        last = max((stage + 1 for name, stage in stages.items() if name in self.tables), default=0)
        if last == 0:
            return super().text()
        *outer, size = self.loop.shape or (1,)
        opened = [
            f"{'    ' * (axis + 1)}for (int32_t i{axis} = 0; i{axis} < {length}; ++i{axis}) {{"
            for axis, length in enumerate(outer)
        ]
        kept = _kept(self.loop, stages, last)
        inner = self._blocks(size, kept)
        for stage in range(last + 1):
            inner += self._stage(stage, stages, kept, stage == last)
        inner.append("}")
        depth = len(outer) + 1
        closed = ["    " * level + "}" for level in range(depth - 1, 0, -1)]
        return [*opened, *("    " * depth + line for line in inner), *closed]

    @property
    def tables(self) -> set[str]:
        """The assignments whose values are read from the table of tanh."""
        return {a.name for a in self.loop.assignments if a.function in _SQUASHED}

    def _blocks(self, size: int, kept: Sequence[str]) -> list[str]:
        """The loop over blocks of elements, and the arrays of what stages leave to later ones."""
        types = {one.name: self.c_type(one.dtype) for one in self.loop.assignments}
        lanes = f"{size} % @_LANES == 0 || {size} - start >= @_LANES ? @_LANES : {size} - start"
        return [
            f"for (int32_t start = 0; start < {size}; start += @_LANES) {{",
            f"    const int32_t lanes = {lanes};",
            *(f"    {types[name]} {name}s[@_LANES];" for name in kept),
        ]

    def _stage(
        self, stage: int, stages: Mapping[str, int], kept: Sequence[str], is_last: bool
    ) -> list[str]:
        """What is done to each element of a block in one stage."""
        self.lines, self.loaded = [], {}
        own = [one for one in self.loop.assignments if stages[one.name] == stage]
        needed = {o for one in own for o in one.operands if isinstance(o, str)}
        if is_last:
            needed |= {value for _, value in self.loop.stores if isinstance(value, str)}
        for one in self.loop.assignments:
            if one.name in needed and one.name in kept and stages[one.name] < stage:
                value = f"{one.name}s[lane]"
                value = f"({value} + 32768) >> 1" if one.function == "sigmoid" else value
                self.lines.append(f"const {self.c_type(one.dtype)} {one.name} = {value};")
        tables = []
        for one in own:
            self.types[one.name] = one.dtype
            if one.function in _SQUASHED:
                taken = _TANH_TAKES if one.function == "tanh" else _SIGMOID_TAKES
                argument = brought(*self.fixed(one.operands[0]), taken)
                self.lines.append(f"{one.name}s[lane] = {argument};")
                tables.append(one.name)
                continue
            text = self.assigned(one)
            self.lines.append(f"const {self.c_type(one.dtype)} {one.name} = {text};")
            if one.name in kept:
                self.lines.append(f"{one.name}s[lane] = {one.name};")
        if is_last:
            values = [self.stored(view, value) for view, value in self.loop.stores]
            for (view, _), value in zip(self.loop.stores, values, strict=True):
                self.lines.append(f"{self.place(view)} = {value};")
        index = []
        if self.loop.shape and any(re.search(rf"\b{self.indices[-1]}\b", x) for x in self.lines):
            index = [f"        const int32_t {self.indices[-1]} = start + lane;"]
        return [
            "    for (int32_t lane = 0; lane < lanes; ++lane) {",
            *index,
            *("        " + line for line in self.lines),
            "    }",
            *(f"    @_fixed_tanhs({name}s, lanes);" for name in tables),
        ]

    def c_type(self, dtype: str) -> str:
        """The type of a result in C."""
        return "int32_t" if dtype == "float32" else C_TYPES[dtype]

    def read(self, view: View) -> str:
        """An element as it is computed with."""
        text, buffer = self.place(view), view.buffer
        if buffer.dtype == "float32":
            assert buffer.fraction is not None
            return f"@_to_fixed({text}, {buffer.fraction})"
        return text

    def load(self, view: View) -> str:
        """The name of a view's element, which is read once."""
        name = super().load(view)
        if view.buffer.dtype in ("int16", "float32"):
            assert view.buffer.fraction is not None
            self.fractions[name] = view.buffer.fraction
        return name

    def fixed(self, value: Operand) -> tuple[str, int]:
        """An operand's text and its fraction."""
        number = number_of(value)
        if number is not None:
            if isinstance(value, View) and value.buffer.fraction is not None:
                return str(int(number)), value.buffer.fraction
            return self.constant(float(number))
        text = self.operand(value, "float32")
        return text, self.fractions[text]

    @staticmethod
    def constant(number: float) -> tuple[str, int]:
        """A plain number in at most 15 bits."""
        if number == 0:
            return "0", 0
        fraction = int(np.clip(np.floor(np.log2(32767 / abs(number))), -8, 24))
        return f"({round(number * 2.0**fraction)})", fraction

    def assigned(self, one: Assignment) -> str:
        """The expression of an assignment."""
        if one.dtype == "bool" and one.function not in _COMPARISONS:
            return super().assigned(one)
        if one.function in _COMPARISONS:
            return self.compared(one)
        target = self.fractions[one.name]
        if one.function == "select":
            condition, *values = one.operands
            texts = [brought(*self.fixed(value), target) for value in values]
            chosen = self.operand(condition, "bool")
            return f"@_fit({chosen} ? {texts[0]} : {texts[1]})"
        parts = [self.fixed(value) for value in one.operands]
        if one.function in ("multiply", "square"):
            (left, first), (right, second) = parts[0], parts[-1]
            return f"@_fit({shifted(f'({left} * {right})', first + second, target)})"
        if len(parts) == 2:
            common = min(max(f for _, f in parts), min(f for _, f in parts) + _MOST_LEFT)
            texts = [brought(text, own, common) for text, own in parts]
            known = {"add": "({0} + {1})", "subtract": "({0} - {1})", **_OF_ONE_FRACTION}
            return f"@_fit({shifted(known[one.function].format(*texts), common, target)})"
        known = {
            "copy": "{0}",
            "negative": "(-{0})",
            "absolute": "({0} < 0 ? -{0} : {0})",
            "relu": "({0} > 0 ? {0} : 0)",
        }
        text, own = parts[0]
        return f"@_fit({shifted(known[one.function].format(text), own, target)})"

    def compared(self, one: Assignment) -> str:
        """A truth value from two numbers, of 16 bits or whole ones."""
        kinds = [self.types.get(value, "") for value in one.operands if isinstance(value, str)]
        views = [v.buffer.dtype for v in one.operands if isinstance(v, View) and not is_number(v)]
        if "int32" in (*kinds, *views) or "bool" in (*kinds, *views):
            return super().assigned(one)
        parts = [self.fixed(value) for value in one.operands]
        common = min(max(f for _, f in parts), min(f for _, f in parts) + _MOST_LEFT)
        texts = tuple(brought(text, own, common) for text, own in parts)
        return expression(one.function, "bool", texts)

    def stored(self, view: View, value: Operand) -> str:
        """What is written to a view."""
        buffer = view.buffer
        if buffer.dtype in ("int32", "bool"):
            return self.operand(value, buffer.dtype)
        text, own = self.fixed(value)
        if buffer.dtype == "float32":
            return f"@_to_real({text}, {own})"
        assert buffer.fraction is not None
        if own == buffer.fraction:
            return f"(int16_t){text}"
        return f"(int16_t)@_fit({shifted(text, own, buffer.fraction)})"


def _stages_of(loop: Loop) -> dict[str, int]:
    """The stage in which each assignment is made: one after the tables that it needs."""
    stages: dict[str, int] = {}
    functions = {one.name: one.function for one in loop.assignments}
    for one in loop.assignments:
        before = [name for name in one.operands if isinstance(name, str)]
        ready = [stages[name] + (functions[name] in _SQUASHED) for name in before]
        stages[one.name] = max(ready, default=0)
    return stages


def _kept(loop: Loop, stages: Mapping[str, int], last: int) -> list[str]:
    """The assignments whose results a later stage reads, and those that are read from the table."""
    needed = {value for _, value in loop.stores if isinstance(value, str) and stages[value] < last}
    for one in loop.assignments:
        before = (name for name in one.operands if isinstance(name, str))
        needed |= {name for name in before if stages[name] < stages[one.name]}
    return [a.name for a in loop.assignments if a.name in needed or a.function in _SQUASHED]


def brought(text: str, own: int, target: int) -> str:
    """As `shifted`, for a number of 16 bits, of which 14 places to the left lose nothing."""
    if text != "0" and 0 < target - own <= _MOST_LEFT:
        return f"({text} * {1 << (target - own)})"
    return shifted(text, own, target)


def shifted(text: str, own: int, target: int) -> str:
    """A number with one fraction as a number with another one, rounded."""
    if text == "0" or own == target:
        return text
    if own > target:
        distance = min(own - target, 30)
        return f"(({text} + {1 << (distance - 1)}) >> {distance})"
    distance = target - own
    return f"@_raised({text}, {distance})"
