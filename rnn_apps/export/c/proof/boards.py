"""Exported code on emulated boards: what it gives, and how many instructions a call takes.

QEMU emulates boards with Cortex-M cores. With `-icount shift=0` each instruction takes one
nanosecond of the board's time, so that its SysTick timer counts instructions: the same number on
every run and every computer. These are instructions, not cycles of silicon. (Arm, "Semihosting for
AArch32 and AArch64", for how a board's program writes and ends.)
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_apps.export.c.writing.interface import Argument, Interface
from rnn_apps.export.results import ExportError

COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"
OPTIMISATION = ("-O3", "-ffp-contract=fast", "-ffunction-sections", "-Wl,--gc-sections")
TIME_LIMIT = 120.0


@dataclass(frozen=True)
class Board:
    """An emulated board.

    Attributes:
        core: name of its processor.
        machine: QEMU's name of the board.
        flags: options of the compiler for the processor.
        nanoseconds: length of one tick of SysTick, which is this many instructions.
        memory: KiB of its code memory and of its data memory.
    """

    core: str
    machine: str
    flags: tuple[str, ...]
    nanoseconds: float
    memory: tuple[int, int] = (4096, 4096)


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
    "m55": Board(
        "Cortex-M55",
        "mps3-an547",
        ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
        31.25,
        (512, 512),
    ),
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


def missing_tools() -> list[str]:
    """The programs that are needed and not installed."""
    return [name for name in (COMPILER, EMULATOR) if shutil.which(name) is None]


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
    if lacking := missing_tools():
        raise ExportError(
            f"emulated boards need {' and '.join(lacking)} (Debian and Ubuntu: apt install "
            "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)"
        )
    (folder / "board.c").write_text(program_text(interface, calls, board), encoding="ascii")
    (folder / "board.ld").write_text(_linker_script(board), encoding="ascii")
    command = [COMPILER, *board.flags, *OPTIMISATION, "-I", str(source.parent)]
    files = ["board.c", str(source), "-T", "board.ld", "-nostartfiles", "--specs=nano.specs"]
    _done([*command, *files, "-o", "board.elf"], folder, "the compiler for boards")
    _done([*command, "-c", str(source), "-o", "model.o"], folder, "the compiler for boards")
    said = _done(
        [
            EMULATOR, "-M", board.machine, "-kernel", "board.elf", "-semihosting", "-nographic",
            "-icount", "shift=0", "-monitor", "none", "-serial", "none",
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


def _padded(count: int) -> int:
    return -(-count // 4) * 4


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
            start += _padded(one.bytes)
        results.append(outputs)
    return results


def _linker_script(board: Board) -> str:
    code, data = board.memory
    return f"""MEMORY {{
  CODE (rx) : ORIGIN = 0x00000000, LENGTH = {code}K
  DATA (rwx) : ORIGIN = 0x20000000, LENGTH = {data}K
}}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) }} > CODE
  .ARM.exidx : {{ *(.ARM.exidx*) }} > CODE
  .data : {{ _data = .; *(.data*) _data_end = .; }} > DATA AT > CODE
  _data_source = LOADADDR(.data);
  .bss (NOLOAD) : {{ _bss = .; *(.bss*) *(COMMON) _bss_end = .; }} > DATA
  _stack_top = ORIGIN(DATA) + LENGTH(DATA);
}}
"""


def program_text(
    interface: Interface, calls: Sequence[Mapping[str, np.ndarray]], board: Board
) -> str:
    """A program for a board that makes the calls and writes what they give as words."""
    prefix = interface.prefix
    arrays, made = [], []
    for one in interface.inputs:
        words = [_words(np.asarray(call[one.name]), one) for call in calls]
        rows = ",\n".join(f"{{{', '.join(row)}}}" for row in words)
        size = max(_padded(one.bytes) // 4, 1)
        arrays.append(
            f"static const uint32_t given_{one.identifier}[{len(calls)}][{size}] = {{{rows}}};"
        )
        made.append(f"(const {one.c_type} *)given_{one.identifier}[call]")
    for one in interface.outputs:
        size = max(_padded(one.bytes) // 4, 1)
        arrays.append(f"static uint32_t made_{one.identifier}[{size}];")
        made.append(f"({one.c_type} *)made_{one.identifier}")
    wrote = [
        f"        show(made_{one.identifier}, {_padded(one.bytes) // 4});"
        for one in interface.outputs
    ]
    for one in interface.states:
        wrote.append(
            f"        memset(kept, 0, sizeof kept);\n"
            f"        memcpy(kept, memory.{one.identifier}, {one.bytes});\n"
            f"        show(kept, {_padded(one.bytes) // 4});"
        )
    largest = max([_padded(one.bytes) // 4 for one in interface.states], default=1)
    text = _PROGRAM
    for mark, value in {
        "@prefix": prefix,
        "@function": interface.function,
        "@arrays": "\n".join(arrays),
        "@largest": str(largest),
        "@calls": str(len(calls)),
        "@arguments": ", ".join(["&memory", *made]),
        "@wrote": "\n".join(wrote),
    }.items():
        text = text.replace(mark, value)
    return text


def _words(array: np.ndarray, one: Argument) -> list[str]:
    content = np.ascontiguousarray(array, "uint8" if one.dtype == "bool" else one.dtype).tobytes()
    words = np.frombuffer(content + b"\0" * (_padded(one.bytes) - one.bytes), np.uint32)
    return [f"0x{word:x}u" for word in words.tolist()] or ["0u"]


_PROGRAM = """#include "@prefix.h"

