"""The folder around a model's C code: what builds it, an example, what it is."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from rnn_apps.export.c.results import CodeResult
from rnn_apps.export.c.writing.code import Code
from rnn_apps.export.c.writing.interface import Argument, Interface

VERSION = "1.0.0"


def write_folder(folder: Path, code: Code, result: CodeResult, model_name: str) -> None:
    """Writes everything that a firmware project needs to take the code as it is.

    The folder builds with CMake, and is an Arduino library, a PlatformIO library and an ESP-IDF
    component.

    Args:
        folder: an empty folder.
        code: header and source.
        result: errors, cost and proof of the code.
        model_name: name of the Keras model.
    """
    prefix = code.interface.prefix
    texts = {
        f"src/{prefix}.h": code.header,
        f"src/{prefix}.c": code.source,
        "CMakeLists.txt": _cmake(prefix),
        "library.properties": _arduino(prefix),
        "library.json": json.dumps(
            {
                "name": prefix,
                "version": VERSION,
                "description": "A recurrent network in C, exported by rnn-apps.",
                "build": {"srcDir": "src", "includeDir": "src"},
            },
            indent=2,
        )
        + "\n",
        "examples/desktop/main.c": main_text(code.interface),
        f"examples/{prefix}_sketch/{prefix}_sketch.ino": _sketch(code.interface),
        "card.json": json.dumps(card_of(result, model_name), indent=2) + "\n",
        "README.md": readme_text(result, model_name),
    }
    for name, text in texts.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _cmake(prefix: str) -> str:
    return f"""if(ESP_PLATFORM)
  idf_component_register(SRCS "src/{prefix}.c" INCLUDE_DIRS "src")
else()
  cmake_minimum_required(VERSION 3.13)
  project({prefix} C)
  add_library({prefix} STATIC src/{prefix}.c)
  target_include_directories({prefix} PUBLIC src)
  set_target_properties({prefix} PROPERTIES C_STANDARD 99)
  if(CMAKE_CURRENT_SOURCE_DIR STREQUAL CMAKE_SOURCE_DIR)
    add_executable({prefix}_example examples/desktop/main.c)
    target_link_libraries({prefix}_example PRIVATE {prefix})
  endif()
endif()
"""


def _arduino(prefix: str) -> str:
    return f"""name={prefix}
version={VERSION}
author=exported by rnn-apps
maintainer=exported by rnn-apps
sentence=A recurrent network in C.
paragraph=See README.md for what it takes and gives.
category=Data Processing
url=https://www.arduino.cc
architectures=*
includes={prefix}.h
"""


def _declarations(interface: Interface) -> list[str]:
    upper = interface.prefix.upper()
    return [f"static {interface.prefix}_memory memory;"] + [
        f"static {one.c_type} {one.identifier}[{upper}_{one.identifier.upper()}_SIZE];"
        for one in interface.arguments
    ]


def call_text(interface: Interface) -> str:
    """The call of the model's function with the names of its header."""
    names = ", ".join(["&memory", *(one.identifier for one in interface.arguments)])
    return f"{interface.function}({names});"


def main_text(interface: Interface) -> str:
    """A program that calls the model and prints what it gives."""
    declared = "\n".join(_declarations(interface))
    steps = 3 if interface.call == "step" else 1
    first = interface.outputs[0] if interface.outputs else None
    shown = (
        f'        printf("%g\\n", (double){first.identifier}[0]);' if first and first.size else ""
    )
    return f"""/* Calls the model on zeros: put what your sensor gives into the inputs. */

#include "{interface.prefix}.h"

#include <stdio.h>

{declared}

int main(void)
{{
    {interface.prefix}_init(&memory);
    for (int call = 0; call < {steps}; ++call) {{
        {call_text(interface)}
{shown}
    }}
    return 0;
}}
"""


def _sketch(interface: Interface) -> str:
    declared = "\n".join(_declarations(interface))
    first = interface.outputs[0] if interface.outputs else None
    shown = f"  Serial.println({first.identifier}[0]);" if first and first.size else ""
    return f"""// Calls the model on zeros: put what your sensor gives into the inputs.

#include <{interface.prefix}.h>

{declared}

void setup() {{
  Serial.begin(115200);
  {interface.prefix}_init(&memory);
}}

void loop() {{
  {call_text(interface)}
{shown}
  delay(100);
}}
"""


