"""Errors that a user can mend: every one names what was wrong and what to do about it.

The command line turns these, and only these, into a message and exit code 2. Anything else
that is raised is a fault of the toolkit and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class UserError(ValueError):
    """A mistake in what the user gave: an argument, a configuration, a file, a model."""


class ConfigurationError(UserError):
    """An argument or a configuration field has a value that cannot be used."""


class FileError(UserError, OSError):
    """The system refuses to write a file or a folder: the disk is full, there is no permission."""


class DataError(UserError):
    """Data that cannot be used, with the place where the trouble is.

    Args:
        problem: what is wrong, as a clause without a full stop ("'12,5' is not a number").
        file: the file (or the source, such as ``builtin:NAME``) that holds it.
        row: the row or line in the file, counted from 1 as an editor counts them, header included.
        column: the column's name.
        advice: what to do about it, as a sentence.
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
