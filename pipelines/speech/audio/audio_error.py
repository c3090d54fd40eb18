"""The errors for recordings that cannot be used; needs only the standard library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.base.errors import DataError


class AudioError(DataError):
    """A recording that cannot be used.

    Attributes:
        kind: the problem in few words, the same for all recordings with this problem, such as
            "missing" or "truncated"; `problem` describes it for this recording.
    """

    def __init__(self, kind: str, problem: str, file: str | Path, advice: str | None = None):
        super().__init__(problem, file=file, advice=advice)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are sent between processes as the arguments of their constructor.
        return AudioError, (self.kind, self.problem, self.file, self.advice)

    @property
    def explanation(self) -> str:
        """The problem and what to do about it, without the name of the file."""
        return f"{self.problem}. {self.advice}" if self.advice else self.problem


def no_channel(channel: int, channels: int, path: str | Path) -> AudioError:
    """The error of a recording without the channel that is to be read."""
    return AudioError(
        "no such channel", f"has {channels} channel(s), and no channel {channel}", path,
        "Channels count from 1; channel = 0 reads the mean of all.",
    )  # fmt: skip
