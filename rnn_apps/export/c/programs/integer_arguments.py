"""Inputs and outputs of 16 bits, for callers whose numbers are integers before and after.

A number x is given and taken as x 2^fraction, so that its scale is a power of two and its zero
point is 0. Loops read and write such numbers as they are; whatever else works on an argument gets a
copy of it in float32. Outputs have room for numbers twice as large as those that were seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from rnn_apps.export.c.programs.program import (
    Buffer,
    Loop,
    Program,
    Repeat,
    Statement,
    View,
    every_statement,
    whole,
)
from rnn_apps.export.c.programs.rewriting import with_views

# Bits of outputs for numbers beyond those that were seen: a forecast of other data may be twice as
# large, and would be cut off, while 14 bits are far finer than the weights.
ROOM_OF_OUTPUTS = 1


def with_integer_arguments(program: Program, fraction: Callable[[Buffer], int]) -> Program:
    """The same program with every float32 input and output in 16 bits.

    Args:
        program: a program in integers, as `quantised` makes it.
        fraction: the fraction that suits what is in a buffer.
    """
    changed: dict[int, Buffer] = {}
    before: list[Statement] = []
    after: list[Statement] = []
    arguments: dict[str, dict[str, View]] = {"input": {}, "output": {}}
    for kind, views in (("input", program.inputs), ("output", program.outputs)):
        for name, view in views.items():
            buffer = view.buffer
            if buffer.dtype != "float32":
                arguments[kind][name] = view
                continue
            room = ROOM_OF_OUTPUTS if kind == "output" else 0
            fixed = Buffer(kind, "int16", buffer.size, name, fraction=fraction(buffer) - room)
            arguments[kind][name] = whole(fixed, view.shape)
            if _is_for_loops(program, buffer):
                changed[buffer.number] = fixed
                continue
            # Loops in integers may read it as well, at the fraction that they know.
            copy = Buffer("scratch", "float32", buffer.size, fraction=buffer.fraction)
            changed[buffer.number] = copy
            given, plain = whole(fixed, (buffer.size,)), whole(copy, (buffer.size,))
            if kind == "input":
                before.append(Loop((buffer.size,), [], [(plain, given)]))
            else:
                after.append(Loop((buffer.size,), [], [(given, plain)]))
    statements = [_moved(one, changed) for one in program.statements]
    return dataclasses.replace(
        program,
        inputs=arguments["input"],
        outputs=arguments["output"],
        statements=[*before, *statements, *after],
    )


def _is_for_loops(program: Program, buffer: Buffer) -> bool:
    """Whether elementwise loops alone work on a buffer, and none looks rows up in it."""
    for one in every_statement(program.statements):
        if isinstance(one, Repeat):
            continue
        if not any(view.buffer is buffer for view in (*one.reads(), *one.writes())):
            continue
        if not isinstance(one, Loop):
            return False
        for assignment in one.assignments:
            table = assignment.operands[0]
            looked_up = assignment.function == "gather" and isinstance(table, View)
            if looked_up and table.buffer is buffer:  # type: ignore[union-attr]
                return False
    return True


def _moved(statement: Statement, changed: Mapping[int, Buffer]) -> Statement:
    def change(view: View) -> View:
        buffer = changed.get(view.buffer.number)
        return view if buffer is None else dataclasses.replace(view, buffer=buffer)

    return with_views(statement, change)
