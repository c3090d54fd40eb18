"""Programs that call the exported functions: one for a desktop, one for Arduino.

Where a function takes what an earlier one gives under the same name, as a decoder takes what its
encoder gives, both share one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn_apps.export.c.writing.interface import Argument, Interface

_CALLS_OF_A_STEP = 3


@dataclass
class _Example:
    """What the programs declare and do.

    Attributes:
        declarations: the structs and arrays.
        beginnings: calls that begin a sequence.
        once: calls that come once, before the others.
        repeated: calls that are made again and again.
        shown: an expression for the first number of the last function's first output.
    """

    declarations: list[str] = field(default_factory=list)
    beginnings: list[str] = field(default_factory=list)
    once: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    shown: str = ""


def example_of(interfaces: Sequence[Interface]) -> _Example:
    """The calls of all functions, in order."""
    made = _Example()
    several = len(interfaces) > 1
    given: dict[tuple[str, tuple[int, ...]], str] = {}
    for number, interface in enumerate(interfaces):
        start = f"{interface.prefix}_" if several else ""
        memory = f"{start}instance" if several else "memory"
        made.declarations.append(f"static {interface.prefix}_memory {memory};")
        made.beginnings.append(f"{interface.prefix}_init(&{memory});")
        names: dict[str, str] = {}
        for one in interface.arguments:
            shared = given.get((one.name, one.shape)) if one in interface.inputs else None
            names[one.identifier] = shared or f"{start}{one.identifier}"
            if shared is None:
                made.declarations.append(_array(interface, one, names[one.identifier]))
        arguments = ", ".join([f"&{memory}", *names.values()])
        calls = [f"{interface.function}({arguments});", *_carried(interface, names)]
        is_last = number == len(interfaces) - 1
        (made.repeated if is_last else made.once).extend(calls)
        given |= {(o.name, o.shape): names[o.identifier] for o in interface.outputs}
        if interface.outputs and interface.outputs[0].size:
            made.shown = f"{names[interface.outputs[0].identifier]}[0]"
    return made


def _array(interface: Interface, one: Argument, name: str) -> str:
    size = f"{interface.prefix.upper()}_{one.identifier.upper()}_SIZE"
    return f"static {one.c_type} {name}[{size}];"


def _carried(interface: Interface, names: dict[str, str]) -> list[str]:
    """Copies of the states that the caller keeps: the output NAME_out is the next input NAME."""
    outputs = {one.name: one for one in interface.outputs}
    lines = []
    for one in interface.inputs:
        following = outputs.get(f"{one.name}_out")
        if following is not None and following.shape == one.shape:
            to, source = names[one.identifier], names[following.identifier]
            lines.append(f"memcpy({to}, {source}, sizeof {to});")
    return lines


def main_text(interfaces: Sequence[Interface]) -> str:
    """A program that calls the model and prints what it gives."""
    example = example_of(interfaces)
    steps = _CALLS_OF_A_STEP if interfaces[-1].call == "step" or example.once else 1
    headers = "\n".join(f'#include "{interface.prefix}.h"' for interface in interfaces)
    copies = any(line.startswith("memcpy") for line in (*example.once, *example.repeated))
    standard = "#include <stdio.h>\n" + ("#include <string.h>\n" if copies else "")
    before = "".join(f"    {line}\n" for line in (*example.beginnings, *example.once))
    repeated = "\n".join(f"        {line}" for line in example.repeated)
    shown = f'        printf("%g\\n", (double){example.shown});' if example.shown else ""
    declared = "\n".join(example.declarations)
    return f"""/* Calls the model on zeros: put what your sensor gives into the inputs. */

{headers}

{standard}
{declared}

int main(void)
{{
{before}    for (int call = 0; call < {steps}; ++call) {{
{repeated}
{shown}
    }}
    return 0;
}}
"""


def sketch_text(interfaces: Sequence[Interface]) -> str:
    """The same as a sketch for Arduino."""
    example = example_of(interfaces)
    headers = "\n".join(f"#include <{interface.prefix}.h>" for interface in interfaces)
    declared = "\n".join(example.declarations)
    before = "".join(f"  {line}\n" for line in (*example.beginnings, *example.once))
    repeated = "\n".join(f"  {line}" for line in example.repeated)
    shown = f"  Serial.println({example.shown});" if example.shown else ""
    return f"""// Calls the model on zeros: put what your sensor gives into the inputs.

{headers}
#include <string.h>

{declared}

void setup() {{
  Serial.begin(115200);
{before}}}

void loop() {{
{repeated}
{shown}
  delay(100);
}}
"""
