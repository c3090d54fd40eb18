"""Exported C code compiled for this computer, and held to the calls that its export left."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.library_check import FILE

# All vector instructions of this computer; no sum is reordered. The export proves code compiled
# like this too, so that what is served is what is proven.
SERVING_OPTIONS = ("-std=c99", "-O3", "-march=native", "-ffp-contract=fast")
# For a compiler that does not know this computer's processor, or that makes mistakes with the
# options before.
PLAINER_OPTIONS = (("-std=c99", "-O3", "-ffp-contract=fast"), ("-std=c99", "-O2"))
LIBRARY_OPTIONS = ("-fPIC", "-shared")
_COMPILERS = ("cc", "gcc", "clang")
_TIME_LIMIT = 300.0

# What is wrong with a library, in words; empty if nothing is.
Judge = Callable[[ctypes.CDLL], str]

# Libraries that this process has compiled, by the digest of their sources and checks.
_COMPILED: dict[str, ctypes.CDLL] = {}
_COMPILING = threading.Lock()


def library_of(folder: Path, prefix: str, parts: Sequence[str], judge: Judge) -> ctypes.CDLL:
    """The code of a folder as a library: PREFIX.so where there is one, else compiled.

    The options are tried from the fastest to the plainest, until the library is right.

    Args:
        folder: folder that `export_c` wrote.
        prefix: beginning of all names in it.
        parts: names of its sources, without ending.
        judge: function that says what is wrong with a library.

    Raises:
        UserError: there is no compiler, it refuses the sources, or no library is right.
    """
    own = folder / f"{prefix}.so"
    if own.is_file():
        library = ctypes.CDLL(str(own.absolute()))
        if problem := judge(library):
            raise UserError(
                f"{own}: {problem}. It was made of other code, for another processor, or by a "
                "compiler that makes mistakes: compile it again from src, with -O2 if need be, or "
                "delete it to have it compiled here"
            )
        return library
    sources = [folder / "src" / f"{part}.c" for part in parts]
    digest = _digest(folder, sources)
    with _COMPILING:
        if digest not in _COMPILED:
            _COMPILED[digest] = _right_library(folder, prefix, sources, judge)
        return _COMPILED[digest]


def _digest(folder: Path, sources: Sequence[Path]) -> str:
    check = folder / FILE
    try:
        texts = [path.read_bytes() for one in sources for path in (one.with_suffix(".h"), one)]
        texts += [check.read_bytes()] if check.is_file() else []
    except OSError as failure:
        raise UserError(f"{folder}: cannot be read: {failure}. Export it again") from failure
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _right_library(folder: Path, prefix: str, sources: Sequence[Path], judge: Judge) -> ctypes.CDLL:
    """A library that is right, made with the first options that make one."""
    command = _compiler(folder, prefix, sources)
    refused = ""
    wrong: list[str] = []
    for options in (SERVING_OPTIONS, *PLAINER_OPTIONS):
        # A file of its own each time: a library that is loaded stays, though its file goes.
        with tempfile.TemporaryDirectory() as made:
            target = Path(made) / f"{prefix}.so"
            complaint = _compile(folder, [*command, *options], sources, target)
            if complaint:
                refused = refused or complaint
                continue
            library = ctypes.CDLL(str(target))
            problem = judge(library)
        said = f"{' '.join(command)} {' '.join(options)}"
        if not problem:
            if wrong:
                warnings.warn(
                    f"{folder}: {'; '.join(wrong)}. The code is served as compiled with {said}, "
                    "which is right and may be slower. Another compiler can be named in the "
                    "variable CC",
                    stacklevel=4,
                )
            return library
        wrong.append(f"compiled with {said}, {problem}")
    if wrong:
        raise UserError(
            f"{folder}: {'; '.join(wrong)}. Either the files were changed after the export, or the "
            "compiler makes mistakes: export the folder again, or name another compiler in the "
            "variable CC"
        )
    raise UserError(f"{folder}: cannot be compiled: {refused[:500]}")


def _compiler(folder: Path, prefix: str, sources: Sequence[Path]) -> list[str]:
    asked = shlex.split(os.environ.get("CC", ""))
    installed = next((name for name in _COMPILERS if shutil.which(name)), None)
    command = asked or ([installed] if installed else [])
    if not command:
        names = " ".join(f"src/{source.name}" for source in sources)
        raise UserError(
            f"{folder}: C code needs a compiler here (Debian and Ubuntu: apt install gcc), or a "
            f"library {prefix}.so beside card.json, made on a computer like this one with: "
            f"cc {' '.join([*SERVING_OPTIONS, *LIBRARY_OPTIONS])} {names} -o {prefix}.so"
        )
    return command


def _compile(folder: Path, command: Sequence[str], sources: Sequence[Path], target: Path) -> str:
    """Makes a library; what the compiler said if it did not."""
    try:
        done = subprocess.run(
            [*command, *LIBRARY_OPTIONS, *map(str, sources), "-o", str(target)],
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise UserError(f"{folder}: cannot be compiled: {failure}") from failure
    return (done.stderr.strip() or "no message") if done.returncode else ""
