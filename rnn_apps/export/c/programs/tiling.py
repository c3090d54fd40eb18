"""Constant matrices in the order in which the kernel of products reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnn_apps.export.c.programs.program import (
    Buffer,
    Product,
    Program,
    Repeat,
    Statement,
    View,
    every_statement,
)

# Columns of one tile; the kernel has the same number.
WIDTH = 64


def tiled(program: Program) -> Program:
    """The program with its constant matrices in tiles, where only products read them.

    A tile is 64 columns, or what is left of them, of all rows, row by row. So a product reads its
    weights from the first to the last one while its sums stay in registers.
    """
    others: set[int] = set()
    matrices: dict[int, View] = {}
    for one in every_statement(program.statements):
        if isinstance(one, Repeat):
            continue
        own = one.right if isinstance(one, Product) and _can_be_tiled(one) else None
        if own is not None and matrices.setdefault(own.buffer.number, own) != own:
            others.add(own.buffer.number)
        others |= {view.buffer.number for view in one.reads() if view is not own}
    outputs = {view.buffer.number for view in program.outputs.values()}
    made = {
        number: tiles_of(view)
        for number, view in matrices.items()
        if number not in others | outputs
    }
    return dataclasses.replace(program, statements=_changed(program.statements, made))


def _can_be_tiled(one: Product) -> bool:
    right = one.right
    return (
        right.buffer.kind == "constant"
        and right.is_whole
        and right.shape[1] > WIDTH
        and one.left.has_rows_in_one_piece
        and one.out.has_rows_in_one_piece
    )


def tiles_of(view: View) -> Buffer:
    """A matrix, which is a whole buffer, tile by tile."""
    data = view.buffer.data
    assert data is not None
    matrix = data.reshape(view.shape)
    parts = [matrix[:, start : start + WIDTH].ravel() for start in range(0, view.shape[1], WIDTH)]
    return Buffer("constant", view.buffer.dtype, view.size, data=np.concatenate(parts))


def _changed(statements: Sequence[Statement], made: dict[int, Buffer]) -> list[Statement]:
    changed: list[Statement] = []
    for one in statements:
        if isinstance(one, Repeat):
            changed.append(Repeat(one.variable, one.count, _changed(one.body, made)))
        elif isinstance(one, Product) and one.right.buffer.number in made:
            right = dataclasses.replace(one.right, buffer=made[one.right.buffer.number])
            changed.append(dataclasses.replace(one, right=right, tiled=True))
        else:
            changed.append(one)
    return changed
