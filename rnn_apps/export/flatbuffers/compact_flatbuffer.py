"""Writes a .tflite file's objects so that equal parts are in the file once.

A loop body of ten timesteps has two hundred tensors and as many operators that differ in little
more than their numbers. A flatbuffer may point to one vector, string or table from many places, and
readers only follow the pointers, so equal ones are shared here: a small file loses a third of what
isn't weights. A runtime sees no difference.
"""

from __future__ import annotations

from typing import Any, Protocol

import flatbuffers
import numpy as np

from rnn_apps.export.flatbuffers.model_objects import finished

# The schema wants constants at multiples of 16 bytes (`force_align`), which Python's packing of
# whole objects leaves out; for short ones, read once at the start, padding is not worth it.
CONSTANT_ALIGNMENT = 16
ALIGNED_FROM = 64


def compact(model: Any) -> bytes:
    """The file of an object-API model (`ModelT`), whose tables this takes apart to share them."""
    _drop_what_says_nothing(model)
    tables: dict[Any, _SharedTable] = {}
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.quantization = _shared(tensor.quantization, tables)
        for operator in subgraph.operators:
            operator.builtinOptions = _shared(operator.builtinOptions, tables)
        subgraph.tensors = [_shared(tensor, tables) for tensor in subgraph.tensors]
    model.operatorCodes = [_shared(code, tables) for code in model.operatorCodes]
    return finished(model, _SharingBuilder(1024))


class _Table(Protocol):
    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 (flatbuffers' own name)
        """Writes the table and returns its offset."""


class _SharedTable:
    """A table that is written at its first use; later uses point to the same bytes."""

    def __init__(self, table: _Table) -> None:
        self.table = table
        self._offset: int | None = None

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 (flatbuffers' own name)
        """As the table's own."""
        if self._offset is None:
            self._offset = self.table.Pack(builder)
        return self._offset


class _SharingBuilder(flatbuffers.Builder):
    """A builder that writes equal vectors and strings once."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._known: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 (flatbuffers' own name)
        """As the builder's own."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._known:
            if x.dtype == np.uint8 and len(x) >= ALIGNED_FROM:
                self.Prep(CONSTANT_ALIGNMENT, len(x))
            self._known[key] = super().CreateNumpyVector(x)
        return self._known[key]

    def CreateString(  # noqa: N802 (flatbuffers' own name)
        self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict"
    ) -> int:
        """As the builder's own."""
        content = s.encode(encoding, errors) if isinstance(s, str) else s
        key = ("string", content)
        if key not in self._known:
            self._known[key] = super().CreateString(content)
        return self._known[key]


def _shared(table: Any, tables: dict[Any, _SharedTable]) -> Any:
    return None if table is None else tables.setdefault(_content(table), _SharedTable(table))


def _content(value: Any) -> Any:
    """The contents of an object API table as a hashable key: equal for equal tables."""
    if isinstance(value, _SharedTable):
        return id(value)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, list):
        return tuple(map(_content, value))
    if hasattr(value, "Pack"):
        fields = ((name, _content(item)) for name, item in sorted(vars(value).items()))
        return type(value).__name__, *fields
    return type(value).__name__, value


def _drop_what_says_nothing(model: Any) -> None:
    """Drops empty names, quantisation without a scale, and empty buffers."""
    tensors = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors]
    for tensor in tensors:
        tensor.name = tensor.name or None
        quantization = tensor.quantization
        if quantization is not None and quantization.scale is None and not quantization.details:
            tensor.quantization = None
        data = model.buffers[tensor.buffer].data
        # The first buffer stands for "no data".
        if data is None or len(data) == 0:
            tensor.buffer = 0
    metadata = model.metadata or []
    used = sorted({0, *(t.buffer for t in tensors), *(entry.buffer for entry in metadata)})
    number = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[old] for old in used]
    for entry in (*tensors, *metadata):
        entry.buffer = number[entry.buffer]
