"""A program for an emulated board: it calls exported code and writes what that gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnn_apps.export.c.proof.architectures import Architecture
from rnn_apps.export.c.writing.interface import Argument, Interface


def padded(count: int) -> int:
    """Bytes of this many bytes in whole words of four."""
    return -(-count // 4) * 4


def linker_script(architecture: Architecture, memory: tuple[int, int]) -> str:
    """Where code and data of a program lie.

    Args:
        architecture: processor family that the program is compiled for.
        memory: KiB of code memory and of data memory.
    """
    code, data = memory
    return f"""MEMORY {{
  CODE (rx) : ORIGIN = 0x{architecture.code:08x}, LENGTH = {code}K
  DATA (rwx) : ORIGIN = 0x{architecture.data:08x}, LENGTH = {data}K
}}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.srodata*) }} > CODE
  .ARM.exidx : {{ *(.ARM.exidx*) }} > CODE
  .data : {{ _data = .; *(.data*) *(.sdata*) _data_end = .; }} > DATA AT > CODE
  _data_source = LOADADDR(.data);
  .bss (NOLOAD) : {{ _bss = .; *(.bss*) *(.sbss*) *(COMMON) _bss_end = .; }} > DATA
  _stack_top = ORIGIN(DATA) + LENGTH(DATA);
}}
"""


def program_text(
    interface: Interface, calls: Sequence[Mapping[str, np.ndarray]], architecture: Architecture
) -> str:
    """A program for a board that makes the calls and writes what they give as words.

    Args:
        interface: names, shapes and types that the code offers.
        calls: inputs of each call, by name.
        architecture: processor family that the program is compiled for.
    """
    prefix = interface.prefix
    arrays, made = [], []
    for one in interface.inputs:
        words = [_words(np.asarray(call[one.name]), one) for call in calls]
        rows = ",\n".join(f"{{{', '.join(row)}}}" for row in words)
        size = max(padded(one.bytes) // 4, 1)
        arrays.append(
            f"static const uint32_t given_{one.identifier}[{len(calls)}][{size}] = {{{rows}}};"
        )
        made.append(f"(const {one.c_type} *)given_{one.identifier}[call]")
    for one in interface.outputs:
        size = max(padded(one.bytes) // 4, 1)
        arrays.append(f"static uint32_t made_{one.identifier}[{size}];")
        made.append(f"({one.c_type} *)made_{one.identifier}")
    wrote = [
        f"        show(made_{one.identifier}, {padded(one.bytes) // 4});"
        for one in interface.outputs
    ]
    for one in interface.states:
        wrote.append(
            f"        memset(kept, 0, sizeof kept);\n"
            f"        memcpy(kept, memory.{one.identifier}, {one.bytes});\n"
            f"        show(kept, {padded(one.bytes) // 4});"
        )
    largest = max([padded(one.bytes) // 4 for one in interface.states], default=1)
    text = _PROGRAM
    for mark, value in {
        "@prefix": prefix,
        "@function": interface.function,
        "@arrays": "\n".join(arrays),
        "@largest": str(largest),
        "@calls": str(len(calls)),
        "@arguments": ", ".join(["&memory", *made]),
        "@wrote": "\n".join(wrote),
        "@architecture": architecture.text,
    }.items():
        text = text.replace(mark, value)
    return text


def _words(array: np.ndarray, one: Argument) -> list[str]:
    content = np.ascontiguousarray(array, "uint8" if one.dtype == "bool" else one.dtype).tobytes()
    words = np.frombuffer(content + b"\0" * (padded(one.bytes) - one.bytes), np.uint32)
    return [f"0x{word:x}u" for word in words.tolist()] or ["0u"]


_PROGRAM = """#include "@prefix.h"

#include <string.h>

extern uint32_t _data, _data_end, _data_source, _bss, _bss_end, _stack_top;

@arrays
static uint32_t kept[@largest];
static @prefix_memory memory;

static void begin(void);
static void fault(void);
@architecture
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
    uint32_t spent = 0, deepest = 0;
    uint32_t *top;
    __asm__ volatile(READ_STACK_POINTER : "=r"(top));
    start_ticks();
    @prefix_init(&memory);
    for (int call = 0; call < @calls; ++call) {
        uint32_t *marked = stack_end(top);
        uint32_t before;
        while (marked < top - 32)
            *(volatile uint32_t *)marked++ = 0xa5a5a5a5u;
        before = ticks();
        @function(@arguments);
        spent = (ticks() - before) & TICKS_MASK;
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

__attribute__((noreturn, used)) static void begin(void)
{
    memcpy(&_data, &_data_source, (uint32_t)((char *)&_data_end - (char *)&_data));
    memset(&_bss, 0, (uint32_t)((char *)&_bss_end - (char *)&_bss));
    run();
    for (;;) {
    }
}

/* Handlers of RISC-V begin at multiples of four. */
__attribute__((aligned(4))) static void fault(void)
{
    const uint32_t reason[2] = {0x20023, 1};
    semihosting(4, "fault\\n");
    semihosting(0x20, reason);
    for (;;) {
    }
}
"""
