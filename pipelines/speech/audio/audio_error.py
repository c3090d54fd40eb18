"""The error of a recording that cannot be used; the standard library alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.base.errors import DataError


class AudioError(DataError):
    """A recording that cannot be used.

    Attributes:
        kind: what is wrong in few words, the same for all recordings with this trouble, such as
            "missing" or "truncated"; `problem` says it for this one.
    """

    def __init__(self, kind: str, problem: str, file: str | Path, advice: str | None = None):
        super().__init__(problem, file=file, advice=advice)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel between processes by their constructor's arguments.
        return AudioError, (self.kind, self.problem, self.file, self.advice)

    @property
    def explanation(self) -> str:
        """What is wrong and what to do about it, without the file's name."""
        return f"{self.problem}. {self.advice}" if self.advice else self.problem
