"""Exported C code compiled for other processors and by other compilers, and run in emulators."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_apps.export.c import CodeResult
from rnn_apps.export.c.proof.compiler import STRICT
from rnn_apps.export.c.proof.harness import harness_text

# Runs a program for the WebAssembly System Interface with this program's own input and output.
_NODE_PROGRAM = """
const { WASI } = require('node:wasi');
const wasi = new WASI({ version: 'preview1', args: ['program'], env: {} });
const bytes = require('node:fs').readFileSync(process.argv[2]);
WebAssembly.instantiate(bytes, wasi.getImportObject()).then(
  ({ instance }) => wasi.start(instance));
"""


@dataclass(frozen=True)
class Platform:
    """A compiler with its options, and what runs its programs.

    Attributes:
        compiler: program and options.
        runner: program and arguments before the compiled program; none for this computer's own.
        packages: packages of Debian and Ubuntu that have all that is needed.
        byte_order: "<" for the lowest byte first, ">" for the highest.
    """

    compiler: tuple[str, ...]
    runner: tuple[str, ...] = ()
    packages: str = ""
    byte_order: str = "<"

    @property
    def missing(self) -> str:
        """What is not installed and how to get it; empty if all is there."""
        needed = [one[0] for one in (self.compiler, self.runner) if one]
        lacking = [name for name in needed if shutil.which(name) is None]
        if not lacking and "wasm32-wasi" in " ".join(self.compiler):
            lacking = [] if Path("/usr/lib/wasm32-wasi/libc.a").is_file() else ["wasi-libc"]
        return f"{', '.join(lacking)} (Debian: apt install {self.packages})" if lacking else ""


def _emulated(processor: str, emulator: str, debian: str, *options: str) -> Platform:
    """A processor whose Linux programs QEMU runs; `debian` is its name in Debian's packages."""
    compiler = (f"{processor}-linux-gnu-gcc", "-ffp-contract=fast", "-static", *options)
    packages = f"gcc-{processor}-linux-gnu libc6-dev-{debian}-cross qemu-user"
    order = ">" if emulator in ("s390x", "ppc64") else "<"
    return Platform(compiler, (f"qemu-{emulator}",), packages, order)


def _clang(*options: str) -> Platform:
    return Platform(("clang", *options), packages="clang")


def _wasm(*options: str) -> Platform:
    compiler = ("clang", "--target=wasm32-wasi", "-O3", *options)
    packages = "clang lld wasi-libc libclang-rt-dev-wasm32 nodejs"
    return Platform(compiler, ("node",), packages)


PLATFORMS = {
    "gcc -O0": Platform(("gcc", "-O0")),
    "gcc -Os": Platform(("gcc", "-Os")),
    "gcc x86-64": Platform(("gcc", "-O3")),
    "gcc x86-64-v3": Platform(("gcc", "-O3", "-march=x86-64-v3", "-ffp-contract=fast")),
    "clang -O0": _clang("-O0"),
    "clang -O2": _clang("-O2"),
    "clang native": _clang("-O3", "-march=native", "-ffp-contract=fast"),
    "clang x86-64-v3": _clang("-O3", "-march=x86-64-v3"),
    "i686 SSE2": _emulated("i686", "i386", "i386", "-O3", "-msse2", "-mfpmath=sse"),
    "i686 x87": _emulated("i686", "i386", "i386", "-O2"),
    "AArch64": _emulated("aarch64", "aarch64", "arm64", "-O3"),
    "RISC-V": _emulated("riscv64", "riscv64", "riscv64", "-O3"),
    "s390x": _emulated("s390x", "s390x", "s390x", "-O3"),
    "PowerPC": _emulated("powerpc64", "ppc64", "ppc64", "-O3"),
    "WebAssembly": _wasm(),
    "WebAssembly with vectors": _wasm("-msimd128"),
}


def outputs_on(
    platform: Platform,
    result: CodeResult,
    calls: Sequence[Mapping[str, np.ndarray]],
    folder: Path,
) -> list[dict[str, np.ndarray]]:
    """What calls one after another give, from states of zeros, in the code's own types.

    Args:
        platform: one of `PLATFORMS`.
        result: an exported folder.
        calls: inputs of each call by name, in the code's own types.
        folder: folder for what is made.
    """
    interface = result.interface
    (folder / "program.c").write_text(harness_text(interface), encoding="ascii")
    options = [*STRICT, *platform.compiler[1:], "-I", str(result.source.parent)]
    command = [platform.compiler[0], *options, "program.c", str(result.source), "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    runner = list(platform.runner)
    if runner == ["node"]:
        (folder / "run.js").write_text(_NODE_PROGRAM, encoding="ascii")
        runner += ["--no-warnings", "run.js"]
    order = platform.byte_order
    message = struct.pack(f"{order}i", 1)
    for call in calls:
        message += struct.pack(f"{order}i", 2)
        for one in interface.inputs:
            stored = np.dtype(one.dtype).newbyteorder(order)
            message += np.ascontiguousarray(call[one.name], stored).tobytes()
    done = subprocess.run(
        [*runner, "./program"], cwd=folder, input=message, capture_output=True, check=True
    )
    parts = [(one.name, one) for one in interface.outputs]
    parts += [(f"{one.name}_out", one) for one in interface.states]
    results, start = [], 0
    for _ in calls:
        outputs = {}
        for name, one in parts:
            stored = np.dtype(one.dtype).newbyteorder(order)
            value = np.frombuffer(done.stdout, stored, one.size, start).reshape(one.shape)
            outputs[name] = value.astype(one.dtype)
            start += one.bytes
        results.append(outputs)
    assert start == len(done.stdout)
    return results
