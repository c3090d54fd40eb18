"""A contender of a benchmark in a separate process, which answers each line with one line."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence


class ChildProcess:
    """A process that reads requests from its standard input and writes answers to its output.

    Args:
        name: name of the process, for the message if it ends too early.
        command: program and arguments.
        environment: environment variables of the process.
        silent: whether its standard error is discarded.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        silent: bool = True,
    ) -> None:
        self._name = name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if silent else None,
            text=True,
            env=environment,
        )

    def ask(self, order: str) -> str:
        """Sends a line to the process and returns its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> str:
        """Returns the next line that the process writes.

        Raises:
            RuntimeError: it has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with code {self._process.wait()}")
        return line

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
