"""Compiled code in a child process, called as the runtimes for .tflite files are."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_apps.edge.runtime.quantization import quantize
from rnn_apps.export.c.proof.compiler import SANITIZERS, STRICT, STRICT_CPP, Compiler, cpp_compiler
from rnn_apps.export.c.writing.code import Code
from rnn_apps.export.c.writing.interface import Interface
from rnn_apps.export.processes.runtime_process import ModelRunError, RuntimeCall
from rnn_apps.export.results import ExportError

_INIT, _CALL = 1, 2
_LINES_SAID = 12


@dataclass(frozen=True)
class CompiledCode:
    """A model's code with a program around it that reads calls and writes results.

    Each call runs on memory of its exact size, so that the sanitizers see every step beyond it.

    Attributes:
        program: path of the executable.
        interface: names, shapes and types that the code offers.
        time_limit: seconds for all calls of one request.
        sanitized: whether the sanitizers watch it.
        options: options of the compiler that made it.
    """

    program: Path
    interface: Interface
    time_limit: float
    sanitized: bool
    options: tuple[str, ...] = ()

    def run(
        self, path: str | Path, calls: Sequence[RuntimeCall], *, raw: bool = False
    ) -> list[dict[str, np.ndarray]]:
        """Runs calls in order; see `RuntimeProcess.run`. `path` and `raw` are not needed.

        Raises:
            ModelRunError: it crashed, a sanitizer complained, it took too long or gave NaN.
        """
        return self._results([(number == 0, call.inputs) for number, call in enumerate(calls)])

    def stream(
        self,
        path: str | Path,
        sequences: Sequence[Sequence[Mapping[str, np.ndarray]]],
        signature: str | None = None,
    ) -> list[list[dict[str, np.ndarray]]]:
        """Streams sequences; see `RuntimeProcess.stream`. `path` is not needed."""
        calls = [
            (number == 0, chunk) for chunks in sequences for number, chunk in enumerate(chunks)
        ]
        remaining = iter(self._results(calls))
        return [[next(remaining) for _ in chunks] for chunks in sequences]

    def _results(
        self, calls: Sequence[tuple[bool, Mapping[str, np.ndarray]]]
    ) -> list[dict[str, np.ndarray]]:
        message = b"".join(self._encoded(begins, inputs) for begins, inputs in calls)
        try:
            done = subprocess.run(
                [str(self.program)],
                input=message,
                capture_output=True,
                timeout=self.time_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ModelRunError(
                "hang",
                f"the compiled code took more than {self.time_limit:g} s for {len(calls)} calls: "
                "give a longer time_limit= or fewer examples",
            ) from None
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()[:_LINES_SAID]
            raise ModelRunError(
                "crash",
                f"the compiled code failed (exit code {done.returncode}): {' | '.join(lines)}",
            )
        return self._decoded(done.stdout, len(calls))

    def _encoded(self, begins: bool, inputs: Mapping[str, np.ndarray]) -> bytes:
        parts = [struct.pack("<i", _INIT)] if begins else []
        parts.append(struct.pack("<i", _CALL))
        for one in self.interface.inputs:
            value = np.asarray(inputs[one.name])
            if value.shape != one.shape:
                raise ExportError(
                    f"input {one.name!r} has the shape {value.shape}; the code takes {one.shape}"
                )
            if one.fraction is not None and value.dtype.kind == "f":
                value = quantize(value, 2.0**-one.fraction, 0, one.dtype)
            stored = "uint8" if one.dtype == "bool" else one.dtype
            parts.append(np.ascontiguousarray(value, stored).tobytes())
        return b"".join(parts)

    def _decoded(self, content: bytes, calls: int) -> list[dict[str, np.ndarray]]:
        parts = [(one.name, one) for one in self.interface.outputs]
        parts += [(f"{one.name}_out", one) for one in self.interface.states]
        size = sum(one.bytes for _, one in parts)
        if len(content) != calls * size:
            raise ModelRunError("crash", "the compiled code ended before its last call")
        results = []
        for number in range(calls):
            start = number * size
            outputs: dict[str, np.ndarray] = {}
            for name, one in parts:
                array = np.frombuffer(content, one.dtype, one.size, start).reshape(one.shape)
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    raise ModelRunError(
                        "nan", f"call {number + 1} of the compiled code: {name!r} is not finite"
                    )
                if one.fraction is not None:
                    array = (array * 2.0**-one.fraction).astype(np.float32)
                outputs[name] = array
                start += one.bytes
            results.append(outputs)
        return results


def compiled(code: Code, folder: Path, compiler: Compiler, time_limit: float) -> CompiledCode:
    """Compiles a model's code strictly, with sanitizers where the compiler has them.

    Args:
        code: header and source to compile; their files are in `folder`.
        folder: folder with PREFIX.h and PREFIX.c.
        compiler: compiler of this computer.
        time_limit: seconds for all calls of one request.

    Raises:
        ExportError: a compiler complained.
    """
    prefix = code.interface.prefix
    (folder / "harness.c").write_text(harness_text(code.interface), encoding="ascii")
    sources = [f"{prefix}.c", "harness.c"]
    for sanitizers in (SANITIZERS, ()):
        options = (*STRICT, "-O1", *sanitizers)
        complaint = compiler.run([*options, *sources, "-o", "harness"], folder)
        if complaint is None:
            break
    if complaint is not None:
        raise ExportError(f"the C compiler refused the code: {complaint[:2000]}")
    cpp = cpp_compiler(compiler.time_limit)
    if cpp is not None:
        checked = [*STRICT_CPP, "-x", "c++", "-fsyntax-only", f"{prefix}.c"]
        complaint = cpp.run(checked, folder)
        if complaint is not None:
            raise ExportError(f"the C++ compiler refused the code: {complaint[:2000]}")
    program = folder / "harness"
    return CompiledCode(program, code.interface, time_limit, bool(sanitizers), options)


def linked(
    code: Code,
    folder: Path,
    compiler: Compiler,
    time_limit: float,
    options: tuple[str, ...],
    source: str,
    program: str,
) -> CompiledCode | None:
    """The same program made with other options; None if the compiler does not take them.

    Args:
        code: code whose program `compiled` has made in `folder`.
        folder: folder with all files.
        compiler: compiler of this computer.
        time_limit: seconds for all calls of one request.
        options: options of the compiler.
        source: name of the model's source or object file.
        program: name of the program.
    """
    if compiler.run([*options, source, "harness.c", "-o", program], folder) is not None:
        return None
    return CompiledCode(folder / program, code.interface, time_limit, False, options)


def harness_text(interface: Interface) -> str:
    """A program that reads calls from its input and writes what they give to its output."""
    prefix = interface.prefix
    given = [(one, f"a{place}") for place, one in enumerate(interface.arguments)]
    made = "\n".join(
        f"    {one.c_type} *{name} = ({one.c_type} *)calloc({max(one.size, 1)}, "
        f"sizeof({one.c_type}));"
        for one, name in given
    )
    read = "\n".join(
        f"        if (fread({name}, sizeof({one.c_type}), {one.size}, stdin) != {one.size})\n"
        "            return 3;"
        for one, name in given[: len(interface.inputs)]
        if one.size
    )
    wrote = [
        f"        fwrite({name}, sizeof({one.c_type}), {one.size}, stdout);"
        for one, name in given[len(interface.inputs) :]
    ]
    wrote += [
        f"        fwrite(memory->{one.identifier}, sizeof({one.c_type}), {one.size}, stdout);"
        for one in interface.states
    ]
    joined = "\n".join(wrote)
    arguments = ", ".join(["memory", *(name for _, name in given)])
    freed = "\n".join(f"    free({name});" for name in ["memory", *(n for _, n in given)])
    return f"""#include "{prefix}.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{{
    {prefix}_memory *memory = ({prefix}_memory *)malloc(sizeof *memory);
    int32_t command;
{made}
    memset(memory, 0x7f, sizeof *memory);
    while (fread(&command, sizeof command, 1, stdin) == 1) {{
        if (command == {_INIT}) {{
            {prefix}_init(memory);
            continue;
        }}
{read}
        {interface.function}({arguments});
{joined}
    }}
{freed}
    return 0;
}}
"""
