"""The generated example for TensorFlow Lite Micro, compiled with its library, on emulated boards.

`TFLITE_MICRO` names tflite-micro's sources, in which its own Makefile has built the library for a
core, with all third-party sources that it downloads:

    make -f tensorflow/lite/micro/tools/make/Makefile TARGET=cortex_m_generic \\
        TARGET_ARCH=cortex-m4+fp OPTIMIZED_KERNEL_DIR=cmsis_nn microlite
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_apps.edge.runtime.signatures import Signature
from rnn_apps.edge.runtime.streaming import state_pairs
from rnn_apps.export import write_microcontroller_files
from rnn_apps.export.c.proof.boards import BOARDS
from rnn_apps.export.micro.cpp_names import tensor_names

VARIABLE = "TFLITE_MICRO"
# The cores by their names among our boards: tflite-micro's name, and options it compiles with.
CORES = {
    "m4f": ("cortex-m4+fp", BOARDS["m4f"].flags),
    "m55": ("cortex-m55", (*BOARDS["m55"].flags, "-mfpu=auto")),
}
_DOWNLOADS = "tensorflow/lite/micro/tools/make/downloads"
_OPTIONS = (
    "-O2", "-std=c++17", "-fno-rtti", "-fno-exceptions", "-fno-threadsafe-statics",
    "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Wno-unused-parameter",
    "-DTF_LITE_STATIC_MEMORY",
)  # fmt: skip

_LINKER_SCRIPT = """
MEMORY {{
  CODE (rx) : ORIGIN = 0x00000000, LENGTH = {code}K
  DATA (rwx) : ORIGIN = 0x20000000, LENGTH = {data}K
}}
ENTRY(reset)
SECTIONS {{
  .text : {{
    KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4);
    _start_of_constructors = .; KEEP(*(SORT(.init_array.*))) KEEP(*(.init_array))
    _end_of_constructors = .;
    *(.ARM.exidx* .ARM.extab*)
  }} > CODE
  _data_source = LOADADDR(.data);
  .data : {{ . = ALIGN(8); _data = .; *(.data*) . = ALIGN(8); _data_end = .; }} > DATA AT > CODE
  .bss : {{
    . = ALIGN(8); _bss = .; *(.bss*) *(COMMON) . = ALIGN(8); _bss_end = .; end = .;
  }} > DATA
  _stack_top = ORIGIN(DATA) + LENGTH(DATA);
}}
"""

_PROGRAM = """
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "@STEM@_example.h"

extern "C" {
extern uint32_t _stack_top, _data_source, _data, _data_end, _bss, _bss_end;
extern void (*_start_of_constructors[])();
extern void (*_end_of_constructors[])();
void initialise_monitor_handles();
void _init() {}
void _fini() {}
void* __dso_handle = nullptr;
}

#define TIMER ((volatile uint32_t*)0xe000e010)

@CONSTANTS@

template <class T>
static void Show(const T* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(values[i]);
    uint64_t bits;
    std::memcpy(&bits, &value, 8);
    std::printf("%08lx%08lx\\n", static_cast<unsigned long>(bits >> 32),
                static_cast<unsigned long>(bits & 0xffffffffu));
  }
}

static int Work() {
  using namespace @STEM@_model;
  const char* reason = "";
  if (!Setup(&reason)) {
    std::printf("Setup failed: %s\\n", reason);
    return 1;
  }
  uint32_t spent = 0;
  TIMER[1] = 0xffffff;
  TIMER[2] = 0;
  TIMER[0] = 5;
@CALLS@
  std::printf("%lu %lu\\n", static_cast<unsigned long>(ArenaUsed()),
              static_cast<unsigned long>(spent));
  return 0;
}

extern "C" __attribute__((noreturn)) void fault() {
  std::printf("hard fault\\n");
  exit(1);
}

extern "C" __attribute__((noreturn)) void reset() {
  *(volatile uint32_t*)0xe000ed88 |= 0xfu << 20; /* the floating-point unit */
  __asm__ volatile("dsb\\nisb");
  std::memcpy(&_data, &_data_source, (char*)&_data_end - (char*)&_data);
  std::memset(&_bss, 0, (char*)&_bss_end - (char*)&_bss);
  initialise_monitor_handles();
  for (void (**each)() = _start_of_constructors; each < _end_of_constructors; ++each) (*each)();
  exit(Work());
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])() = {
    (void (*)()) & _stack_top, reset, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};
