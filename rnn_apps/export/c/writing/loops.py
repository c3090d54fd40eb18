"""What a loop does to each element, as C: in floats, or in 16 and 32 bits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnn_apps.export.c.programs.program import C_TYPES, Assignment, Index, Loop, Operand, View
from rnn_apps.export.c.writing.elementwise import expression

# A number of 16 bits may be shifted to the left by this much in 32 bits, and one more be added.
_MOST_LEFT = 14
# The fractions that the kernels of tanh and sigmoid take and give.
_TANH_TAKES, _SIGMOID_TAKES = 12, 11
_COMPARISONS = frozenset(["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"])
_OF_ONE_FRACTION = {"maximum": "({0} > {1} ? {0} : {1})", "minimum": "({0} < {1} ? {0} : {1})"}


def number_of(value: Operand) -> float | int | None:
    """The number that an operand always is; None if it is another one for each element."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, View) and is_number(value):
        assert value.buffer.data is not None
        return value.buffer.data[0].item()
    return None


def is_number(view: View) -> bool:
    """Whether a view is one and the same constant everywhere."""
    return view.buffer.kind == "constant" and view.buffer.size == 1


def literal(number: float | int, dtype: str) -> str:
    """A number as C writes it."""
    if dtype != "float32":
        return "(-2147483647 - 1)" if int(number) == -(2**31) else str(int(number))
    value = float(np.clip(np.float32(number), np.finfo(np.float32).min, np.finfo(np.float32).max))
    text = f"{value:.9g}"
    return f"{text}f" if any(mark in text for mark in ".e") else f"{text}.0f"


def elements(loop: Loop, names: dict[int, str]) -> list[str]:
    """The loops over all elements, and what is done to each.

    Args:
        loop: elementwise loop or reduction to write.
        names: names of the pointers to the buffers, by the buffers' numbers.
    """
    writer = _Elements(loop, names) if loop.fractions is None else _Integers(loop, names)
    return writer.text()