def card_of(result: CodeResult, model_name: str) -> dict[str, Any]:
    """What the code is, how it was proven and what it costs, as plain dictionaries and lists."""
    interface = result.interface

    def described(arguments: tuple[Argument, ...]) -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "identifier": one.identifier,
                "shape": list(one.shape),
                "dtype": one.dtype,
                **({} if one.fraction is None else {"fraction": one.fraction}),
            }
            for one in arguments
        ]

    return {
        "model": model_name,
        "target": "c",
        "mode": result.mode,
        "quantization": result.quantize,
        "prefix": interface.prefix,
        "function": interface.function,
        "inputs": described(interface.inputs),
        "outputs": described(interface.outputs),
        "states": described(interface.states),
        "scratch": interface.scratch,
        "cost": dataclasses.asdict(result.cost),
        "errors": [
            {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in dataclasses.asdict(error).items()
            }
            for error in result.errors
        ],
        "checked_on": f"{result.reference_data} data: {result.measured_on}",
        "compiler": result.compiler,
        "sanitized": result.sanitized,
    }


def readme_text(result: CodeResult, model_name: str) -> str:
    """What a developer must know to call the code."""
    interface, cost = result.interface, result.cost
    name = interface.prefix
    rows = [
        f"| {kind} | `{one.identifier}` | {json.dumps(one.name)} | "
        f"[{', '.join(map(str, one.shape))}] | {one.c_type} |"
        for kind, arguments in (
            ("input", interface.inputs),
            ("output", interface.outputs),
            ("state", interface.states),
        )
        for one in arguments
    ]
    errors = [
        f"| {json.dumps(error.output)} | {error.maximum_absolute:.3g} | "
        f"{error.relative_rmse:.3g} | {error.scale:.3g} |"
        for error in result.errors
    ]
    table, differences = "\n".join(rows), "\n".join(errors)
    begins = (
        f"Call `{name}_init` at the beginning of each sequence: the states are kept in the struct "
        f"between calls of `{interface.function}`, each of which takes the next timesteps."
        if interface.call == "step"
        else f"Call `{name}_init` once. Each call of `{interface.function}` takes a whole sequence "
        "and keeps nothing."
    )
    watched = " under AddressSanitizer and UndefinedBehaviorSanitizer" if result.sanitized else ""
    return f"""# {name}

The Keras model {json.dumps(model_name)} in C99: `src/{name}.h` and `src/{name}.c`. It needs
`stdint.h` and `string.h` only, allocates nothing and has no global variables, so that several
instances can run at the same time, each with a `{name}_memory` of its own.

```c
#include "{name}.h"

{chr(10).join(_declarations(interface))}

{name}_init(&memory);
{call_text(interface)}
```

{begins} Arguments must not overlap. Numbers lie in C order, the last dimension without gaps.
An index into an embedding that is out of range counts as the nearest row.

| | in C | in Keras | shape | type |
| --- | --- | --- | --- | --- |
{table}

## Building

- CMake: `cmake -S . -B build && cmake --build build`, or `add_subdirectory` and link `{name}`.
- Arduino: put this folder into `libraries`; the sketch is among the examples.
- PlatformIO: put this folder into `lib`.
- ESP-IDF: put this folder into `components`.
- By hand: compile `src/{name}.c`. `-O3` makes vector instructions of the inner loops; with
  `-ffp-contract=fast` (GCC's own choice without `-std=c99`) a product and a sum become one
  instruction.

## Cost

| what | amount |
| --- | --- |
| weights | {cost.weight_bytes:,} bytes, constant |
| states, kept between calls | {cost.state_bytes:,} bytes |
| scratch memory during a call | {cost.scratch_bytes:,} bytes |
| multiply-accumulates of a call | {cost.products:,} |
| machine code on the exporting computer, with -O2 | {_bytes(cost.code_bytes)} |
| stack of a call on that computer, at most | {_bytes(cost.stack_bytes)} |

## Proof

Compiled without a warning by {result.compiler}, run{watched} and compared with Keras on
{result.measured_on} of {result.reference_data} data:

| output | largest difference | relative RMS difference | largest value |
| --- | --- | --- | --- |
{differences}
"""


def _bytes(count: int | None) -> str:
    return "not measured" if count is None else f"{count:,} bytes"
