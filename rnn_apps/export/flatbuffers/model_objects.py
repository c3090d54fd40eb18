"""A .tflite file as Python objects that can be changed (`ModelT` of the schema), and back.

The schema's classes are those that LiteRT ships: `ai_edge_litert.schema_py_generated`.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"


def read_objects(content: bytes) -> Any:
    """The `ModelT` of a file; its constants are NumPy arrays of bytes that may be written to."""
    return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)


def write_objects(model: Any) -> bytes:
    """The file of a `ModelT`, each table by itself (see `compact_flatbuffer` for a smaller one)."""
    return finished(model, flatbuffers.Builder(1024))


def finished(model: Any, builder: flatbuffers.Builder) -> bytes:
    """The bytes of a `ModelT` that a builder packs, with the identifier of .tflite files."""
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def builtin_operators() -> dict[int, str]:
    """The schema's names of the built-in operators by their numbers."""
    operators = vars(schema.BuiltinOperator).items()
    return {number: name for name, number in operators if name.isupper()}
