"""A program in integers: 8-bit weights per channel, 16-bit states, gates and activations.

Ranges come from running the program on real sequences (`simulation`). A number x with the fraction
f is kept as the whole number x 2^f in 16 bits; f is chosen for every buffer and every intermediate
result. Products with constant weights are of 8-bit weights, whose scale is the output channel's
own, and sum up in 32 bits; where that is too coarse, a second product has what the first one's
weights leave over (`precision`). Loops of sums, products, sigmoid, tanh and the like run in
integers where they work on what such products take or give, which every recurrent step does.
Whatever else there is (softmax, normalisation, convolutions, attention) stays float32, and numbers
are converted where they go from one kind to the other. Inputs and outputs of the code are float32,
or of 16 bits too (`integer_arguments`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnn_apps.export.c.programs.integer_arguments import with_integer_arguments
from rnn_apps.export.c.programs.precision import too_coarse
from rnn_apps.export.c.programs.program import (
    Buffer,
    Loop,
    Operand,
    Product,
    Program,
    QuantisedProduct,
    Reduction,
    Repeat,
    Statement,
    View,
    Window,
    contiguous_strides,
    every_statement,
    whole,
)
from rnn_apps.export.c.programs.rewriting import with_views
from rnn_apps.export.c.programs.simulation import Simulation
from rnn_apps.export.c.programs.weights import in_blocks, matrix_of, weights_of_8_bits, worth

# Functions of loops that run in integers.
_FUNCTIONS = """
    copy add subtract multiply square maximum minimum negative absolute sigmoid tanh relu select
    less less_equal greater greater_equal equal not_equal and or not
"""
IN_INTEGERS = frozenset(_FUNCTIONS.split())
# What may be exceeded by data that was not seen when the ranges were measured.
HEADROOM = 1.1
LARGEST = 32767
_MOST_CALLS = 400
# Loops with larger numbers stay float32: the -1e9 of a mask would leave no bits for the rest.
LARGEST_IN_INTEGERS = 32768.0


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
        finer: True for weights of twice 8 bits where 8 bits are too coarse.
    """
    products = [one for one in every_statement(program.statements) if _is_quantisable(one)]
    watched = frozenset(id(one) for one in products if isinstance(one, Product) and worth(one))
    simulation = Simulation(program, watched=watched)
    places = np.linspace(0, len(examples) - 1, min(len(examples), _MOST_CALLS)).round().astype(int)
    for place in places.tolist():
        example = examples[place]
        simulation.begin(example)
        simulation.call(example)
    change = _Change(simulation, _kinds(program, simulation))
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


def _is_quantisable(one: Statement) -> bool:
    return (
        isinstance(one, Product)
        and one.right.buffer.kind == "constant"
        and one.left.buffer.dtype == "float32"
        and one.left.strides[1] in (0, 1)
        and one.out.strides[1] in (0, 1)
    )


@dataclass(frozen=True)
class _Kinds:
    """Which buffers are of 16 bits, by number, and which loops run in integers, by `id`."""

    buffers: frozenset[int]
    loops: frozenset[int]


def _kinds(program: Program, simulation: Simulation) -> _Kinds:
    statements = [s for s in every_statement(program.statements) if not isinstance(s, Repeat)]
    of_products: set[int] = set()
    raw: set[int] = set()
    for one in statements:
        if _is_quantisable(one):
            assert isinstance(one, Product)
            of_products |= {one.left.buffer.number, one.out.buffer.number}
        elif isinstance(one, Product | Reduction | Window):
            raw |= {view.buffer.number for view in (*one.reads(), *one.writes())}
    loops = {
        id(one)
        for one in statements
        if isinstance(one, Loop)
        and _runs_in_integers(one, simulation)
        and any(v.buffer.number in of_products for v in (*one.reads(), *one.writes()))
    }
    touched = set(of_products)
    for one in statements:
        if id(one) in loops:
            touched |= {view.buffer.number for view in (*one.reads(), *one.writes())}
    own = {
        view.buffer.number
        for one in statements
        for view in (*one.reads(), *one.writes())
        if view.buffer.kind in ("scratch", "state") and view.buffer.dtype == "float32"
    }
    return _Kinds(frozenset((touched & own) - raw), frozenset(loops))


