"""TensorFlow's start-up notices, kept off the terminal of someone who did not ask for them.

TensorFlow reports what it finds on the machine (oneDNN, no CUDA drivers, the CPU's instructions)
in about ten lines on standard error. None of them is an error for a user without a GPU. Its own
switch, TF_CPP_MIN_LOG_LEVEL, hides them only once TensorFlow has been imported: what the libraries
log while they are loaded is written whatever the switch says. So the switch is set here unless the
user has set it, and during the import it is applied to the lines that TensorFlow writes past it.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import os
import platform
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, MutableMapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

SWITCH = "TF_CPP_MIN_LOG_LEVEL"
_WARNINGS_HIDDEN, _ERRORS_HIDDEN = 2, 3
_STANDARD_ERROR = 2
_NVIDIA_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/proc/driver/nvidia/version")
# As in "I0000 00:00:1795883462.990519   17873 port.cc:153] oneDNN custom operations are on."
_RECORD = re.compile(rb"(?P<severity>[IWE])\d{4} \d\d:\d\d:\d+\.\d+ +\d+ [\w.]+:\d+\] ")
_PREAMBLE = b"WARNING: All log messages before absl::InitializeLog() is called"
_LITERT_NOTICE = re.compile(rb"INFO: (Created|Initialized|Applying) .*(TensorFlow Lite|delegate)")
_LEVELS = {b"I": 1, b"W": 2, b"E": 3}
# Two threads that exchanged the same descriptor at once could leave the wrong one behind.
_EXCHANGE = threading.RLock()
_allocations: list[str] = []
"""Filled once this process allocates a graph of LiteRT."""


def has_nvidia_device() -> bool:
    """Whether this machine has an NVIDIA device, whether or not TensorFlow can use it."""
    return any(Path(path).exists() for path in _NVIDIA_DEVICES)


def quieten_tensorflow(environment: MutableMapping[str, str] = os.environ) -> None:
    """Hides TensorFlow's start-up notices in this process and in its child processes.

    The user's own TF_CPP_MIN_LOG_LEVEL wins; with 0 nothing is hidden. Errors of TensorFlow's C++
    code stay visible where there is an NVIDIA device. Elsewhere the only such error at the start is
    that there is no GPU, and later ones also reach Python as exceptions.

    Args:
        environment: environment variables in which the switch is looked up and set.
    """
    hidden = _WARNINGS_HIDDEN if has_nvidia_device() else _ERRORS_HIDDEN
    environment.setdefault(SWITCH, str(hidden))
    level = environment[SWITCH]
    if "tensorflow" in sys.modules or not level.isdecimal() or int(level) == 0:
        return
    # On a CPU without AVX, TensorFlow says so and ends the process: nothing is held back there.
    if not any(isinstance(finder, _Quietly) for finder in sys.meta_path) and _has_avx():
        sys.meta_path.insert(0, _Quietly())


def without_notices(text: bytes, level: int) -> bytes:
    """The lines of a log without those that TF_CPP_MIN_LOG_LEVEL promises to hide.

    Args:
        text: text that was written to standard error.
        level: value of the switch: 1 hides notices, 2 also warnings, 3 also errors.
    """
    kept = []
    for line in text.splitlines(keepends=True):
        record = _RECORD.match(line)
        hidden = record is not None and _LEVELS[record["severity"]] <= level
        if not (hidden or line.startswith(_PREAMBLE) or _LITERT_NOTICE.match(line)):
            kept.append(line)
    return b"".join(kept)


@contextlib.contextmanager
def notices_held_back(level: int) -> Iterator[None]:
    """Passes on what the block writes to standard error when it ends, without the notices.

    A file takes the text meanwhile, not a pipe: C++ code that fills a pipe while it holds Python's
    lock would wait forever.

    Args:
        level: value of the switch, as for `without_notices`.
    """
    with _EXCHANGE, contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(tempfile.TemporaryFile())
            kept = os.dup(_STANDARD_ERROR)
        except OSError:
            # There is no standard error, as under a window system, or no room for the file.
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)
            held.seek(0)
            rest = without_notices(held.read(), level)
            while rest:
                rest = rest[os.write(_STANDARD_ERROR, rest) :]


@contextlib.contextmanager
def litert_notices_held_back() -> Iterator[None]:
    """Holds LiteRT's notices back while the process allocates its first graph.

    LiteRT reports its delegate at that moment and never again, so that later blocks change nothing.
    """
    level = os.environ.get(SWITCH, "")
    if _allocations or not level.isdecimal() or int(level) == 0:
        yield
        return
    _allocations.append("first")
    with notices_held_back(int(level)):
        yield


class _Quietly(importlib.abc.MetaPathFinder):
    """Finds TensorFlow where it is, with a loader that holds its notices back."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        level = os.environ.get(SWITCH, "")
        if spec is not None and spec.loader is not None and level.isdecimal():
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                # `module.__loader__` is read by others, so it keeps its type and its own method.
                del loader.exec_module
                with notices_held_back(int(level)):
                    execute(module)

            loader.exec_module = exec_module
        return spec


def _has_avx() -> bool:
    if platform.system() != "Linux" or platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    try:
        return " avx " in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
