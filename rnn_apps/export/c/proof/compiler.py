"""The C compiler of this computer: which one, and running it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnn_apps.export.results import ExportError

# What every exported source is compiled with, without a single warning.
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
STRICT_CPP = ("-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_CANDIDATES = ("cc", "gcc", "clang")
_CPP_CANDIDATES = ("c++", "g++", "clang++")


@dataclass(frozen=True)
class Compiler:
    """A compiler that takes the options of GCC.

    Attributes:
        command: program and its first arguments.
        time_limit: seconds for one run.
    """

    command: tuple[str, ...]
    time_limit: float = 120.0

    def run(self, arguments: Sequence[str], folder: Path) -> str | None:
        """Runs the compiler in a folder; what it said if it failed, None if it did not.

        Raises:
            ExportError: it took too long.
        """
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.time_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ExportError(
                f"the C compiler took more than {self.time_limit:g} s: give a longer time_limit="
            ) from None
        return None if done.returncode == 0 else (done.stderr.strip() or "no message")

    @property
    def version(self) -> str:
        """What the compiler calls itself."""
        done = subprocess.run(
            [*self.command, "--version"], capture_output=True, text=True, check=False
        )
        return (done.stdout.splitlines() or ["unknown"])[0]


def c_compiler(time_limit: float = 120.0) -> Compiler:
    """The compiler in the variable CC, or the first one that is installed.

    Raises:
        ExportError: there is none.
    """
    found = _chosen("CC", _CANDIDATES)
    if found is None:
        raise ExportError(
            "no C compiler was found, without which exported C code cannot be proven. Install one "
            "(Debian and Ubuntu: apt install gcc; Fedora: dnf install gcc; macOS: xcode-select "
            "--install) or name one in the variable CC"
        )
    return Compiler(found, time_limit)


def cpp_compiler(time_limit: float = 120.0) -> Compiler | None:
    """The C++ compiler in the variable CXX, or the first one that is installed; None without."""
    found = _chosen("CXX", _CPP_CANDIDATES)
    return None if found is None else Compiler(found, time_limit)


def _chosen(variable: str, candidates: Sequence[str]) -> tuple[str, ...] | None:
    asked = os.environ.get(variable, "").strip()
    if asked:
        command = tuple(shlex.split(asked))
        return command if shutil.which(command[0]) else None
    return next(((name,) for name in candidates if shutil.which(name)), None)
