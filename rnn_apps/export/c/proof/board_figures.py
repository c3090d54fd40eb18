"""What a model costs on emulated microcontrollers; its outputs must be those of this computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnn_apps.export.c.proof.boards import (
    BOARDS,
    BoardRun,
    how_to_get,
    missing_tools,
    run_on_board,
)
from rnn_apps.export.c.results import BoardFigure
from rnn_apps.export.c.writing.interface import Interface
from rnn_apps.export.results import ExportError

# Largest difference from this computer's floats, in units of the largest number of an output.
_TOLERANCE = 1e-4
_LAST_BITS = 2.0


def refuse_without_boards() -> None:
    """Refuses to measure where there is no board whose tools are installed.

    Raises:
        ExportError: the compiler or the emulator is missing for every board.
    """
    if all(missing_tools(board) for board in BOARDS.values()):
        ways = ", or ".join(dict.fromkeys(map(how_to_get, BOARDS.values())))
        raise ExportError(f"boards=True needs {ways}; leave it out otherwise")


def board_figures(
    source: Path,
    interface: Interface,
    calls: Sequence[Mapping[str, np.ndarray]],
    expected: Sequence[Mapping[str, np.ndarray]],
    folder: Path,
) -> dict[str, BoardFigure]:
    """Runs code on every emulated board whose tools are installed.

    Args:
        source: path of PREFIX.c, beside its header.
        interface: names, shapes and types that the code offers.
        calls: inputs of each call, by name; the first one begins a sequence.
        expected: outputs of each call on this computer, by name; states as NAME_out.
        folder: folder for what is made.

    Returns:
        By the core's name what a call costs there, or why it does not run there.

    Raises:
        ExportError: a board gives other numbers than this computer.
    """
    figures = {}
    for name, board in BOARDS.items():
        if missing_tools(board):
            figures[board.core] = BoardFigure(problem=f"not measured: needs {how_to_get(board)}")
            continue
        made = folder / name
        made.mkdir()
        try:
            run = run_on_board(board, source, interface, calls, made)
        except ExportError as failure:
            # Most often the model is larger than the board's memory.
            figures[board.core] = BoardFigure(problem=str(failure).splitlines()[0][:200])
            continue
        _compare(run, interface, expected, board.core)
        figures[board.core] = BoardFigure(run.instructions, run.code_bytes)
    return figures


def _compare(
    run: BoardRun, interface: Interface, expected: Sequence[Mapping[str, np.ndarray]], core: str
) -> None:
    parts = [(one.name, one) for one in interface.outputs]
    parts += [(f"{one.name}_out", one) for one in interface.states]
    for there, here in zip(run.outputs, expected, strict=True):
        for name, one in parts:
            found = np.asarray(there[name], np.float64)
            if one.fraction is not None:
                found = found * 2.0**-one.fraction
            wanted = np.asarray(here[name], np.float64)
            allowed = {"float32": _TOLERANCE * float(np.abs(wanted).max(initial=0.1))}
            if one.fraction is not None:
                # Where floats are rounded to integers, their last bit may decide.
                allowed[one.dtype] = _LAST_BITS * 2.0**-one.fraction
            if not np.abs(found - wanted).max(initial=0.0) <= allowed.get(one.dtype, 0.0):
                raise ExportError(
                    f"the emulated {core} gives another {name!r} than this computer. Choose "
                    "boards=False to export without it, and report this"
                )
