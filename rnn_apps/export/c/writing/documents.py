"""What a folder of C code is, as a card for programs and as a README for people."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json, write_text
from rnn_apps.edge.runtime.library import SERVING_OPTIONS
from rnn_apps.export.c.results import CodeFolder, CodeResult
from rnn_apps.export.c.writing.examples import example_of
from rnn_apps.export.c.writing.interface import Argument
from rnn_apps.export.results import MetricResult


def card_of(written: CodeFolder) -> dict[str, Any]:
    """What the code is, how it was proven and what it costs, as plain dictionaries and lists."""
    cards = {key: _function_card(result) for key, result in written.functions.items()}
    first = next(iter(written.functions.values()))
    card: dict[str, Any] = {
        "model": written.model,
        "target": "c",
        "quantization": first.quantize,
        "prefix": written.name,
    }
    if list(cards) == [""]:
        card |= cards[""]
    else:
        card["functions"] = cards
    if written.metric is not None:
        card["task_metric"] = dataclasses.asdict(written.metric)
    return card


def _function_card(result: CodeResult) -> dict[str, Any]:
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
        "mode": result.mode,
        "prefix": interface.prefix,
        "function": interface.function,
        "inputs": described(interface.inputs),
        "outputs": described(interface.outputs),
        "states": described(interface.states),
        "scratch": interface.scratch,
        "cost": dataclasses.asdict(result.cost),
        **({"boards": _boards_card(result)} if result.boards else {}),
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


def _boards_card(result: CodeResult) -> dict[str, Any]:
    return {core: dataclasses.asdict(figure) for core, figure in result.boards.items()}


def readme_text(written: CodeFolder, chapters: str = "") -> str:
    """What a developer must know to call the code; `chapters` come before the functions'."""
    name, results = written.name, list(written.functions.values())
    interfaces = [result.interface for result in results]
    example = example_of(interfaces)
    files = ", ".join(f"`src/{one.prefix}.h` and `src/{one.prefix}.c`" for one in interfaces)
    structs = " and ".join(f"a `{one.prefix}_memory`" for one in interfaces)
    lines = [*example.declarations, "", *example.beginnings, *example.once, *example.repeated]
    headers = [f'#include "{one.prefix}.h"' for one in interfaces]
    called = "\n".join([*headers, "", *lines])
    sections = "\n".join(_section(result) for result in results)
    return f"""# {name}

The Keras model {json.dumps(written.model)} in C99: {files}. It needs
`stdint.h` and `string.h` only, allocates nothing and has no global variables, so that several
instances can run at the same time, each with {structs} of its own.

```c
{called}
```

Arguments must not overlap. Numbers lie in C order, the last dimension without gaps.
An index into an embedding that is out of range counts as the nearest row, -1 as the last one.
Whole numbers have 32 bits. `exp` of more than 88 is 1.65e38, and not infinite.

## Building

- CMake: `cmake -S . -B build && cmake --build build`, or `add_subdirectory` and link `{name}`.
- Arduino: put this folder into `libraries`; the sketch is among the examples.
- PlatformIO: put this folder into `lib`.
- ESP-IDF: put this folder into `components`.
- By hand: compile the sources in `src`. `-O3` makes vector instructions of the inner loops; with
  `-ffp-contract=fast` (GCC's own choice without `-std=c99`) a product and a sum become one
  instruction.

{chapters}{sections}{_metric_text(written.metric)}"""


def _section(result: CodeResult) -> str:
    """One function: its arguments, its cost and its proof."""
    interface, cost = result.interface, result.cost
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
        f"Call `{interface.prefix}_init` at the beginning of each sequence: the states are kept in "
        f"the struct between calls of `{interface.function}`, each of which takes the next "
        "timesteps."
        if interface.call == "step"
        else f"Call `{interface.prefix}_init` once. Each call of `{interface.function}` takes a "
        "whole sequence and keeps nothing."
    )
    watched = " under AddressSanitizer and UndefinedBehaviorSanitizer" if result.sanitized else ""
    return f"""## {interface.function}

{begins}

| | in C | in Keras | shape | type |
| --- | --- | --- | --- | --- |
{table}

### Cost

| what | amount |
| --- | --- |
| weights | {cost.weight_bytes:,} bytes, constant |
| states, kept between calls | {cost.state_bytes:,} bytes |
| scratch memory during a call | {cost.scratch_bytes:,} bytes |
| multiply-accumulates of a call | {cost.products:,} |
| machine code on the exporting computer, with -O2 | {_bytes(cost.code_bytes)} |
| stack of a call on that computer, at most | {_bytes(cost.stack_bytes)} |
{_boards(result)}
### Proof

Compiled without a warning by {result.compiler}, run{watched} and compared with Keras on
{result.measured_on} of {result.reference_data} data, and so again as compiled with -O2 and with
{" ".join(SERVING_OPTIONS[1:])}. The largest differences of these builds:

| output | largest difference | relative RMS difference | largest value |
| --- | --- | --- | --- |
{differences}
"""


def _boards(result: CodeResult) -> str:
    """The figures of emulated cores as further rows."""
    rows = ""
    for core, figure in result.boards.items():
        amount = figure.problem or (
            f"{figure.instructions:,} instructions, {_bytes(figure.code_bytes)} of code"
        )
        rows += f"| a call on an emulated {core} (QEMU, -O3) | {amount} |\n"
    return rows


def add_metric(folder: Path, metric: MetricResult) -> None:
    """Adds the task's metric to the card and the README of a written folder."""
    path = folder / "card.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**card, "task_metric": dataclasses.asdict(metric)})
    readme = folder / "README.md"
    write_text(readme, readme.read_text(encoding="utf-8") + _metric_text(metric))


def _metric_text(metric: MetricResult | None) -> str:
    if metric is None:
        return ""
    return f"""
## The task

{metric.name}: {metric.file:.5g} in C, {metric.keras:.5g} in Keras ({metric.measured_on}).
"""


def _bytes(count: int | None) -> str:
    return "not measured" if count is None else f"{count:,} bytes"
