"""Child processes that run a module of this toolkit and answer on their standard output."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, TypeVar

from pipelines.base.working_time import WorkingTime

# How often a worker that has not answered yet is looked at.
_SECONDS_BETWEEN_LOOKS = 0.25
# A process that has closed its standard output ends within this time.
_SECONDS_TO_END = 10.0
_LARGEST_PIECE = 1 << 20

Answer = TypeVar("Answer")


def child_environment(**variables: str) -> dict[str, str]:
    """The environment for a child process that imports the same packages as this process.

    Args:
        variables: environment variables to set, or to replace, in the child process.
    """
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), **variables}


def reserve_standard_output() -> BinaryIO:
    """In a worker: a stream to the parent for answers alone.

    From then on, whatever else writes to standard output, native code included, writes to the
    error stream.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


class WorkerError(Exception):
    """A worker gave no answer; it has been closed.

    Attributes:
        hung: whether the time limit was over; otherwise the process had ended.
        exit_code: the code that the process ended with, negative for a signal; None where it hung.
        said: the lines that it wrote to its error stream during the request.
    """

    def __init__(self, hung: bool, exit_code: int | None, said: Sequence[str]) -> None:
        self.hung = hung
        self.exit_code = exit_code
        self.said = tuple(said)
        super().__init__(f"the process {'hung' if hung else f'ended with {self.ending}'}")

    @property
    def ending(self) -> str:
        """How the process ended: "signal SIGSEGV" or "exit code 1"."""
        code = self.exit_code or 0
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    @property
    def last_words(self) -> str:
        """The last line that the process wrote to its error stream, or how it ended."""
        return self.said[-1] if self.said else self.ending


