"""One voice: what the toolkit's loggers report appears on the terminal, above a progress bar too.

Every module reports through `logging.getLogger(__name__)`. A program that sets up logging of its
own gets these records there, as from any library. Where nothing else would show them, one handler
per package writes their text to standard error, because a training that stays silent for an hour
worries its user. `logging.getLogger("rnn_apps").setLevel("WARNING")` keeps it quiet.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@functools.cache
def terminal() -> Console:
    """The console on standard error that messages and progress bars share."""
    from rich.console import Console

    return Console(stderr=True)


def show_log(package: str) -> None:
    """Shows what the loggers of a package report, from level INFO on.

    A level that the user has set before stays as it is.

    Args:
        package: name of the package, which is also the name of its uppermost logger.
    """
    logger = logging.getLogger(package)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not any(isinstance(handler, TerminalHandler) for handler in logger.handlers):
        logger.addHandler(TerminalHandler(logger))


@contextlib.contextmanager
def nothing_but_our_lines(*packages: str) -> Iterator[None]:
    """Keeps the log of packages on our handlers alone, for the command line.

    Some library that is imported on the way may set up logging for the whole process; without this,
    the lines after that would look different from those before.

    Args:
        packages: names of packages that `show_log` shows.
    """
    loggers = [logging.getLogger(package) for package in packages]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.propagate = propagate


class TerminalHandler(logging.Handler):
    """Writes the text of each record to standard error, unless the user's own logging does.

    Args:
        logger: logger that the handler belongs to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        others = logging.getLogger().handlers if self._logger.propagate else []
        if any(map(_reaches_the_terminal, others)):
            return
        try:
            text = self.format(record)
            terminal().print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
        except Exception:
            self.handleError(record)


def _reaches_the_terminal(handler: logging.Handler) -> bool:
    """Whether a handler of the root logger writes to standard output or standard error."""
    console = getattr(handler, "console", None)
    stream = getattr(handler, "stream", None) if console is None else console.file
    return stream is not None and stream in (
        sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__,
    )  # fmt: skip


def duration(seconds: float) -> str:
    """A time span in seconds as hours, minutes and seconds, such as 0:01:30."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
