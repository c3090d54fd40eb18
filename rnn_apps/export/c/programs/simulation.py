"""A program run by NumPy, to see how large its numbers become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnn_apps.export.c.programs.program import (
    Index,
    Loop,
    Operand,
    Product,
    Program,
    Reduction,
    Repeat,
    Statement,
    View,
    Window,
)


def _erf(x: np.ndarray) -> np.ndarray:
    """The error function by the formula 7.1.25 of Abramowitz and Stegun, exact to 3e-5."""
    t = 1 / (1 + 0.47047 * np.abs(x))
    return np.sign(x) * (
        1 - (0.3480242 * t - 0.0958798 * t**2 + 0.7478556 * t**3) * np.exp(-(x**2))
    )


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "copy": lambda x: x, "add": np.add, "subtract": np.subtract, "multiply": np.multiply,
    "divide": np.divide, "divide_no_nan": lambda x, y: np.divide(x, np.where(y == 0, np.inf, y)),
    "maximum": np.maximum, "minimum": np.minimum, "negative": np.negative, "absolute": np.abs,
    "square": np.square, "squared_difference": lambda x, y: (x - y) ** 2,
    "reciprocal": lambda x: 1 / x, "sign": np.sign, "exp": np.exp, "expm1": np.expm1,
    "log": lambda x: np.log(np.maximum(x, 1.17549435e-38)), "log1p": np.log1p,
    "sqrt": lambda x: np.sqrt(np.maximum(x, 0)),
    "rsqrt": lambda x: np.where(x > 0, 1 / np.sqrt(np.where(x > 0, x, 1)), 0),
    "tanh": np.tanh, "sigmoid": _sigmoid, "sin": np.sin, "cos": np.cos, "erf": _erf,
    "erfc": lambda x: 1 - _erf(x),
    "relu": lambda x: np.maximum(x, 0), "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, a: np.where(x > 0, x, a * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: np.where(x > 0, 1.05070099 * x, 1.75809934 * np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(0, x), "softsign": lambda x: x / (1 + np.abs(x)),
    "floor": np.floor, "ceil": np.ceil, "round": np.round,
    "power": lambda x, y: np.nan_to_num(np.power(x, y), posinf=0.0, neginf=0.0),
    "to_float": lambda x: np.asarray(x, np.float32),
    "to_int": lambda x: np.trunc(x).astype(np.int32),
    "widen": lambda x: np.asarray(x, np.int32), "to_bool": lambda x: x != 0,
    **{
        f"to_{dtype}": lambda x, dtype=dtype: np.asarray(x).astype(dtype).astype(np.int32)
        for dtype in ("int8", "int16", "uint8", "uint16")
    },
    "floor_divide": lambda x, y: x // np.where(y == 0, 1, y),
    "floor_modulo": lambda x, y: x % np.where(y == 0, 1, y),
    "less": np.less, "less_equal": np.less_equal, "greater": np.greater,
    "greater_equal": np.greater_equal, "equal": np.equal, "not_equal": np.not_equal,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not, "is_finite": np.isfinite,
    "select": np.where,
}  # fmt: skip

_REDUCTIONS: dict[str, Any] = {
    "sum": np.sum, "product": np.prod, "maximum": np.max, "minimum": np.min,
    "argmax": np.argmax, "argmin": np.argmin,
}  # fmt: skip

# Inputs of a watched product that are summed up in one go.
_ROWS_AT_A_TIME = 256


@dataclass
class Simulation:
    """Runs a program on arrays and notes the largest absolute value of everything that it makes.

    Attributes:
        program: a program whose numbers are float32, int32 and bool.
        of_buffers: buffer's number -> the largest absolute value that was in it.
        of_assignments: (number of the loop, name of the assignment) -> the same of its results; a
            loop's number is its `id`.
        watched: statements, by `id`, of whose left matrices the products of columns are summed up.
    """

    program: Program
    of_buffers: dict[int, float] = field(default_factory=dict)
    of_assignments: dict[tuple[int, str], float] = field(default_factory=dict)
    watched: frozenset[int] = frozenset()
    _rows: dict[int, list[np.ndarray]] = field(default_factory=dict)
    _sums: dict[int, np.ndarray] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)
    _memory: dict[int, np.ndarray] = field(default_factory=dict)
    _passes: dict[str, int] = field(default_factory=dict)

    def begin(self, states: Mapping[str, np.ndarray]) -> None:
        """Sets each state to an array, or to zero where there is none for it."""
        for name, view in self.program.states.items():
            self._array(view)[...] = states.get(name, 0)
            self._note(view, self._array(view))

    def call(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One call: outputs by name, and states as NAME_out."""
        for name, view in self.program.inputs.items():
            self._array(view)[...] = inputs[name]
            self._note(view, self._array(view))
        with np.errstate(all="ignore"):
            self._run(self.program.statements)
        outputs = {name: self._array(v).copy() for name, v in self.program.outputs.items()}
        states = {f"{n}_out": self._array(v).copy() for n, v in self.program.states.items()}
        return outputs | states

    def products_of_inputs(self, one: Statement) -> tuple[np.ndarray, int] | None:
        """X^T X and the number of rows of X, all that a watched product read; None for others.

        A row of X is, for a convolution, all numbers of one window.
        """
        if id(one) not in self._counts:
            return None
        self._sum_up(id(one))
        return self._sums[id(one)], self._counts[id(one)]

    def _watch(self, one: Statement, left: np.ndarray) -> None:
        rows = self._rows.setdefault(id(one), [])
        rows.append(np.array(left, np.float64))
        self._counts[id(one)] = self._counts.get(id(one), 0) + len(left)
        if len(rows) >= _ROWS_AT_A_TIME:
            self._sum_up(id(one))

    def _sum_up(self, number: int) -> None:
        if rows := self._rows[number]:
            read = np.concatenate(rows)
            self._sums[number] = self._sums.get(number, 0.0) + read.T @ read
            rows.clear()

    def _run(self, statements: Sequence[Statement]) -> None:
        for one in statements:
            if isinstance(one, Repeat):
                for number in range(one.count):
                    self._passes[one.variable] = number
                    self._run(one.body)
                continue
            if isinstance(one, Loop):
                self._run_loop(one)
            elif isinstance(one, Product):
                out, left = self._array(one.out), self._array(one.left)
                if id(one) in self.watched:
                    self._watch(one, left)
                made = left @ self._array(one.right)
                out[...] = out + made if one.accumulates else made
            elif isinstance(one, Reduction):
                self._run_reduction(one)
            else:
                assert isinstance(one, Window)
                self._run_window(one)
            for view in one.writes():
                self._note(view, self._array(view))

    def _run_loop(self, loop: Loop) -> None:
        made: dict[str, np.ndarray] = {}

        def operand(value: Operand) -> Any:
            if isinstance(value, View):
                return self._array(value)
            return made[value] if isinstance(value, str) else value

        for one in loop.assignments:
            if one.function == "gather":
                table, index = (operand(value) for value in one.operands)
                row = np.where(np.less(index, 0), index + len(table), index)
                places = np.broadcast_to(np.clip(row, 0, len(table) - 1), loop.shape)
                result = np.take_along_axis(table, places[None], 0)[0]
            else:
                result = FUNCTIONS[one.function](*map(operand, one.operands))
            made[one.name] = result
            if one.dtype == "float32":
                key = (id(loop), one.name)
                largest = float(np.max(np.abs(result), initial=0.0))
                self.of_assignments[key] = max(self.of_assignments.get(key, 0.0), largest)
        values = [np.array(operand(value)) for _, value in loop.stores]
        for (view, _), value in zip(loop.stores, values, strict=True):
            self._array(view)[...] = value

    def _run_reduction(self, one: Reduction) -> None:
        kept = len(one.out.shape)
        source = self._array(one.source)
        if one.kind.startswith("arg"):
            source = source.reshape(*source.shape[:kept], -1)
        axes = kept if one.kind.startswith("arg") else tuple(range(kept, len(one.source.shape)))
        self._array(one.out)[...] = _REDUCTIONS[one.kind](source, axis=axes)

    def _run_window(self, one: Window) -> None:
        if one.kind == "convolution":
            self._run_convolution(one)
            return
        out, source = self._array(one.out), self._array(one.source)
        weights = None if one.weights is None else self._array(one.weights)
        height, width, _ = source.shape
        for row, column in np.ndindex(*out.shape[:2]):
            parts = []
            for place in np.ndindex(*one.window):
                y = row * one.steps[0] - one.before[0] + place[0] * one.spread[0]
                x = column * one.steps[1] - one.before[1] + place[1] * one.spread[1]
                if not (0 <= y < height and 0 <= x < width):
                    continue
                if weights is None:
                    parts.append(source[y, x])
                else:
                    out[row, column] += (source[y, x][:, None] * weights[place]).ravel()
            if parts:
                reduce = np.max if one.kind == "maximum" else np.mean
                out[row, column] = reduce(parts, axis=0)

    def _run_convolution(self, one: Window) -> None:
        out, source = self._array(one.out), self._array(one.source)
        assert one.weights is not None
        weights = self._array(one.weights)
        patches = np.zeros((*out.shape[:2], *weights.shape[:3]), np.float32)
        height, width, _ = source.shape
        for row, column, down, right in np.ndindex(*patches.shape[:4]):
            y = row * one.steps[0] - one.before[0] + down * one.spread[0]
            x = column * one.steps[1] - one.before[1] + right * one.spread[1]
            if 0 <= y < height and 0 <= x < width:
                patches[row, column, down, right] = source[y, x]
        rows = patches.reshape(len(out) * out.shape[1], -1)
        if id(one) in self.watched:
            self._watch(one, rows)
        out += (rows @ weights.reshape(rows.shape[1], -1)).reshape(out.shape)

    def _array(self, view: View) -> np.ndarray:
        """A view as an array that shares its buffer's memory."""
        buffer = view.buffer
        if buffer.number not in self._memory:
            start = np.zeros(buffer.size, buffer.dtype) if buffer.data is None else buffer.data
            self._memory[buffer.number] = start
        memory = self._memory[buffer.number]
        strides = tuple(step * memory.itemsize for step in view.strides)
        offset = self._value(view.offset) * memory.itemsize
        if not view.size:
            return np.zeros(view.shape, buffer.dtype)
        return np.ndarray(view.shape, memory.dtype, memory, offset, strides)

    def _value(self, index: Index) -> int:
        return index.constant + sum(factor * self._passes[name] for name, factor in index.terms)

    def _note(self, view: View, values: np.ndarray) -> None:
        if values.dtype.kind == "f":
            number = view.buffer.number
            largest = float(np.max(np.abs(values), initial=0.0))
            self.of_buffers[number] = max(self.of_buffers.get(number, 0.0), largest)
