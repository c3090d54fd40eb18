"""Which parts of a program are in integers: its buffers, and its loops."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from rnn_apps.export.c.programs.program import (
    Loop,
    Product,
    Program,
    Reduction,
    Repeat,
    Statement,
    View,
    Window,
    every_statement,
)
from rnn_apps.export.c.programs.rewriting import IN_INTEGERS
from rnn_apps.export.c.programs.simulation import Simulation

# Loops with larger numbers stay float32: the -1e9 of a mask would leave no bits for the rest.
LARGEST_IN_INTEGERS = 32768.0
# So do loops that read inputs this many times larger than what they make of them: the number that
# marks what is missing would leave no bits for the rest.
_LARGEST_OF_INPUTS = 32.0


def is_quantisable(one: Statement) -> bool:
    """Whether a statement multiplies by constant weights in a way that the kernels know."""
    if isinstance(one, Window):
        return (
            one.kind == "convolution"
            and one.weights is not None
            and one.weights.buffer.kind == "constant"
            and not one.weights.offset.terms
            and one.source.buffer.dtype == "float32"
        )
    return (
        isinstance(one, Product)
        and one.right.buffer.kind == "constant"
        and one.left.buffer.dtype == "float32"
        and not one.right.offset.terms
        and one.left.strides[1] in (0, 1)
        and one.out.has_rows_in_one_piece
    )


@dataclass(frozen=True)
class Kinds:
    """Which buffers are of 16 bits, by number, and which loops run in integers, by `id`."""

    buffers: frozenset[int]
    loops: frozenset[int]


def kinds_of(program: Program, simulation: Simulation) -> Kinds:
    """What is in integers, by the program and the numbers that it makes on real data."""
    statements = [s for s in every_statement(program.statements) if not isinstance(s, Repeat)]
    of_products: set[int] = set()
    raw: set[int] = set()
    for one in statements:
        if is_quantisable(one):
            assert isinstance(one, Product | Window)
            left = one.left if isinstance(one, Product) else one.source
            of_products |= {left.buffer.number, one.out.buffer.number}
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
    fixed = (touched & own) - raw
    fixed |= _only_copied(statements, own - raw - fixed, fixed)
    loops |= {id(one) for one in statements if _copies_within(one, fixed)}
    return Kinds(frozenset(fixed), frozenset(loops))


def _only_copied(statements: Sequence[Statement], floats: Set[int], fixed: Set[int]) -> set[int]:
    """Buffers of floats that are copied from and to buffers of 16 bits, and nothing else."""
    kept, pairs = set(floats), []
    for one in statements:
        if isinstance(one, Loop) and not one.assignments:
            pairs += [
                {view.buffer.number, value.buffer.number}
                for view, value in one.stores
                if isinstance(value, View) and value.buffer.kind != "constant"
            ]
        else:
            kept -= {view.buffer.number for view in (*one.reads(), *one.writes())}
    while lost := {end for pair in pairs if pair - fixed - kept for end in pair & kept}:
        kept -= lost
    return kept


def _copies_within(one: Statement, fixed: Set[int]) -> bool:
    """Whether a statement does nothing but copy buffers of 16 bits."""
    return (
        isinstance(one, Loop)
        and not one.assignments
        and all(view.buffer.number in fixed for view in (*one.reads(), *one.writes()))
    )


def _runs_in_integers(loop: Loop, simulation: Simulation) -> bool:
    if loop.stays_float32:
        return False
    for one in loop.assignments:
        largest = simulation.of_assignments.get((id(loop), one.name), 0.0)
        if one.dtype == "float32" and largest > LARGEST_IN_INTEGERS:
            return False
        if one.function not in IN_INTEGERS or one.dtype == "int32":
            return False
    if _reads_far_larger_inputs(loop, simulation) or _needs_equal_floats(loop):
        return False
    views = [*loop.reads(), *loop.writes()]
    return all(view.buffer.dtype in ("float32", "bool", "int32") for view in views)


def _reads_far_larger_inputs(loop: Loop, simulation: Simulation) -> bool:
    """Whether a loop reads an input with numbers far larger than those that it makes of it."""
    made = [simulation.of_buffers.get(view.buffer.number, 0.0) for view in loop.writes()]
    read = [
        simulation.of_buffers.get(view.buffer.number, 0.0)
        for view in loop.reads()
        if view.buffer.kind == "input"
    ]
    return max(read, default=0.0) > _LARGEST_OF_INPUTS * max(made) > 0.0


def _needs_equal_floats(loop: Loop) -> bool:
    """Whether a loop asks if real numbers are equal: rounded to 16 bits, others would be."""
    types = {one.name: one.dtype for one in loop.assignments}
    compared = [
        operand
        for one in loop.assignments
        if one.function in ("equal", "not_equal")
        for operand in one.operands
    ]
    return any(
        (isinstance(one, View) and one.buffer.dtype == "float32" and one.buffer.kind != "constant")
        or (isinstance(one, str) and types[one] == "float32")
        for one in compared
    )
