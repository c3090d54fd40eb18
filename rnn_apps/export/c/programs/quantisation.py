"""A program in integers: 8-bit weights per channel, 16-bit states, gates and activations.

Ranges come from running the program on real sequences (`simulation`). A number x with the fraction
f is kept as the whole number x 2^f in 16 bits; f is chosen for every buffer and every intermediate
result. Products and convolutions with constant weights are of 8-bit weights, whose scale is the
output channel's own, and sum up in 32 bits; where that is too coarse for a product, its weights are
as fine as such sums allow, in 16 bits (`precision`). Loops of sums, products, sigmoid, tanh
and the like run in integers where they work on what such products take or give, which every
recurrent step does. Whatever else there is (softmax, normalisation, depthwise convolutions,
attention) stays float32, and numbers are converted where they go from one kind to the other. Inputs
and outputs of the code are float32, or of 16 bits too (`integer_arguments`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnn_apps.export.c.programs.integer_arguments import with_integer_arguments
from rnn_apps.export.c.programs.integer_parts import Kinds, is_quantisable, kinds_of
from rnn_apps.export.c.programs.precision import too_coarse
from rnn_apps.export.c.programs.program import (
    Buffer,
    Index,
    Loop,
    Operand,
    Product,
    Program,
    QuantisedProduct,
    QuantisedWindow,
    Repeat,
    Statement,
    View,
    Window,
    every_statement,
    whole,
)
from rnn_apps.export.c.programs.rewriting import with_views
from rnn_apps.export.c.programs.simulation import Simulation
from rnn_apps.export.c.programs.weights import (
    in_blocks,
    matrix_of,
    weights_of_8_bits,
    weights_of_16_bits,
    worth,
)

# What may be exceeded by data that was not seen when the ranges were measured.
HEADROOM = 1.1
LARGEST = 32767
# More calls than these are not run for it: each one that is left out may have the largest number.
_MOST_CALLS = 2000


def quantised(
    program: Program,
    examples: Sequence[Mapping[str, np.ndarray]],
    integer_io: bool = False,
    finer: bool = False,
) -> Program:
    """The program in integers.

    Args:
        program: a scheduled program in float32.
        examples: real inputs, states included, on which the ranges are measured.
        integer_io: True for inputs and outputs of 16 bits as well.
        finer: True for weights of 16 bits where 8 bits are too coarse.
    """
    products = [one for one in every_statement(program.statements) if is_quantisable(one)]
    watched = frozenset(id(one) for one in products if worth(_matrix(one)))
    simulation = Simulation(program, watched=watched)
    places = np.linspace(0, len(examples) - 1, min(len(examples), _MOST_CALLS)).round().astype(int)
    for place in places.tolist():
        example = examples[place]
        simulation.begin(example)
        simulation.call(example)
    change = _Change(simulation, kinds_of(program, simulation))
    if finer:
        matrices = {id(one): change.coarse(one) for one in products if isinstance(one, Product)}
        change = dataclasses.replace(change, finer=too_coarse(program, examples, matrices))
    made = dataclasses.replace(
        program,
        statements=change.block(program.statements),
        states={name: change.view(view) for name, view in program.states.items()},
    )
    return with_integer_arguments(made, change.fraction) if integer_io else made


def fraction_of(largest: float) -> int:
    """The fraction for numbers up to this absolute value in 16 bits."""
    reach = max(largest, min(1.0, HEADROOM * largest)) if largest <= 1 else HEADROOM * largest
    if reach <= 0:
        return 15
    return max(-8, min(24, math.floor(math.log2(LARGEST / min(reach, 1e9)) + 1e-4)))


def _matrix(one: Statement) -> View:
    """The constant weights [inputs, outputs] of a product or a convolution."""
    if isinstance(one, Product):
        return one.right
    assert isinstance(one, Window) and one.weights is not None
    depth, outputs = math.prod(one.weights.shape[:3]), one.weights.shape[3]
    return View(one.weights.buffer, (depth, outputs), (outputs, 1), one.weights.offset)


def _lies_in_rows(one: Window) -> bool:
    """Whether the numbers of each window lie in one piece, at equal distances along one row."""
    last = (one.out.shape[1] - 1) * one.steps[1] + one.window[1]
    return (
        one.source.shape[0] == one.out.shape[0] == one.window[0] == 1
        and (one.spread[1] == 1 or one.window[1] == 1)
        and one.before == (0, 0)
        and last <= one.source.shape[1]
    )


@dataclass
class _Change:
    """Makes the statements of the program in integers."""

    simulation: Simulation
    kinds: Kinds
    finer: Collection[int] = ()
    _made: dict[int, Buffer] = field(default_factory=dict)
    _tables: dict[tuple[int, Index], View] = field(default_factory=dict)

    def block(self, statements: Sequence[Statement]) -> list[Statement]:
        """The statements of one block."""
        made: list[Statement] = []
        for one in statements:
            if isinstance(one, Repeat):
                made.append(Repeat(one.variable, one.count, self.block(one.body)))
            elif is_quantisable(one):
                if isinstance(one, Product):
                    made += self._product(one)
                else:
                    assert isinstance(one, Window)
                    made += self._convolution(one)
            elif id(one) in self.kinds.loops:
                assert isinstance(one, Loop)
                made.append(self._loop(one))
            else:
                made.append(with_views(one, self.view))
        return made

    def view(self, view: View) -> View:
        """The view where it is now: in 16 bits, or where it was."""
        buffer = view.buffer
        if buffer.number not in self.kinds.buffers:
            return view
        if buffer.number not in self._made:
            fraction = self.fraction(buffer)
            self._made[buffer.number] = Buffer(
                buffer.kind, "int16", buffer.size, buffer.name, fraction=fraction
            )
        return dataclasses.replace(view, buffer=self._made[buffer.number])

    def fraction(self, buffer: Buffer) -> int:
        """The fraction that suits the numbers that were in a buffer."""
        return fraction_of(self.simulation.of_buffers.get(buffer.number, 1.0))

    def _loop(self, loop: Loop) -> Loop:
        fractions: dict[str, int] = {}
        assignments = []
        for one in loop.assignments:
            operands = tuple(self._operand(operand) for operand in one.operands)
            assignments.append(dataclasses.replace(one, operands=operands))
            if one.dtype == "float32":
                largest = self.simulation.of_assignments.get((id(loop), one.name), 1.0)
                squashed = one.function in ("tanh", "sigmoid")
                fractions[one.name] = 15 if squashed else fraction_of(largest)
        stores = [(self.view(view), self._operand(value)) for view, value in loop.stores]
        return Loop(loop.shape, assignments, stores, fractions)

    def _operand(self, operand: Operand) -> Operand:
        """Constants in 16 bits; floats outside keep their type and are converted when loaded."""
        if not isinstance(operand, View) or operand.buffer.dtype != "float32":
            return operand
        buffer = operand.buffer
        if buffer.kind != "constant":
            now = self.view(operand)
            if now.buffer.dtype == "float32" and now.buffer.fraction is None:
                now.buffer.fraction = self.fraction(buffer)
            return now
        assert buffer.data is not None
        if buffer.number not in self._made:
            fraction = fraction_of(float(np.abs(buffer.data).max()))
            self._made[buffer.number] = Buffer(
                "constant", "int16", buffer.size, data=_rounded(buffer.data, fraction),
                fraction=fraction,
            )  # fmt: skip
        return dataclasses.replace(operand, buffer=self._made[buffer.number])

    def _product(self, one: Product) -> list[Statement]:
        """A product of integers, after a conversion of what it reads if that is float."""
        before, left = self._in_16_bits(one.left)
        out = self.view(one.out)

        if id(one) in self.finer:
            weights, scales = weights_of_16_bits(matrix_of(one.right))
        else:
            weights, scales = self._weights(one)
        numbers, shift = _multipliers(scales, left.buffer, out.buffer)
        made = QuantisedProduct(out, left, _table(weights), numbers, shift, one.accumulates)
        return [*before, made]

    def coarse(self, one: Product) -> np.ndarray:
        """The matrix [inputs, outputs] of a product as 8-bit weights have it."""
        weights, scales = self._weights(one)
        return weights.T * scales

    def _convolution(self, one: Window) -> list[Statement]:
        """The same for a convolution; one along time without padding is a product of its rows."""
        before, source = self._in_16_bits(one.source)
        out = self.view(one.out)
        weights, scales = self._weights(one)
        outputs, depth = weights.shape
        # All rows of a batch read the same numbers.
        place = (_matrix(one).buffer.number, _matrix(one).offset)
        table = self._tables.setdefault(place, _table(weights))
        numbers, shift = _multipliers(scales, source.buffer, out.buffer)
        if _lies_in_rows(one):
            strides = (one.steps[1] * source.shape[2], 1)
            left = View(source.buffer, (one.out.shape[1], depth), strides, source.offset)
            target = View(out.buffer, (one.out.shape[1], outputs), (outputs, 1), out.offset)
            return [*before, QuantisedProduct(target, left, table, numbers, shift, True)]
        window = dataclasses.replace(one, out=out, source=source, weights=None)
        patch = whole(Buffer("scratch", "int16", depth, fraction=0), (depth,))
        return [*before, QuantisedWindow(window, table, numbers, shift, patch)]

    def _in_16_bits(self, view: View) -> tuple[list[Statement], View]:
        """A view in 16 bits whose rows are in one piece, and the copy that makes it, if any."""
        now = self.view(view)
        if now.buffer.dtype != "float32" and now.has_rows_in_one_piece:
            return [], now
        copy = Buffer("scratch", "int16", view.size, fraction=self.fraction(view.buffer))
        target = whole(copy, view.shape)
        return [Loop(view.shape, [], [(target, now)])], target

    def _weights(self, one: Product | Window) -> tuple[np.ndarray, np.ndarray]:
        """Weights int8 [outputs, inputs] and each output's scale."""
        inputs = self.simulation.products_of_inputs(one)
        return weights_of_8_bits(matrix_of(_matrix(one)), inputs)


