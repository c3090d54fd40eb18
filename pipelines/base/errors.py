"""Errors that a user can correct: each says what is wrong and what to do about it.

The command line turns these errors, and only these, into a message and exit code 2. Any other
exception is a fault of the toolkit and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class UserError(ValueError):
    """A mistake in the user's input: an argument, a configuration, a file or a model."""


class ConfigurationError(UserError):
    """An argument or a configuration field has a value that cannot be used."""


class FileError(UserError, OSError):
    """The system refuses to write a file or a folder: the disk is full, permission is missing."""


class DataError(UserError):
    """Data that cannot be used, with the place of the problem.

    Args:
        problem: clause without a full stop that says what is wrong ("'12,5' is not a number").
        file: the file (or the source, such as ``builtin:NAME``) with the problem.
        row: the row or line in the file, counted from 1 as an editor counts them, header included.
        column: name of the column with the problem.
        advice: sentence that says what to do about the problem.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        row: int | None = None,
        column: str | None = None,
        advice: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = None if file is None else str(file)
        self.row = row
        self.column = column
        self.advice = advice
        place = [] if self.file is None else [self.file]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        text = f"{', '.join(place)}: {problem}" if place else problem
        super().__init__(f"{text}. {advice}" if advice else text)


def first_line(error: Exception) -> str:
    """The first line of an error's message without its full stop, to be quoted in another one."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
