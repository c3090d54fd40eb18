"""A program between a traced graph and C: buffers, views of them, and statements.

All sizes are known. A `View` is what NumPy calls one: slices, transposed and broadcast tensors cost
nothing. Statements run in order; each one says which views it reads and writes, which is all that
scheduling and memory planning need to know.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

_numbers = itertools.count()

# What C calls the types.
C_TYPES = {
    "float32": "float", "int32": "int32_t", "bool": "uint8_t", "int16": "int16_t", "int8": "int8_t",
}  # fmt: skip


@dataclass(frozen=True)
class Index:
    """A whole number that depends on loop variables: constant + sum of factor * variable."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: Index | int) -> Index:
        other = other if isinstance(other, Index) else Index(other)
        factors = dict(self.terms)
        for name, factor in other.terms:
            factors[name] = factors.get(name, 0) + factor
        kept = tuple((name, factor) for name, factor in sorted(factors.items()) if factor)
        return Index(self.constant + other.constant, kept)

    def __mul__(self, factor: int) -> Index:
        kept = tuple((name, own * factor) for name, own in self.terms if factor)
        return Index(self.constant * factor, kept)

    def with_value(self, name: str, value: Index) -> Index:
        """The same with a variable replaced by what it is."""
        factor = dict(self.terms).get(name, 0)
        rest = Index(self.constant, tuple(term for term in self.terms if term[0] != name))
        return rest + value * factor

    def __str__(self) -> str:
        parts = [name if factor == 1 else f"{factor} * {name}" for name, factor in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return " + ".join(parts).replace("+ -", "- ")


@dataclass(eq=False)
class Buffer:
    """Numbers of one type that lie together.

    Attributes:
        kind: "constant", "input", "output", "state" (kept from call to call) or "scratch".
        dtype: NumPy's name of the type.
        size: number of elements.
        name: name of an input, an output or a state in the signature; else free.
        data: numbers of a constant.
        fraction: for 16 bits, a number x is kept as x 2^fraction; for floats that loops in integers
            read, what they make of them.
        limits: the smallest and the largest whole number that Keras can have here, of which these
            are the lowest 32 bits, while a graph is lowered; None if any of 32 bits.
    """

    kind: str
    dtype: str
    size: int
    name: str = ""
    data: np.ndarray | None = None
    number: int = field(default_factory=lambda: next(_numbers))
    fraction: int | None = None
    limits: tuple[int, int] | None = None


@dataclass(frozen=True)
class View:
    """A tensor that lies in a buffer: element [i, j ...] is at offset + i * strides[0] + ..."""

    buffer: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: Index = Index()

    def __post_init__(self) -> None:
        # A dimension of size 1 never moves, so that equal views are equal objects.
        strides = tuple(
            0 if size == 1 else step for size, step in zip(self.shape, self.strides, strict=True)
        )
        object.__setattr__(self, "strides", strides)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie one behind the other in C order."""
        return self.strides == contiguous_strides(self.shape)

    @property
    def has_rows_in_one_piece(self) -> bool:
        """Whether a row's elements lie one behind the other; those of a broadcast row are one."""
        return self.shape[-1] == 1 or self.strides[-1] == 1

    @property
    def is_whole(self) -> bool:
        """Whether it is its whole buffer, in order."""
        return self.is_contiguous and self.size == self.buffer.size and self.offset == Index()

    def squeezed(self) -> View:
        """Without dimensions of size 1."""
        kept = [axis for axis, size in enumerate(self.shape) if size != 1]
        return View(
            self.buffer,
            tuple(self.shape[axis] for axis in kept),
            tuple(self.strides[axis] for axis in kept),
            self.offset,
        )


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor in C order; 0 for dimensions of size 1, which never move."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(0 if size == 1 else step)
        step *= size
    return tuple(reversed(strides))


def whole(buffer: Buffer, shape: Sequence[int]) -> View:
    """All of a buffer as a tensor."""
    return View(buffer, tuple(shape), contiguous_strides(shape))


# An operand of an assignment: an element of a view, an earlier assignment's name, or a number.
Operand = View | str | float | int


@dataclass(frozen=True)
class Assignment:
    """name = function(operands), for each element of a loop.

    A function is a key of `writing.elementwise`; "gather" reads its first operand, a view [rows,
    the loop's shape], in the row that its second one says.
    """

    name: str
    function: str
    operands: tuple[Operand, ...]
    dtype: str = "float32"


@dataclass
class Statement:
    """Something that the program does."""

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        raise NotImplementedError

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        raise NotImplementedError


@dataclass
class Loop(Statement):
    """Assignments for each element of a shape, and what is stored at the end of each element.

    Attributes:
        stores: (view of the loop's shape, operand) pairs.
        fractions: for a loop in integers, the fraction of each assignment that is no truth value;
            None for a loop in floats.
        stays_float32: True for a loop that is never in integers.
    """

    shape: tuple[int, ...]
    assignments: list[Assignment]
    stores: list[tuple[View, Operand]]
    fractions: dict[str, int] | None = None
    stays_float32: bool = False

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        for assignment in self.assignments:
            yield from (one for one in assignment.operands if isinstance(one, View))
        yield from (one for _, one in self.stores if isinstance(one, View))

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        yield from (view for view, _ in self.stores)


@dataclass
class Product(Statement):
    """out [M, N] = left [M, K] times right [K, N], added to what is there if `accumulates`.

    Attributes:
        tiled: whether the numbers of `right` lie in tiles; see `programs.tiling`.
    """

    out: View
    left: View
    right: View
    accumulates: bool = False
    tiled: bool = False

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        yield self.left
        yield self.right
        if self.accumulates:
            yield self.out

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        yield self.out


@dataclass
class JoinedProducts(Statement):
    """A product of a step which in the first pass of a loop is made along with one of all steps.

    Attributes:
        variable: the loop's variable; the product of all steps is made where it is 0.
        block: the product of all steps, a row each.
        step: the product of one step, of as many columns.
    """

    variable: str
    block: Product
    step: Product

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        yield from self.block.reads()
        yield from self.step.reads()

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        yield from self.block.writes()
        yield from self.step.writes()


@dataclass
class QuantisedProduct(Statement):
    """A product of int8 or int16 weights [N, K] with int16 numbers left [M, K]; out [M, N].

    Attributes:
        scales: [N]; int32 multipliers where out is int16, float32 factors where it is float32.
        shift: by how much a sum times its multiplier is shifted to the right; None for floats.
        accumulates: whether the product is added to what is there.
    """

    out: View
    left: View
    weights: View
    scales: View
    shift: int | None
    accumulates: bool

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        yield from (self.left, self.weights, self.scales)
        if self.accumulates:
            yield self.out

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        yield self.out


@dataclass
class Reduction(Statement):
    """out [kept ...] = sum, product, maximum or minimum of source [kept ..., reduced ...].

    With `kind` "argmax" or "argmin" out is int32 and there is one reduced dimension.
    """

    out: View
    source: View
    kind: str

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        yield self.source

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        yield self.out


@dataclass
class Window(Statement):
    """A window that slides over source [height, width, channels].

    Attributes:
        kind: "convolution", "depthwise", "maximum" or "average".
        out: [rows, columns, outputs]; a convolution adds to what is there.
        weights: [window height, window width, channels, outputs]; None for pooling.
        window: height and width.
        steps: distance from window to window, down and right.
        spread: distance from element to element in the window.
        before: rows and columns of padding above and to the left.
    """

    kind: str
    out: View
    source: View
    weights: View | None
    window: tuple[int, int]
    steps: tuple[int, int]
    spread: tuple[int, int]
    before: tuple[int, int]

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        yield self.source
        if self.weights is not None:
            yield self.weights
            yield self.out

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        yield self.out


@dataclass
class QuantisedWindow(Statement):
    """A convolution of int16 numbers with int8 weights, added to what is there.

    Attributes:
        window: the convolution that it is; `source` is int16, `out` int16 or float32, and its
            weights are None.
        weights: [outputs, window height * window width * channels], int8.
        scales: [outputs]; int32 multipliers where out is int16, float32 factors for floats.
        shift: by how much a sum times its multiplier is shifted to the right; None for floats.
        patch: int16 memory for the numbers of one window, which are put together there.
    """

    window: Window
    weights: View
    scales: View
    shift: int | None
    patch: View

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        yield from (self.window.source, self.weights, self.scales, self.window.out)

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        yield from (self.window.out, self.patch)


@dataclass
class Repeat(Statement):
    """The statements of `body`, `count` times, with `variable` from 0 on."""

    variable: str
    count: int
    body: list[Statement]

    def reads(self) -> Iterator[View]:
        """The views that are read."""
        for statement in self.body:
            yield from statement.reads()

    def writes(self) -> Iterator[View]:
        """The views that are written."""
        for statement in self.body:
            yield from statement.writes()


@dataclass
class Program:
    """A whole function: its buffers by role, and what it does.

    Attributes:
        inputs, outputs: views by name, in the signature's order.
        states: views by name; zeros at the beginning.
        statements: what one call does.
    """

    inputs: dict[str, View]
    outputs: dict[str, View]
    states: dict[str, View]
    statements: list[Statement]


def every_statement(statements: Sequence[Statement]) -> Iterator[Statement]:
    """All statements in order, those of loops after the loop itself."""
    for statement in statements:
        yield statement
        if isinstance(statement, Repeat):
            yield from every_statement(statement.body)
