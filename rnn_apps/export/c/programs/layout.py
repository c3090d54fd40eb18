"""Where a program's scratch buffers lie: those of different times share memory.

All types share one block of bytes. A byte belongs to one buffer at a time, and each buffer is
written before it is read, so that no number is ever read as another type than it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnn_apps.export.c.programs.program import Buffer, Program, Repeat, Statement


@dataclass(frozen=True)
class Layout:
    """Places in the scratch memory.

    Attributes:
        places: buffer's number -> index of its first element, counted from the beginning of the
            block in elements of its own type.
        sizes: type -> number of its elements, from the beginning of the block on, that contain all
            buffers of this type. The block is as long as the longest one of them.
    """

    places: dict[int, int]
    sizes: dict[str, int]


# Buffers begin at multiples of this many bytes: the vector registers of most processors.
ALIGNMENT = 16


def laid_out(program: Program) -> Layout:
    """Gives each scratch buffer its place, the largest ones first."""
    spans: dict[int, list[int]] = {}
    buffers: dict[int, Buffer] = {}
    _note(program.statements, 0, spans, buffers)
    starts: dict[int, int] = {}
    places: dict[int, int] = {}
    sizes: dict[str, int] = {}
    for number in sorted(buffers, key=lambda n: (-_bytes_of(buffers[n]), n)):
        buffer = buffers[number]
        taken = sorted(
            (starts[other], starts[other] + _bytes_of(buffers[other]))
            for other in starts
            if _meet(spans[other], spans[number])
        )
        start = 0
        for first, end in taken:
            if start + _bytes_of(buffer) <= first:
                break
            start = max(start, -(-end // ALIGNMENT) * ALIGNMENT)
        starts[number] = start
        places[number] = start // np.dtype(buffer.dtype).itemsize
        sizes[buffer.dtype] = max(sizes.get(buffer.dtype, 0), places[number] + buffer.size)
    return Layout(places, sizes)


def _bytes_of(buffer: Buffer) -> int:
    return buffer.size * np.dtype(buffer.dtype).itemsize


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
