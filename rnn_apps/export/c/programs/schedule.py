"""A program in another order that computes the same: few loops, no copies that nobody needs.

A recurrent step comes out of a graph as some thirty operators. Here its products are made to add up
in one place, biases included, and all that is elementwise becomes one loop over the units, which
also writes the new states and the output to where they belong.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from rnn_apps.export.c.programs.program import (
    Assignment,
    Buffer,
    Loop,
    Operand,
    Product,
    Program,
    Repeat,
    Statement,
    View,
    Window,
    every_statement,
)
from rnn_apps.export.c.programs.rewriting import (
    IN_INTEGERS,
    in_shape,
    is_copy,
    merged,
    reader_counts,
    with_buffer,
)


def scheduled(program: Program) -> Program:
    """The same program, made fast and small."""
    statements = _with_sums_in_products(program.statements, reader_counts(program.statements))
    statements = _without_copies(statements)
    statements = _each_merged(statements)
    statements = _fused(statements, _of_products(statements))
    while True:
        fewer = _without_unread(statements)
        if _count(fewer) == _count(statements):
            break
        statements = fewer
    return dataclasses.replace(program, statements=statements)


def _count(statements: Sequence[Statement]) -> int:
    total = 0
    for one in statements:
        if isinstance(one, Repeat):
            total += 1 + _count(one.body)
        else:
            total += 1 + (len(one.stores) + len(one.assignments) if isinstance(one, Loop) else 0)
    return total


def _with_sums_in_products(statements: list[Statement], readers: dict[int, int]) -> list[Statement]:
    """a + x W becomes a product that starts from a."""
    made = [
        Repeat(one.variable, one.count, _with_sums_in_products(one.body, readers))
        if isinstance(one, Repeat)
        else one
        for one in statements
    ]
    place = 0
    while place < len(made):
        found = _product_to_join(made, place, readers)
        if found is None:
            place += 1
            continue
        where, target, other = found
        old = made[where]
        assert isinstance(old, Product)
        out = View(target.buffer, old.out.shape, old.out.strides, target.offset)
        start = View(target.buffer, target.shape, target.strides, target.offset)
        made[place : place + 1] = [
            Loop(start.shape, [], [(start, other)]),
            Product(out, old.left, old.right, accumulates=True),
        ]
        del made[where]
        place += 1
    return made


def _product_to_join(
    statements: Sequence[Statement], place: int, readers: dict[int, int]
) -> tuple[int, View, View] | None:
    """For a sum: where its product is, the sum's target and the other summand."""
    loop = statements[place]
    if not (isinstance(loop, Loop) and len(loop.assignments) == 1 and len(loop.stores) == 1):
        return None
    one, (target, _) = loop.assignments[0], loop.stores[0]
    if one.function != "add" or one.dtype != "float32" or not target.is_whole:
        return None
    for product, other in (one.operands, one.operands[::-1]):
        if not (isinstance(product, View) and isinstance(other, View) and product.is_whole):
            continue
        if readers.get(product.buffer.number) != 1:
            continue
        for where in range(place - 1, -1, -1):
            before = statements[where]
            writes = any(view.buffer is product.buffer for view in before.writes())
            if not writes:
                continue
            joins = (
                isinstance(before, Product)
                and not before.accumulates
                and before.out.is_whole
                and not _changes(statements[where + 1 : place], before)
            )
            if joins:
                return where, target, other
            break
    return None


def _changes(between: Sequence[Statement], product: Product) -> bool:
    """Whether statements write what a product reads."""
    read = {view.buffer.number for view in (product.left, product.right)}
    return any(view.buffer.number in read for one in between for view in one.writes())


def _without_copies(statements: list[Statement]) -> list[Statement]:
    """Where a whole buffer is copied to another one, it is made there in the first place."""
    made = list(statements)
    place = 0
    while place < len(made):
        one = made[place]
        if isinstance(one, Repeat):
            made[place] = Repeat(one.variable, one.count, _without_copies(one.body))
        elif (pair := _needless_copy(made, place)) is not None:
            old, new = pair
            del made[place]
            made = with_buffer(made, old, new)
            continue
        place += 1
    return made


