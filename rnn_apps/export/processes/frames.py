"""Messages between two processes on a pipe: a JSON header and numpy arrays, never a pickle."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_LENGTHS = struct.Struct("<II")


def encode(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A message: lengths, header as JSON, arrays as one .npz (uncompressed)."""
    text = json.dumps(header).encode()
    body = io.BytesIO()
    # By number, not by name: the names of tensors may hold what a zip archive's may not.
    numbered: dict[str, Any] = {str(number): item for number, item in enumerate(arrays.values())}
    np.savez(body, **numbered)
    names = json.dumps(list(arrays)).encode()
    packed = _LENGTHS.pack(len(names), len(text)) + names + text + body.getvalue()
    return struct.pack("<Q", len(packed)) + packed


def receive(read: Callable[[int], bytes]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads one message; `read(n)` gives exactly n bytes or raises EOFError."""
    (size,) = struct.unpack("<Q", read(8))
    packed = read(size)
    names_size, text_size = _LENGTHS.unpack_from(packed)
    names_end = _LENGTHS.size + names_size
    names = json.loads(packed[_LENGTHS.size : names_end])
    header = json.loads(packed[names_end : names_end + text_size])
    with np.load(io.BytesIO(packed[names_end + text_size :]), allow_pickle=False) as archive:
        arrays = {name: archive[str(number)] for number, name in enumerate(names)}
    return header, arrays