def _runs_in_integers(loop: Loop, simulation: Simulation) -> bool:
    for one in loop.assignments:
        largest = simulation.of_assignments.get((id(loop), one.name), 0.0)
        if one.dtype == "float32" and largest > LARGEST_IN_INTEGERS:
            return False
        if one.function not in IN_INTEGERS or one.dtype == "int32":
            return False
    views = [*loop.reads(), *loop.writes()]
    return all(view.buffer.dtype in ("float32", "bool", "int32") for view in views)


@dataclass
class _Change:
    """Makes the statements of the program in integers."""

    simulation: Simulation
    kinds: _Kinds
    finer: Collection[int] = ()
    _made: dict[int, Buffer] = field(default_factory=dict)

    def block(self, statements: Sequence[Statement]) -> list[Statement]:
        """The statements of one block."""
        made: list[Statement] = []
        for one in statements:
            if isinstance(one, Repeat):
                made.append(Repeat(one.variable, one.count, self.block(one.body)))
            elif _is_quantisable(one):
                assert isinstance(one, Product)
                made += self._product(one)
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
        """A product of 8-bit weights, after a conversion of what it reads if that is float."""
        before: list[Statement] = []
        left = self.view(one.left)
        if left.buffer.dtype == "float32":
            fraction = self.fraction(left.buffer)
            copy = Buffer("scratch", "int16", one.left.size, fraction=fraction)
            target = whole(copy, one.left.shape)
            before.append(Loop(one.left.shape, [], [(target, one.left)]))
            left = target
        out, matrix = self.view(one.out), matrix_of(one.right)
        if id(one) not in self.finer:
            weights, scales = self._weights(one)
            return [*before, _quantised_product(out, left, weights, scales, one.accumulates)]
        weights, scales = weights_of_8_bits(matrix, None)
        rest, rest_scales = weights_of_8_bits(matrix - weights.T * scales, None)
        return [
            *before,
            _quantised_product(out, left, weights, scales, one.accumulates),
            _quantised_product(out, left, rest, rest_scales, True),
        ]

    def coarse(self, one: Product) -> np.ndarray:
        """The matrix [inputs, outputs] of a product as 8-bit weights have it."""
        weights, scales = self._weights(one)
        return weights.T * scales

    def _weights(self, one: Product) -> tuple[np.ndarray, np.ndarray]:
        inputs = self.simulation.products_of_inputs(one)
        return weights_of_8_bits(matrix_of(one.right), inputs)


def _quantised_product(
    out: View, left: View, weights: np.ndarray, scales: np.ndarray, accumulates: bool
) -> QuantisedProduct:
    """The statement for weights int8 [outputs, inputs] and each output's scale."""
    left_fraction = left.buffer.fraction
    assert left_fraction is not None
    if out.buffer.dtype == "float32":
        factors = scales * 2.0**-left_fraction
        numbers = Buffer("constant", "float32", len(scales), data=factors.astype(np.float32))
        shift = None
    else:
        assert out.buffer.fraction is not None
        factors = scales * 2.0 ** (out.buffer.fraction - left_fraction)
        largest = float(factors.max())
        shift = max(1, min(62, 30 - math.floor(math.log2(max(largest, 1e-30)))))
        multipliers = np.minimum(np.round(factors * 2.0**shift), 2**31 - 1).astype(np.int32)
        numbers = Buffer("constant", "int32", len(scales), data=multipliers)
    columns, depth = weights.shape
    table = View(
        Buffer("constant", "int8", depth * columns, data=in_blocks(weights)),
        (columns, depth),
        contiguous_strides((columns, depth)),
    )
    return QuantisedProduct(out, left, table, whole(numbers, (columns,)), shift, accumulates)


def _rounded(numbers: np.ndarray, fraction: int) -> np.ndarray:
    scaled = np.round(numbers.astype(np.float64) * 2.0**fraction)
    return np.clip(scaled, -LARGEST, LARGEST).astype(np.int16)