def _needless_copy(statements: Sequence[Statement], place: int) -> tuple[Buffer, Buffer] | None:
    """The buffer that is copied, and the one that can take its place."""
    copy = statements[place]
    if not is_copy(copy):
        return None
    assert isinstance(copy, Loop)
    target, source = copy.stores[0]
    assert isinstance(source, View)
    old, new = source.buffer, target.buffer
    fits = (
        old.kind == "scratch"
        and new.kind in ("scratch", "output")
        and old is not new
        and old.dtype == new.dtype
        and source.is_whole
        and target.is_whole
    )
    if not fits:
        return None
    before, after = statements[:place], statements[place + 1 :]
    if any(_uses(one, new) for one in before):
        return None
    if not any(_writes(one, old) for one in before) or _read_before_written(before, old):
        return None
    if any(_writes(one, old) for one in after):
        return None
    if any(_writes(one, new) for one in after) and any(_uses(one, old) for one in after):
        return None
    return old, new


def _uses(statement: Statement, buffer: Buffer) -> bool:
    return any(view.buffer is buffer for view in (*statement.reads(), *statement.writes()))


def _writes(statement: Statement, buffer: Buffer) -> bool:
    return any(view.buffer is buffer for view in statement.writes())


def _read_before_written(statements: Sequence[Statement], buffer: Buffer) -> bool:
    """Whether a buffer comes from outside of a loop's body, or from the pass before."""
    for one in statements:
        if any(view.buffer is buffer for view in one.reads()):
            return True
        if _writes(one, buffer):
            return False
    return False


def _each_merged(statements: Sequence[Statement]) -> list[Statement]:
    made: list[Statement] = []
    for one in statements:
        if isinstance(one, Repeat):
            made.append(Repeat(one.variable, one.count, _each_merged(one.body)))
        else:
            made.append(merged(one) if isinstance(one, Loop) else one)
    return made


def _of_products(statements: Sequence[Statement]) -> frozenset[int]:
    """Numbers of the buffers that products and windows take or give."""
    return frozenset(
        view.buffer.number
        for one in every_statement(statements)
        if isinstance(one, Product | Window)
        for view in (*one.reads(), *one.writes())
    )


def _fused(statements: list[Statement], of_products: frozenset[int]) -> list[Statement]:
    """Loops of one shape become one loop, wherever that changes nothing."""
    items = [
        Repeat(one.variable, one.count, _fused(one.body, of_products))
        if isinstance(one, Repeat)
        else one
        for one in statements
    ]
    needs = _dependencies(items)
    done: set[int] = set()
    result: list[Statement] = []
    waiting = list(range(len(items)))
    while waiting:
        ready = [index for index in waiting if needs[index] <= done]
        first = next((i for i in ready if not isinstance(items[i], Loop)), None)
        if first is not None:
            result.append(items[first])
            group = [first]
        else:
            loops = _group(items, ready[0], waiting, needs, done, of_products)
            result.append(_joined(list(loops.values())))
            group = list(loops)
        done |= set(group)
        waiting = [index for index in waiting if index not in done]
    return result


def _group(
    items: Sequence[Statement],
    seed: int,
    waiting: Sequence[int],
    needs: Sequence[set[int]],
    done: set[int],
    of_products: frozenset[int],
) -> dict[int, Loop]:
    """Loops that can run as one with the loop `seed`, in order and of one shape."""
    first = items[seed]
    assert isinstance(first, Loop)
    group, shape = {seed: first}, first.shape
    for index in waiting:
        one = items[index]
        inside = needs[index] - done
        if index == seed or not isinstance(one, Loop) or not inside <= set(group):
            continue
        common = _common_shape(shape, one.shape)
        if common is None:
            continue
        # Loops of other shapes join only what they read or write, as shorter rows are slower.
        together = [*group.values(), one]
        if one.shape != shape and not (inside and _are_of_one_kind(together, of_products)):
            continue
        changed = {other: in_shape(loop, common) for other, loop in group.items()}
        mine = in_shape(one, common)
        if all(_meet(changed[other], mine) for other in inside):
            group, shape = {**changed, index: mine}, common
    return group


def _are_of_one_kind(loops: Sequence[Loop], of_products: frozenset[int]) -> bool:
    """Whether no loop works for products, or all do and have nothing but what runs in integers.

    What works for products may run in integers, in which others would lose digits.
    """
    touching = [
        any(view.buffer.number in of_products for view in (*one.reads(), *one.writes()))
        for one in loops
    ]
    functions = {assignment.function for one in loops for assignment in one.assignments}
    return not any(touching) or (all(touching) and functions <= IN_INTEGERS)


