"""Products of a block of timesteps made along with the first product of its steps.

What is multiplied by the states waits for the weights, which come from the second cache; what is
multiplied by the inputs, for several timesteps at once, waits for nothing. Tile by tile at the same
time they take hardly longer than the one that waits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rnn_apps.export.c.programs.blocks import SIZES
from rnn_apps.export.c.programs.program import (
    JoinedProducts,
    Product,
    Program,
    Repeat,
    Statement,
)


def joined(program: Program) -> Program:
    """The program with products of blocks joined to those of their steps, where that is possible.

    Args:
        program: a program whose constant matrices are in tiles.
    """
    return dataclasses.replace(program, statements=_joined(program.statements))


def _joined(statements: Sequence[Statement]) -> list[Statement]:
    made: list[Statement] = []
    for one in statements:
        if not isinstance(one, Repeat):
            made.append(one)
            continue
        body = _joined(one.body)
        before = made[-1] if made else None
        if isinstance(before, Product) and _is_of_block(before):
            with_block = _with_block(before, one.variable, body)
            if with_block is not None:
                made.pop()
                body = with_block
        made.append(Repeat(one.variable, one.count, body))
    return made


def _is_of_block(one: Product) -> bool:
    return one.tiled and one.accumulates and one.out.shape[0] in SIZES


def _with_block(block: Product, variable: str, body: Sequence[Statement]) -> list[Statement] | None:
    """The steps of a block with its product joined to their first one; None if that is impossible.

    What comes before that product is now done ahead of the block's: it must not touch its numbers.
    """
    place = next((k for k, one in enumerate(body) if isinstance(one, Product)), None)
    own = None if place is None else body[place]
    if not isinstance(own, Product) or not own.tiled or not own.accumulates:
        return None
    if own.out.shape != (1, block.out.shape[1]):
        return None
    number = block.out.buffer.number
    used = {view.buffer.number for view in block.reads()} - {number}
    for one in body[:place]:
        if isinstance(one, Repeat | JoinedProducts):
            return None
        if any(view.buffer.number == number for view in (*one.reads(), *one.writes())):
            return None
        if any(view.buffer.number in used for view in one.writes()):
            return None
    if own.left.buffer.number == number or own.out.buffer.number in used:
        return None
    together = JoinedProducts(variable, block, own)
    return [together if one is own else one for one in body]