def _table(weights: np.ndarray) -> View:
    """Weights [outputs, inputs] as the kernels read them."""
    data = in_blocks(weights)
    return whole(Buffer("constant", data.dtype.name, data.size, data=data), weights.shape)


def _multipliers(scales: np.ndarray, left: Buffer, out: Buffer) -> tuple[View, int | None]:
    """What sums are multiplied by, and how far shifted afterwards; None for floats."""
    assert left.fraction is not None
    if out.dtype == "float32":
        factors = scales * 2.0**-left.fraction
        numbers = Buffer("constant", "float32", len(scales), data=factors.astype(np.float32))
        return whole(numbers, (len(scales),)), None
    assert out.fraction is not None
    factors = scales * 2.0 ** (out.fraction - left.fraction)
    largest = float(factors.max())
    shift = max(1, min(62, 30 - math.floor(math.log2(max(largest, 1e-30)))))
    multipliers = np.minimum(np.round(factors * 2.0**shift), 2**31 - 1).astype(np.int32)
    numbers = Buffer("constant", "int32", len(scales), data=multipliers)
    return whole(numbers, (len(scales),)), shift


def _rounded(numbers: np.ndarray, fraction: int) -> np.ndarray:
    scaled = np.round(numbers.astype(np.float64) * 2.0**fraction)
    return np.clip(scaled, -LARGEST, LARGEST).astype(np.int16)