#include <string.h>

extern uint32_t _data, _data_end, _data_source, _bss, _bss_end, _stack_top;

@arrays
static uint32_t kept[@largest];
static @prefix_memory memory;

static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void write_word(uint32_t word)
{
    char text[10];
    for (int digit = 0; digit < 8; ++digit)
        text[digit] = "0123456789abcdef"[(word >> (28 - 4 * digit)) & 15];
    text[8] = '\\n';
    text[9] = 0;
    semihosting(4, text);
}

static void show(const uint32_t *words, int32_t count)
{
    for (int32_t place = 0; place < count; ++place)
        write_word(words[place]);
}

/* The stack below the caller is filled with a mark, down to other memory. */
static uint32_t *stack_end(uint32_t *top)
{
    uint32_t *end = top - 2048;
    return end > &_bss_end ? end : &_bss_end;
}

static void run(void)
{
    volatile uint32_t *timer = (volatile uint32_t *)0xe000e010;
    uint32_t spent = 0, deepest = 0;
    uint32_t *top;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    timer[1] = 0xffffff;
    timer[2] = 0;
    timer[0] = 5;
    @prefix_init(&memory);
    for (int call = 0; call < @calls; ++call) {
        uint32_t *marked = stack_end(top);
        uint32_t before;
        while (marked < top - 32)
            *(volatile uint32_t *)marked++ = 0xa5a5a5a5u;
        before = timer[2];
        @function(@arguments);
        spent = (before - timer[2]) & 0xffffff;
        marked = stack_end(top);
        while (marked < top && *(volatile uint32_t *)marked == 0xa5a5a5a5u)
            ++marked;
        if ((uint32_t)(top - marked) * 4 > deepest)
            deepest = (uint32_t)(top - marked) * 4;
@wrote
    }
    write_word(spent);
    write_word(deepest);
    semihosting(4, "end\\n");
    {
        const uint32_t reason[2] = {0x20026, 0};
        semihosting(0x20, reason);
    }
}

__attribute__((noreturn)) void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
    __asm__ volatile("dsb\\nisb");
    memcpy(&_data, &_data_source, (uint32_t)((char *)&_data_end - (char *)&_data));
    memset(&_bss, 0, (uint32_t)((char *)&_bss_end - (char *)&_bss));
    run();
    for (;;) {
    }
}

static void fault(void)
{
    const uint32_t reason[2] = {0x20023, 1};
    semihosting(4, "fault\\n");
    semihosting(0x20, reason);
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))&_stack_top, reset, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};
"""
