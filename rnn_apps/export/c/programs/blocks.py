"""Inputs of several timesteps multiplied at once.

In a loop over time the inputs of each timestep are multiplied by the same matrix, and do not depend
on the states. Done for a block of timesteps ahead of their steps, what is read of the matrix serves
for all of them. It takes memory for the block's results.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rnn_apps.export.c.programs.program import (
    Buffer,
    Index,
    Loop,
    Product,
    Program,
    Repeat,
    Statement,
    View,
    whole,
)
from rnn_apps.export.c.programs.rewriting import reader_counts, with_views
from rnn_apps.export.c.programs.tiling import WIDTH

# Numbers of timesteps of a block, the best one first; it must divide the number of timesteps. The
# kernel of products keeps the sums of this many rows in registers.
SIZES = (5, 4)


def in_blocks(program: Program) -> Program:
    """The program with products of inputs for a block of timesteps at once, where that is possible.

    Args:
        program: a scheduled program in float32.
    """
    readers = reader_counts(program.statements)
    made = [
        _in_blocks(one, readers) if isinstance(one, Repeat) else one for one in program.statements
    ]
    return dataclasses.replace(program, statements=made)


def _in_blocks(loop: Repeat, readers: dict[int, int]) -> Repeat:
    size = next((size for size in SIZES if loop.count % size == 0), None)
    if size is None or any(isinstance(one, Repeat) for one in loop.body):
        return loop
    own = reader_counts(loop.body)
    ahead: list[Statement] = []
    body = list(loop.body)
    for one in loop.body:
        if not isinstance(one, Product) or not _depends_on_inputs_only(one, loop):
            continue
        number = one.out.buffer.number
        if own[number] != readers[number]:
            continue
        start = _start(body, one)
        if start is None:
            continue
        body = [other for other in body if other is not one]
        ahead, body = _moved(ahead, body, one, start, loop.variable, size)
    if not ahead:
        return loop
    outer = f"{loop.variable}_block"

    start_of_block = Index(0, ((outer, size),))
    rows = {view.buffer.number for one in ahead for view in one.writes()}

    def moved(view: View, timestep: Index) -> View:
        offset = view.offset.with_value(loop.variable, timestep)
        return view if view.buffer.number in rows else dataclasses.replace(view, offset=offset)

    timestep = start_of_block + Index(0, ((loop.variable, 1),))
    inner = [with_views(one, lambda view: moved(view, timestep)) for one in body]
    first = [with_views(one, lambda view: moved(view, start_of_block)) for one in ahead]
    repeated: list[Statement] = [*first, Repeat(loop.variable, size, inner)]
    return Repeat(outer, loop.count // size, repeated)


def _factor(view: View, variable: str) -> int:
    return dict(view.offset.terms).get(variable, 0)


def _depends_on_inputs_only(one: Product, loop: Repeat) -> bool:
    """Whether a product of one row reads a constant matrix and what no pass changes."""
    changed = {view.buffer.number for view in loop.writes()}
    return (
        one.out.shape[0] == 1
        and one.out.shape[1] > WIDTH
        and one.out.buffer.kind == "scratch"
        and one.out.is_whole
        and one.right.buffer.kind == "constant"
        and one.right.is_whole
        and one.left.buffer.number not in changed
        and one.left.strides[1] == 1
        and _factor(one.left, loop.variable) != 0
    )


def _start(body: Sequence[Statement], product: Product) -> tuple[Loop, View] | tuple[()] | None:
    """What a product is added to: the loop that stores it and what it stores.

    () if the product is added to nothing; None if anything else uses the buffer before it.
    """
    buffer = product.out.buffer
    before = []
    for one in body:
        if one is product:
            break
        if any(view.buffer is buffer for view in (*one.reads(), *one.writes())):
            before.append(one)
    if not before and not product.accumulates:
        return ()
    if len(before) != 1 or not product.accumulates:
        return None
    (loop,) = before
    if not isinstance(loop, Loop) or any(view.buffer is buffer for view in loop.reads()):
        return None
    for view, value in loop.stores:
        if view.buffer is buffer and isinstance(value, View):
            fixed = value.buffer.kind == "constant" and not value.offset.terms
            return (loop, value) if fixed and view.is_whole and len(value.shape) == 1 else None
    return None


def _moved(
    ahead: Sequence[Statement],
    body: Sequence[Statement],
    one: Product,
    start: tuple[Loop, View] | tuple[()],
    variable: str,
    size: int,
) -> tuple[list[Statement], list[Statement]]:
    """The statements ahead of a block's steps and those of a step, with one more product ahead."""
    old, columns = one.out.buffer, one.out.shape[1]
    block = Buffer("scratch", old.dtype, size * columns)
    out = whole(block, (size, columns))
    made = list(ahead)
    rest = list(body)
    if start:
        loop, value = start
        name = f"{variable}_row"
        target = View(block, (columns,), (1,), Index(0, ((name, columns),)))
        made.append(Repeat(name, size, [Loop((columns,), [], [(target, value)])]))
        stores = [(view, other) for view, other in loop.stores if view.buffer is not old]
        kept = [dataclasses.replace(loop, stores=stores)] if stores else []
        place = next(place for place, other in enumerate(rest) if other is loop)
        rest[place : place + 1] = kept
    step = _factor(one.left, variable)
    left = View(one.left.buffer, (size, one.left.shape[1]), (step, 1), one.left.offset)
    made.append(Product(out, left, one.right, one.accumulates))

    def row(view: View) -> View:
        if view.buffer is not old:
            return view
        return View(block, view.shape, view.strides, view.offset + Index(0, ((variable, columns),)))

    return made, [with_views(other, row) for other in rest]
