"""What a loop does to each element, as C, in floats."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnn_apps.export.c.programs.program import C_TYPES, Assignment, Index, Loop, Operand, View
from rnn_apps.export.c.writing.elementwise import expression


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


@dataclass
class Elements:
    """A loop in floats.

    Attributes:
        loop: elementwise loop to write.
        names: names of the pointers to the buffers, by the buffers' numbers.
        lines: what is done to each element, as far as it is written.
        loaded: names of the elements of views that were read.
        types: NumPy's types of all names.
    """

    loop: Loop
    names: dict[int, str]
    lines: list[str] = field(default_factory=list)
    loaded: dict[View, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    @property
    def indices(self) -> list[str]:
        """The variables that count the elements of each dimension."""
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
        return f"@_to_real({text}, {view.buffer.fraction})"

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
        return f"(int16_t)@_to_fixed({text}, {buffer.fraction})"