"""


@dataclass(frozen=True)
class ExampleRun:
    """What an example gave on a board.

    Attributes:
        outputs: real outputs of each call, by name.
        arena_used: bytes of the arena in use.
        arena_given: bytes of the arena in the header.
        instructions: instructions of the last call.
        program_bytes: bytes of the whole program without the model.
    """

    outputs: list[dict[str, np.ndarray]]
    arena_used: int
    arena_given: int
    instructions: int
    program_bytes: int


def missing(core: str) -> str:
    """Why the example cannot be run for a core here; empty if it can."""
    sources = os.environ.get(VARIABLE, "")
    if not sources:
        return f"the variable {VARIABLE} does not name tflite-micro's sources"
    if not _libraries(core):
        name = CORES[core][0]
        return f"{sources}: tflite-micro's library for TARGET_ARCH={name} has not been built there"
    return ""


def _libraries(core: str) -> list[Path]:
    pattern = f"gen/cortex_m_generic_{CORES[core][0]}_*/lib/libtensorflow-microlite.a"
    return sorted(Path(os.environ[VARIABLE]).glob(pattern))


def run_example(
    core: str,
    model: Path,
    signature: Signature,
    calls: Sequence[Mapping[str, np.ndarray]],
    folder: Path,
) -> ExampleRun:
    """Writes the files for a model, compiles them, and makes calls one after another on a board.

    Args:
        core: one of `CORES`.
        model: .tflite file that was exported with target="tflm".
        signature: its signature.
        calls: inputs of each call by name, without states.
        folder: folder for what is made.
    """
    written = write_microcontroller_files(model, folder)
    stem = written.header.name.removesuffix("_model.h")
    (folder / "program.cc").write_text(_program(stem, signature, calls), encoding="ascii")
    board, sources = BOARDS[core], Path(os.environ[VARIABLE])
    code, data = board.memory
    (folder / "board.ld").write_text(_LINKER_SCRIPT.format(code=code, data=data))
    third = [sources / _DOWNLOADS / name for name in ("flatbuffers/include", "gemmlowp", "ruy")]
    command = ["arm-none-eabi-g++", *CORES[core][1], *_OPTIONS, "-DRNN_APPS_NO_MAIN"]
    for path in (folder, sources, *third):
        command += ["-isystem" if path in third else "-I", str(path)]
    command += [
        "program.cc",
        written.example.name,
        str(_libraries(core)[0]),
        "--specs=rdimon.specs",
        "-nostartfiles",
    ]
    command += ["-Wl,--gc-sections", "-T", "board.ld", "-lrdimon", "-o", "program.elf"]
    subprocess.run(command, cwd=folder, check=True)
    emulator = ["qemu-system-arm", "-M", board.machine, "-kernel", "program.elf", "-semihosting"]
    emulator += ["-nographic", "-icount", "shift=0", "-monitor", "none", "-serial", "none"]
    done = subprocess.run(
        emulator, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    lines = (done.stdout + done.stderr).split("\n")
    assert done.returncode == 0, lines[-20:]
    *numbers, last = [line for line in lines if line.strip()]
    values = np.array([int(number, 16) for number in numbers], np.uint64).view(np.float64)
    used, ticks = map(int, last.split())
    size = ["arm-none-eabi-size", "program.elf"]
    sized = subprocess.run(size, cwd=folder, capture_output=True, text=True, check=True)
    text = int(sized.stdout.splitlines()[1].split()[0])
    states = set(state_pairs(signature).values())
    outputs, start = [], 0
    for _ in calls:
        results = {}
        for name, spec in signature.outputs.items():
            if name not in states:
                count = int(np.prod(spec.shape))
                results[name] = values[start : start + count].reshape(spec.shape)
                start += count
        outputs.append(results)
    assert start == len(values)
    return ExampleRun(
        outputs,
        used,
        written.arena_bytes,
        round(ticks * board.nanoseconds),
        text - model.stat().st_size,
    )


def _program(stem: str, signature: Signature, calls: Sequence[Mapping[str, np.ndarray]]) -> str:
    names, states = tensor_names(signature), state_pairs(signature)
    given = {name: spec for name, spec in signature.inputs.items() if name not in states}
    made = {n: spec for n, spec in signature.outputs.items() if n not in set(states.values())}
    constants, lines = [], []
    for name, spec in made.items():
        kind = "float" if spec.scale is not None or spec.dtype == "float32" else f"{spec.dtype}_t"
        count = int(np.prod(spec.shape))
        constants.append(f"static {kind} made_{names.outputs[name].variable}[{count}];")
    for number, call in enumerate(calls):
        arguments = []
        for name, spec in given.items():
            real = spec.scale is not None or spec.dtype == "float32"
            kind = "float" if real else f"{spec.dtype}_t"
            listed = ", ".join(
                f"{float(one)!r}f" if real else str(int(one)) for one in call[name].ravel()
            )
            variable = f"given_{number}_{names.inputs[name].variable}"
            constants.append(f"static const {kind} {variable}[] = {{{listed}}};")
            arguments.append(variable)
        arguments += [f"made_{names.outputs[name].variable}" for name in made]
        lines.append(f"  spent = TIMER[2];\n  if (!Run({', '.join(arguments)})) return 1;")
        lines.append("  spent = (spent - TIMER[2]) & 0xffffff;")
        lines += [
            f"  Show(made_{names.outputs[name].variable}, {int(np.prod(spec.shape))});"
            for name, spec in made.items()
        ]
    values = {"CONSTANTS": "\n".join(constants), "CALLS": "\n".join(lines), "STEM": stem}
    text = _PROGRAM
    for mark, value in values.items():
        text = text.replace(f"@{mark}@", value)
    return text