class Worker:
    """A child process that runs a module of this toolkit. A context manager.

    What it writes to its standard output are answers; what it writes to its error stream is kept
    for messages. It is ended by `close`, when this object is forgotten, and when Python ends.

    Threads pass on what goes to the process and what comes from it, so that neither a process that
    reads nothing nor one that writes nothing can hold its parent.

    Args:
        module: the name of the module that is run, as by `python -m`.
        arguments: the command line's arguments after the module.
        variables: environment variables that are set for the process.
    """

    def __init__(
        self, module: str, arguments: Sequence[str] = (), variables: Mapping[str, str] | None = None
    ) -> None:
        # Appended to by the child, so that emptying it between requests leaves no hole.
        self._log: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115 (closed by `_end`)
        self.process = subprocess.Popen(
            # -P: a file of the working directory must not be taken for a module of Python's.
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=child_environment(**(variables or {})),
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._received = bytearray()
        self._ended = False
        self._has_answered = False
        self._limit: float | None = None
        self._time = WorkingTime(self.process.pid)
        for work in (
            threading.Thread(target=_write, args=(self.process.stdin, self._outgoing), daemon=True),
            threading.Thread(target=_read, args=(self.process.stdout, self._incoming), daemon=True),
        ):
            work.start()
        self._finalizer = weakref.finalize(self, _end, self.process, self._outgoing, self._log)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether the process has neither ended nor been closed."""
        return self._finalizer.alive and self.process.poll() is None

    def ask(
        self, request: bytes, receive: Callable[[Worker], Answer], time_limit: float | None = None
    ) -> Answer:
        """Sends a request and waits for the answer.

        Args:
            request: the bytes to send; none to wait for what the process says by itself.
            receive: function that reads one answer with `exactly` or `line`.
            time_limit: seconds in which the process could run (see `WorkingTime`), after which it
                is ended; None to wait for as long as the process lives.

        Raises:
            WorkerError: the process ended, or did not answer within the limit. It is closed.
        """
        if self._has_answered:
            self._log.seek(0)
            self._log.truncate()
        self._limit = time_limit
        self._time = WorkingTime(self.process.pid)
        if request:
            self._outgoing.put(request)
        answer = receive(self)
        self._has_answered = True
        return answer

    def ask_json(self, request: Any, time_limit: float | None = None) -> Any:
        """As `ask`, with one line of JSON each way; None as the request sends nothing."""
        sent = b"" if request is None else json.dumps(request).encode() + b"\n"
        return json.loads(self.ask(sent, Worker.line, time_limit))

    def finish(self, request: bytes, time_limit: float | None = None) -> bytes:
        """Sends a last request, closes the input and returns all that the process still writes.

        Raises:
            WorkerError: the process ended with another code than 0, or not within the limit.
        """

        def rest(worker: Worker) -> bytes:
            self._outgoing.put(None)
            while worker._receive_more():
                pass
            return bytes(worker._received)

        answer = self.ask(request, rest, time_limit)
        code = self._exit_code()
        said = self.said()
        self.close()
        if code:
            raise WorkerError(False, code, said)
        return answer

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes of an answer; to be called by `receive` of `ask`."""
        while len(self._received) < size:
            self._receive_or_fail()
        return self._take(size)

    def line(self) -> bytes:
        """The next line of an answer with its end; to be called by `receive` of `ask`."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            self._receive_or_fail()
        return self._take(end + 1)

    def said(self) -> list[str]:
        """The lines that the process wrote to its error stream since the last request was sent.

        Of the first request, those from the process' start on. Empty lines are left out.
        """
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def close(self, patience: float = 0.0) -> None:
        """Ends the process.

        Args:
            patience: seconds for which the process, whose input ends, may end by itself.
        """
        if patience and self._finalizer.alive:
            self._outgoing.put(None)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        self._finalizer()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _receive_or_fail(self) -> None:
        if not self._receive_more():
            code, said = self._exit_code(), self.said()
            self.close()
            raise WorkerError(False, code, said)

    def _receive_more(self) -> bool:
        """Waits for the next bytes; False if the process has ended."""
        while not self._ended:
            left = self._time_left()
            try:
                piece = self._incoming.get(timeout=min(left, _SECONDS_BETWEEN_LOOKS))
            except queue.Empty:
                if left:
                    continue
                raise self._hang() from None
            self._received += piece
            self._ended = not piece
            return not self._ended
        return False

    def _time_left(self) -> float:
        if self._limit is None:
            return math.inf
        return max(0.0, self._limit - self._time.seconds())

    def _hang(self) -> WorkerError:
        said = self.said()
        self.close()
        return WorkerError(True, None, said)

    def _exit_code(self) -> int:
        """How the process ended that has closed its output."""
        began = time.monotonic()
        while self.process.poll() is None and time.monotonic() - began < _SECONDS_TO_END:
            time.sleep(0.01)
        code = self.process.poll()
        if code is None:
            raise self._hang()
        return code


def run_worker(
    module: str,
    arguments: Sequence[str] = (),
    *,
    request: bytes = b"",
    variables: Mapping[str, str] | None = None,
    time_limit: float | None = None,
) -> bytes:
    """Runs a module in a child process for one request and returns what it wrote.

    The arguments are those of `Worker` and of its `finish`.

    Raises:
        WorkerError: the process ended with another code than 0, or not within the limit.
    """
    with Worker(module, arguments, variables) as worker:
        return worker.finish(request, time_limit)


def _write(pipe: IO[bytes], outgoing: queue.SimpleQueue[bytes | None]) -> None:
    """A thread's work: passes messages on; None, or a process that reads no more, ends it."""
    # An ended process closes its end; that is noticed where the answer is read.
    with contextlib.suppress(OSError, ValueError):
        while (message := outgoing.get()) is not None:
            pipe.write(message)
            pipe.flush()
    with contextlib.suppress(OSError):
        pipe.close()


def _read(pipe: IO[bytes], incoming: queue.SimpleQueue[bytes]) -> None:
    """A thread's work: passes on what comes; empty bytes at the end."""
    with pipe, contextlib.suppress(OSError):
        while piece := os.read(pipe.fileno(), _LARGEST_PIECE):
            incoming.put(piece)
    incoming.put(b"")


def _end(
    process: subprocess.Popen[bytes], outgoing: queue.SimpleQueue[bytes | None], log: IO[bytes]
) -> None:
    process.kill()
    process.wait()
    outgoing.put(None)
    log.close()