def _common_shape(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape in which two loops can be one: one of them has a single dimension, or none."""
    if one == other:
        return one
    if math.prod(one) != math.prod(other) or min(len(one), len(other)) != 1:
        return None
    return max(one, other, key=len)


def _meet(earlier: Statement, later: Statement) -> bool:
    """Whether two loops touch what they share at the same element only."""
    for writer, other in ((earlier, later), (later, earlier)):
        for view in writer.writes():
            for touched in (*other.reads(), *other.writes()):
                if touched.buffer is view.buffer and touched != view:
                    return False
    return True


def _dependencies(items: Sequence[Statement]) -> list[set[int]]:
    """For each statement the earlier ones that must be done before it."""
    touching: dict[int, list[tuple[int, View, bool]]] = {}
    needs: list[set[int]] = []
    for index, one in enumerate(items):
        mine: set[int] = set()
        touched = [(view, True) for view in one.writes()] + [(v, False) for v in one.reads()]
        for view, writes in touched:
            for other, theirs, wrote in touching.get(view.buffer.number, ()):
                if other != index and (writes or wrote) and not _apart(view, theirs):
                    mine.add(other)
        for view, writes in touched:
            touching.setdefault(view.buffer.number, []).append((index, view, writes))
        needs.append(mine)
    return needs


def _apart(one: View, other: View) -> bool:
    """Whether two views of a buffer certainly share no element."""
    if one.offset.terms != other.offset.terms:
        return False
    (low, high), (other_low, other_high) = _range(one), _range(other)
    return high < other_low or other_high < low


def _range(view: View) -> tuple[int, int]:
    low = high = view.offset.constant
    for size, stride in zip(view.shape, view.strides, strict=True):
        reach = (size - 1) * stride
        low, high = low + min(0, reach), high + max(0, reach)
    return low, high


def _joined(loops: Sequence[Loop]) -> Loop:
    """Several loops of one shape as one; what one of them stores, the next ones need not load."""
    assignments: list[Assignment] = []
    stores: dict[View, Operand] = {}
    for number, loop in enumerate(loops):
        names: dict[str, str] = {}

        def now(operand: Operand, is_table: bool = False, names: dict[str, str] = names) -> Operand:
            if isinstance(operand, View):
                return operand if is_table else stores.get(operand, operand)
            return names[operand] if isinstance(operand, str) else operand

        for one in loop.assignments:
            operands = tuple(
                now(operand, one.function == "gather" and place == 0)
                for place, operand in enumerate(one.operands)
            )
            names[one.name] = f"{one.name}_{number}"
            assignments.append(Assignment(names[one.name], one.function, operands, one.dtype))
        for view, value in [(view, now(value)) for view, value in loop.stores]:
            stores[view] = value
    shortened = {one.name: f"t{index}" for index, one in enumerate(assignments)}

    def short(operand: Operand) -> Operand:
        return shortened[operand] if isinstance(operand, str) else operand

    return Loop(
        loops[0].shape,
        [
            Assignment(shortened[a.name], a.function, tuple(map(short, a.operands)), a.dtype)
            for a in assignments
        ],
        [(view, short(value)) for view, value in stores.items()],
        stays_float32=any(loop.stays_float32 for loop in loops),
    )


def _without_unread(
    statements: Sequence[Statement], readers: dict[int, int] | None = None
) -> list[Statement]:
    """Without stores to memory that nobody reads, and what only they need."""
    readers = reader_counts(statements) if readers is None else readers
    made: list[Statement] = []
    for one in statements:
        if isinstance(one, Repeat):
            body = _without_unread(one.body, readers)
            if body and one.count:
                made.append(Repeat(one.variable, one.count, body))
        elif isinstance(one, Loop):
            stores = [(v, o) for v, o in one.stores if _is_read(v, readers)]
            if stores:
                needed = _needed(one.assignments, stores)
                made.append(dataclasses.replace(one, assignments=needed, stores=stores))
        elif any(_is_read(view, readers) for view in one.writes()):
            made.append(one)
    return made


def _is_read(view: View, readers: dict[int, int]) -> bool:
    return view.buffer.kind != "scratch" or readers.get(view.buffer.number, 0) > 0


def _needed(
    assignments: Sequence[Assignment], stores: Sequence[tuple[View, Operand]]
) -> list[Assignment]:
    names = {value for _, value in stores if isinstance(value, str)}
    kept = []
    for one in reversed(assignments):
        if one.name in names:
            kept.append(one)
            names |= {operand for operand in one.operands if isinstance(operand, str)}
    return kept[::-1]
