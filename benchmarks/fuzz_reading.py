"""The result of reading a file, in a form that two processes can compare."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Meaning = dict[str, str]
"""What was read, part by part: short texts as they are, long ones and arrays as digests."""


@dataclass(frozen=True)
class Reading:
    """What the toolkit read.

    Attributes:
        meaning: the data.
        findings: what the data report says was peculiar, so that nothing was silent.
    """

    meaning: Meaning
    findings: str = ""


def digest(values: npt.NDArray[Any]) -> str:
    """A digest of an array's shape, type and values."""
    head = f"{values.dtype} {values.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).hexdigest()[:16]
