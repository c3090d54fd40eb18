"""Exported code on emulated boards: what it gives, and how many instructions a call takes.

QEMU emulates boards with Cortex-M and RISC-V cores. With `-icount shift=0` each instruction takes
one nanosecond of the board's time, so that its timers count instructions: the same number on every
run and every computer. These are instructions, not cycles of silicon.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_apps.export.c.proof.architectures import ARM, ARM_SECURE, RISC_V, Architecture
from rnn_apps.export.c.proof.board_program import linker_script, padded, program_text
from rnn_apps.export.c.writing.interface import Argument, Interface
from rnn_apps.export.results import ExportError

OPTIMISATION = ("-O3", "-ffp-contract=fast", "-ffunction-sections", "-Wl,--gc-sections")
TIME_LIMIT = 120.0


@dataclass(frozen=True)
class Board:
    """An emulated board.

    Attributes:
        core: name of its processor.
        machine: QEMU's name of the board.
        flags: options of the compiler for the processor.
        nanoseconds: length of one tick of its timer, which is this many instructions.
        memory: KiB of its code memory and of its data memory.
        architecture: what its programs are compiled with, and how they start.
        options: options of the emulator for the processor.
    """

    core: str
    machine: str
    flags: tuple[str, ...]
    nanoseconds: float
    memory: tuple[int, int] = (4096, 4096)
    architecture: Architecture = ARM
    options: tuple[str, ...] = ()


def _risc_v(core: str, march: str, abi: str, lacking: str) -> Board:
    return Board(
        core,
        "virt",
        (f"-march={march}", f"-mabi={abi}"),
        1.0,
        architecture=RISC_V,
        options=("-cpu", f"rv32{lacking}"),
    )


BOARDS = {
    "m0": Board("Cortex-M0", "microbit", ("-mcpu=cortex-m0", "-mthumb"), 62.5, (256, 16)),
    "m3": Board("Cortex-M3", "mps2-an385", ("-mcpu=cortex-m3", "-mthumb"), 40.0),
    "m4f": Board(
        "Cortex-M4F",
        "mps2-an386",
        ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        40.0,
    ),
    "m7": Board(
        "Cortex-M7",
        "mps2-an500",
        ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
        40.0,
    ),
    "m33": Board(
        "Cortex-M33",
        "mps2-an505",
        ("-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
        50.0,
        (4096, 2048),
        ARM_SECURE,
    ),
    "m55": Board(
        "Cortex-M55",
        "mps3-an547",
        ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
        31.25,
        (512, 512),
    ),
    "rv32imc": _risc_v("RV32IMC", "rv32imc", "ilp32", ",f=off,d=off"),
    "rv32imfc": _risc_v("RV32IMFC", "rv32imfc", "ilp32f", ",d=off"),
}


@dataclass(frozen=True)
class BoardRun:
    """What a board gave.

    Attributes:
        outputs: outputs of each call by name; states of 16 bits as the integers they are.
        instructions: instructions of the last call.
        code_bytes: machine code of the model's own functions.
        stack_bytes: bytes of stack that a call needed at most.
    """

    outputs: list[dict[str, np.ndarray]]
    instructions: int
    code_bytes: int
    stack_bytes: int


def missing_tools(board: Board | None = None) -> list[str]:
    """The programs that are needed for a board and not installed.

    Args:
        board: one of `BOARDS`; None for those with an Arm core.
    """
    architecture = ARM if board is None else board.architecture
    programs = (architecture.compiler, architecture.emulator)
    return [name for name in programs if shutil.which(name) is None]


def how_to_get(board: Board) -> str:
    """What is missing for a board, and the command that installs it."""
    packages = " ".join(board.architecture.packages)
    lacking = " and ".join(missing_tools(board))
    return f"{lacking} (Debian and Ubuntu: apt install {packages})"


def run_on_board(
    board: Board,
    source: Path,
    interface: Interface,
    calls: Sequence[Mapping[str, np.ndarray]],
    folder: Path,
) -> BoardRun:
    """Compiles exported code for a board and runs calls there, one after another.

    Args:
        board: one of `BOARDS`.
        source: path of PREFIX.c, beside its header.
        interface: names, shapes and types that the code offers.
        calls: inputs of each call, by name.
        folder: folder for what is made.

    Raises:
        ExportError: the tools are not installed, or the board's program failed.
    """
    if missing_tools(board):
        raise ExportError(f"the emulated {board.core} needs {how_to_get(board)}")
    architecture = board.architecture
    text = program_text(interface, calls, architecture)
    (folder / "board.c").write_text(text, encoding="ascii")
    script = linker_script(architecture, board.memory)
    (folder / "board.ld").write_text(script, encoding="ascii")
    flags = [*board.flags, *OPTIMISATION, *architecture.library, "-I", str(source.parent)]
    command = [architecture.compiler, *flags]
    files = ["board.c", str(source), "-T", "board.ld", "-nostartfiles"]
    _done([*command, *files, "-o", "board.elf"], folder, "the compiler for boards")
    _done([*command, "-c", str(source), "-o", "model.o"], folder, "the compiler for boards")
    said = _done(
        [
            architecture.emulator, "-M", board.machine, *architecture.options, *board.options,
            "-kernel", "board.elf", "-semihosting", "-nographic", "-icount", "shift=0",
            "-monitor", "none", "-serial", "none",
        ],
        folder,
        f"the emulated {board.core}",
    )  # fmt: skip
    lines = said.split()
    if not lines or lines[-1] != "end":
        raise ExportError(f"the emulated {board.core} stopped: {said[-300:]}")
    words = np.array([int(word, 16) for word in lines[:-3]], np.uint32)
    outputs = _decoded(interface, words.view(np.uint8), len(calls))
    sizes = _done(["size", "-A", "model.o"], folder, "size")
    code = sum(int(row.split()[1]) for row in sizes.splitlines() if row.startswith(".text"))
    instructions, stack = (int(word, 16) for word in lines[-3:-1])
    return BoardRun(outputs, round(instructions * board.nanoseconds), code, stack)


def _done(command: Sequence[str], folder: Path, what: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"{what} took more than {TIME_LIMIT:g} s") from None
    if done.returncode:
        raise ExportError(f"{what} failed: {(done.stderr or done.stdout)[-1500:]}")
    # Semihosting writes to the error stream of some versions of QEMU.
    return done.stdout + done.stderr


def _written(interface: Interface) -> list[tuple[str, Argument]]:
    states = [(f"{one.name}_out", one) for one in interface.states]
    return [*((one.name, one) for one in interface.outputs), *states]


def _decoded(interface: Interface, content: np.ndarray, calls: int) -> list[dict[str, np.ndarray]]:
    results, start = [], 0
    for _ in range(calls):
        outputs = {}
        for name, one in _written(interface):
            part = content[start : start + one.bytes].copy()
            outputs[name] = part.view(one.dtype).reshape(one.shape)
            start += padded(one.bytes)
        results.append(outputs)
    return results
