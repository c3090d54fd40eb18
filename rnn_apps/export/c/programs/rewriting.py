"""Small tools on statements: other views in them, loops in a form that can be compared."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

from rnn_apps.export.c.programs.program import (
    Assignment,
    Buffer,
    Loop,
    Operand,
    Product,
    QuantisedProduct,
    QuantisedWindow,
    Reduction,
    Repeat,
    Statement,
    View,
    Window,
    contiguous_strides,
    every_statement,
)

# Functions of loops that run in integers.
_FUNCTIONS = """
    copy add subtract multiply square maximum minimum negative absolute sigmoid tanh relu select
    less less_equal greater greater_equal equal not_equal and or not
"""
IN_INTEGERS = frozenset(_FUNCTIONS.split())


def with_views(statement: Statement, change: Callable[[View], View]) -> Statement:
    """The same statement on other views."""

    def operand(one: Operand) -> Operand:
        return change(one) if isinstance(one, View) else one

    if isinstance(statement, Loop):
        return dataclasses.replace(
            statement,
            assignments=[
                dataclasses.replace(one, operands=tuple(map(operand, one.operands)))
                for one in statement.assignments
            ],
            stores=[(change(view), operand(value)) for view, value in statement.stores],
        )
    if isinstance(statement, Product):
        return Product(
            change(statement.out),
            change(statement.left),
            change(statement.right),
            statement.accumulates,
        )
    if isinstance(statement, Reduction):
        return Reduction(change(statement.out), change(statement.source), statement.kind)
    if isinstance(statement, Window):
        weights = None if statement.weights is None else change(statement.weights)
        return dataclasses.replace(
            statement, out=change(statement.out), source=change(statement.source), weights=weights
        )
    if isinstance(statement, QuantisedProduct):
        out, left = change(statement.out), change(statement.left)
        return dataclasses.replace(statement, out=out, left=left)
    if isinstance(statement, QuantisedWindow):
        window = with_views(statement.window, change)
        assert isinstance(window, Window)
        return dataclasses.replace(statement, window=window)
    assert isinstance(statement, Repeat)
    body = [with_views(one, change) for one in statement.body]
    return Repeat(statement.variable, statement.count, body)


def with_buffer(statements: Sequence[Statement], old: Buffer, new: Buffer) -> list[Statement]:
    """The same statements with one buffer in another one's place."""

    def change(view: View) -> View:
        return dataclasses.replace(view, buffer=new) if view.buffer is old else view

    return [with_views(statement, change) for statement in statements]


def reader_counts(statements: Sequence[Statement]) -> Counter[int]:
    """How many statements read each buffer, by the buffer's number."""
    counts: Counter[int] = Counter()
    for statement in every_statement(statements):
        if not isinstance(statement, Repeat):
            counts.update({view.buffer.number for view in statement.reads()})
    return counts


def is_copy(statement: Statement) -> bool:
    """Whether a statement copies one view to another and does nothing else."""
    return (
        isinstance(statement, Loop)
        and not statement.assignments
        and len(statement.stores) == 1
        and isinstance(statement.stores[0][1], View)
    )


def _loop_views(loop: Loop) -> list[tuple[int, ...]]:
    """The strides of all views along the loop's dimensions."""
    views = [view.strides for view, _ in loop.stores]
    views += [value.strides for _, value in loop.stores if isinstance(value, View)]
    for one in loop.assignments:
        for place, operand in enumerate(one.operands):
            if isinstance(operand, View):
                is_table = one.function == "gather" and place == 0
                views.append(operand.strides[1:] if is_table else operand.strides)
    return views


def merged(loop: Loop) -> Loop:
    """The same loop with as few dimensions as possible."""
    strides = _loop_views(loop)
    groups: list[list[int]] = []
    for axis, size in enumerate(loop.shape):
        if size == 1:
            continue
        before = groups[-1][-1] if groups else None
        if before is not None and all(one[before] == one[axis] * size for one in strides):
            groups[-1].append(axis)
        else:
            groups.append([axis])

    def shape_of(shape: Sequence[int]) -> tuple[int, ...]:
        sizes = []
        for group in groups:
            size = 1
            for axis in group:
                size *= shape[axis]
            sizes.append(size)
        return tuple(sizes)

    def change(view: View, table: bool = False) -> View:
        lead = 1 if table else 0
        return View(
            view.buffer,
            (*view.shape[:lead], *shape_of(view.shape[lead:])),
            (*view.strides[:lead], *(view.strides[group[-1] + lead] for group in groups)),
            view.offset,
        )

    assignments = [_changed(one, change) for one in loop.assignments]
    stores: list[tuple[View, Operand]] = [
        (change(view), change(value) if isinstance(value, View) else value)
        for view, value in loop.stores
    ]
    return dataclasses.replace(
        loop, shape=shape_of(loop.shape), assignments=assignments, stores=stores
    )


def in_shape(loop: Loop, shape: tuple[int, ...]) -> Loop:
    """A loop over one dimension as a loop over several."""
    if loop.shape == shape:
        return loop
    steps = contiguous_strides(shape)

    def change(view: View, lead: int = 0) -> View:
        moved = tuple(step * view.strides[lead] for step in steps)
        sizes = (*view.shape[:lead], *shape)
        return View(view.buffer, sizes, (*view.strides[:lead], *moved), view.offset)

    def operand(value: Operand, lead: int = 0) -> Operand:
        return change(value, lead) if isinstance(value, View) else value

    assignments = [
        dataclasses.replace(
            one,
            operands=tuple(
                operand(value, int(one.function == "gather" and place == 0))
                for place, value in enumerate(one.operands)
            ),
        )
        for one in loop.assignments
    ]
    stores = [(change(view), operand(value)) for view, value in loop.stores]
    return dataclasses.replace(loop, shape=shape, assignments=assignments, stores=stores)


def _changed(one: Assignment, change: Callable[..., View]) -> Assignment:
    operands = tuple(
        change(operand, one.function == "gather" and place == 0)
        if isinstance(operand, View)
        else operand
        for place, operand in enumerate(one.operands)
    )
    return dataclasses.replace(one, operands=operands)
