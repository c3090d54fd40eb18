"""What a model's code costs: weights, machine code, memory, stack, products."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from rnn_apps.export.c.proof.compiler import STRICT, Compiler
from rnn_apps.export.c.results import Cost
from rnn_apps.export.c.writing.code import Code
from rnn_apps.export.results import ExportError


def cost_of(code: Code, folder: Path, compiler: Compiler) -> Cost:
    """The cost of code whose files are in `folder`, compiled with -O2 on this computer.

    The object file stays there as model.o.

    Raises:
        ExportError: the compiler warned: what it sees depends on how much it optimises.
    """
    prefix = code.interface.prefix
    options = ["-O2", "-c", f"{prefix}.c", "-o", "model.o"]
    # Not every compiler tells the stack.
    for usage in (("-fstack-usage",), ()):
        complaint = compiler.run([*STRICT, *usage, *options], folder)
        if complaint is None:
            break
    if complaint is not None:
        raise ExportError(f"the C compiler refused the code at -O2: {complaint[:2000]}")
    return Cost(
        weight_bytes=code.weight_bytes,
        state_bytes=code.interface.state_bytes,
        scratch_bytes=code.interface.scratch_bytes,
        products=code.products,
        code_bytes=_code_bytes(folder / "model.o"),
        stack_bytes=_stack_bytes(folder / "model.su", code.interface.function),
    )


def _code_bytes(object_file: Path) -> int | None:
    """Bytes of all sections with machine code."""
    if shutil.which("size") is None:
        return None
    done = subprocess.run(
        ["size", "-A", str(object_file)], capture_output=True, text=True, check=False
    )
    sizes = re.findall(r"^(\.text\S*)\s+(\d+)", done.stdout, re.MULTILINE)
    return sum(int(size) for _, size in sizes) if sizes else None


def _stack_bytes(usage: Path, entry: str) -> int | None:
    """The stack of the function that is called and of the three deepest ones below it.

    No function of ours calls deeper than that: a convolution, which calls a tile, which calls a
    plain one.
    """
    if not usage.is_file():
        return None
    rows = re.findall(r":(\w+)\t(\d+)\t", usage.read_text(encoding="utf-8", errors="replace"))
    sizes = {name: int(size) for name, size in rows}
    below = sorted((size for name, size in sizes.items() if name != entry), reverse=True)
    return sizes.get(entry, 0) + sum(below[:3])
