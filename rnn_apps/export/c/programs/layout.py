"""Where a program's scratch buffers lie: those of different times share memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnn_apps.export.c.programs.program import Buffer, Program, Repeat, Statement


@dataclass(frozen=True)
class Layout:
    """Places in the scratch memory.

    Attributes:
        places: buffer's number -> index of its first element in the memory of its type.
        sizes: type -> number of elements of its memory.
    """

    places: dict[int, int]
    sizes: dict[str, int]


# Buffers begin at multiples of this many elements: the vector registers of most processors.
ALIGNMENT = 4


def laid_out(program: Program) -> Layout:
    """Gives each scratch buffer its place, the largest ones first."""
    spans: dict[int, list[int]] = {}
    buffers: dict[int, Buffer] = {}
    _note(program.statements, 0, spans, buffers)
    places: dict[int, int] = {}
    sizes: dict[str, int] = {}
    for number in sorted(buffers, key=lambda n: (-buffers[n].size, n)):
        buffer = buffers[number]
        taken = sorted(
            (places[other], places[other] + buffers[other].size)
            for other in places
            if buffers[other].dtype == buffer.dtype and _meet(spans[other], spans[number])
        )
        place = 0
        for start, end in taken:
            if place + buffer.size <= start:
                break
            place = max(place, -(-end // ALIGNMENT) * ALIGNMENT)
        places[number] = place
        sizes[buffer.dtype] = max(sizes.get(buffer.dtype, 0), place + buffer.size)
    return Layout(places, sizes)


def _meet(one: Sequence[int], other: Sequence[int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _note(
    statements: Sequence[Statement],
    clock: int,
    spans: dict[int, list[int]],
    buffers: dict[int, Buffer],
) -> int:
    """Notes the first and the last time that each buffer is used; returns the time after."""
    for statement in statements:
        if isinstance(statement, Repeat):
            start = clock
            known = set(spans)
            clock = _note(statement.body, clock + 1, spans, buffers)
            for view in (*statement.reads(), *statement.writes()):
                number = view.buffer.number
                again = number in known or _crosses_passes(statement, view.buffer)
                if again and number in spans:
                    # It is needed again in the next pass.
                    spans[number] = [min(spans[number][0], start), clock]
            clock += 1
            continue
        clock += 1
        for view in (*statement.reads(), *statement.writes()):
            if view.buffer.kind != "scratch":
                continue
            number = view.buffer.number
            buffers[number] = view.buffer
            span = spans.setdefault(number, [clock, clock])
            span[1] = clock
    return clock


def _crosses_passes(loop: Repeat, buffer: Buffer) -> bool:
    """Whether a buffer's first use in a loop's body reads it: it comes from the pass before."""
    for one in loop.body:
        if any(view.buffer is buffer for view in one.reads()):
            return True
        if any(view.buffer is buffer for view in one.writes()):
            return False
    return False