@dataclass
class _Elements:
    """A loop in floats."""

    loop: Loop
    names: dict[int, str]
    lines: list[str] = field(default_factory=list)
    loaded: dict[View, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    @property
    def indices(self) -> list[str]:
        return [f"i{axis}" for axis in range(len(self.loop.shape))]

    def text(self) -> list[str]:
        """The lines of a function's body."""
        opened = [
            f"{'    ' * (axis + 1)}for (int32_t i{axis} = 0; i{axis} < {size}; ++i{axis}) {{"
            for axis, size in enumerate(self.loop.shape)
        ]
        for one in self.loop.assignments:
            text = self.assigned(one)
            self.types[one.name] = one.dtype
            self.lines.append(f"const {self.c_type(one.dtype)} {one.name} = {text};")
        # Everything is read before anything is written: a state may be its own next value.
        values = [self.stored(view, value) for view, value in self.loop.stores]
        for (view, _), value in zip(self.loop.stores, values, strict=True):
            self.lines.append(f"{self.place(view)} = {value};")
        depth = len(self.loop.shape) + 1
        inner = ["    " * depth + line for line in self.lines]
        closed = ["    " * level + "}" for level in range(depth - 1, 0, -1)]
        return [*opened, *inner, *closed]

    def c_type(self, dtype: str) -> str:
        """The type of a result in C."""
        return C_TYPES[dtype]

    def place(self, view: View, row: str | None = None) -> str:
        """An element of a view; of a table, in a row that is known at run time."""
        strides = view.strides if row is None else view.strides[1:]
        own = Index(view.offset.constant, view.offset.terms)
        for index, stride in zip(self.indices, strides, strict=True):
            own = own + Index(0, ((index, stride),) if stride else ())
        text = str(own) if row is None else f"{row} * {view.strides[0]} + {own}"
        return f"{self.names[view.buffer.number]}[{text}]"

    def load(self, view: View) -> str:
        """The name of a view's element, which is read once."""
        if view not in self.loaded:
            name = self.loaded[view] = f"x{len(self.loaded)}"
            dtype = view.buffer.dtype
            read = self.read(view)
            self.types[name] = "float32" if dtype == "int16" else dtype
            self.lines.append(f"const {self.c_type(self.types[name])} {name} = {read};")
        return self.loaded[view]

    def read(self, view: View) -> str:
        """An element as it is computed with."""
        text = self.place(view)
        if view.buffer.dtype != "int16":
            return text
        assert view.buffer.fraction is not None
        return f"(float){text} * {literal(2.0**-view.buffer.fraction, 'float32')}"

    def operand(self, value: Operand, dtype: str) -> str:
        """An operand's text; `dtype` is the type of plain numbers."""
        number = number_of(value)
        if number is not None:
            text = literal(number, value.buffer.dtype if isinstance(value, View) else dtype)
            return f"({text})" if text.startswith("-") else text
        if isinstance(value, str):
            return value
        assert isinstance(value, View)
        return self.load(value)

    def assigned(self, one: Assignment) -> str:
        """The expression of an assignment."""
        if one.function == "gather":
            table, index = one.operands
            assert isinstance(table, View)
            row = f"@_row({self.operand(index, 'int32')}, {table.shape[0]})"
            return self.place(table, row)
        parts = tuple(self.operand(value, self.wanted(one)) for value in one.operands)
        return expression(one.function, one.dtype, parts)

    def wanted(self, one: Assignment) -> str:
        """The type of an assignment's plain numbers: that of its other operands."""
        for operand in one.operands[::-1]:
            if isinstance(operand, View) and not is_number(operand):
                return "float32" if operand.buffer.dtype == "int16" else operand.buffer.dtype
            if isinstance(operand, str) and self.types.get(operand) != "bool":
                return self.types[operand]
        return one.dtype

    def stored(self, view: View, value: Operand) -> str:
        """What is written to a view."""
        buffer = view.buffer
        if buffer.dtype != "int16":
            return self.operand(value, buffer.dtype)
        assert buffer.fraction is not None
        text = self.operand(value, "float32")
        return f"(int16_t)@_to_fixed({text} * {literal(2.0**buffer.fraction, 'float32')})"


@dataclass
class _Integers(_Elements):
    """A loop in integers; every result is of 16 bits, held in 32."""

    fractions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fractions.update(self.loop.fractions or {})

    def c_type(self, dtype: str) -> str:
        """The type of a result in C."""
        return "int32_t" if dtype == "float32" else C_TYPES[dtype]

    def read(self, view: View) -> str:
        """An element as it is computed with."""
        text, buffer = self.place(view), view.buffer
        if buffer.dtype == "float32":
            assert buffer.fraction is not None
            return f"@_to_fixed({text} * {literal(2.0**buffer.fraction, 'float32')})"
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
            texts = [shifted(*self.fixed(value), target) for value in values]
            chosen = self.operand(condition, "bool")
            return f"@_fit({chosen} ? {texts[0]} : {texts[1]})"
        parts = [self.fixed(value) for value in one.operands]
        if one.function in ("multiply", "square"):
            (left, first), (right, second) = parts[0], parts[-1]
            return f"@_fit({shifted(f'({left} * {right})', first + second, target)})"
        if one.function == "tanh":
            return f"@_fixed_tanh({shifted(*parts[0], _TANH_TAKES)})"
        if one.function == "sigmoid":
            return f"(@_fixed_tanh({shifted(*parts[0], _SIGMOID_TAKES)}) + 32768) >> 1"
        if len(parts) == 2:
            common = min(max(f for _, f in parts), min(f for _, f in parts) + _MOST_LEFT)
            texts = [shifted(text, own, common) for text, own in parts]
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
        texts = tuple(shifted(text, own, common) for text, own in parts)
        return expression(one.function, "bool", texts)

    def stored(self, view: View, value: Operand) -> str:
        """What is written to a view."""
        buffer = view.buffer
        if buffer.dtype in ("int32", "bool"):
            return self.operand(value, buffer.dtype)
        text, own = self.fixed(value)
        if buffer.dtype == "float32":
            return f"(float){text} * {literal(2.0**-own, 'float32')}"
        assert buffer.fraction is not None
        if own == buffer.fraction:
            return f"(int16_t){text}"
        return f"(int16_t)@_fit({shifted(text, own, buffer.fraction)})"


def shifted(text: str, own: int, target: int) -> str:
    """A number with one fraction as a number with another one, rounded."""
    if text == "0" or own == target:
        return text
    if own > target:
        distance = min(own - target, 30)
        return f"(({text} + {1 << (distance - 1)}) >> {distance})"
    distance = target - own
    return f"@_raised({text}, {distance})"
