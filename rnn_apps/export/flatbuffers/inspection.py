"""What a .tflite file says about itself, read without running it and without trusting it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rnn_apps.edge.runtime.computed_sizes import computes_sizes
from rnn_apps.edge.runtime.flatbuffer import ModelFile, Operator, Tensor, read_model_file
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec, signatures_of
from rnn_apps.edge.runtime.streaming import state_pairs

_CUSTOM = 32


@dataclass(frozen=True)
class TensorInspection:
    """One input, output or variable; -1 in the shape is a free dimension."""

    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class SignatureInspection:
    """A signature: inputs and outputs by name; `states` maps state inputs to their successors."""

    inputs: dict[str, TensorInspection]
    outputs: dict[str, TensorInspection]
    states: dict[str, str]


@dataclass(frozen=True)
class Inspection:
    """The contents of a file.

    Attributes:
        sha256: SHA-256 of the whole file.
        operator_counts: number of uses of each operator in all graphs together, by operator name.
        quantization: None (float32), "dynamic" (int8 weights, float activations), "float16"
            (weights) or "int8" (integer activations).
        variables: names of the tensors that keep their value from call to call.
        constant_bytes: size of the constants in bytes, by type.
        computes_sizes: true if the size of a tensor is computed while the file runs: LiteRT then
            gives right results only without its default delegate (`edge.runtime.computed_sizes`).
    """

    path: str
    bytes: int
    sha256: str
    schema_version: int
    description: str
    graphs: int
    operator_counts: dict[str, int]
    signatures: dict[str, SignatureInspection]
    quantization: str | None
    variables: dict[str, TensorInspection]
    constant_bytes: dict[str, int]
    computes_sizes: bool

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of the operators, each once, sorted."""
        return tuple(sorted(self.operator_counts))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries and lists, for JSON."""
        return asdict(self)


def inspect(path: str | Path) -> Inspection:
    """Reads operators, signatures, shapes, types, quantisation and variables of a .tflite file.

    Every offset in the file is checked before it is followed and every length before anything of
    that length is made, so that files of unknown origin can be inspected.

    Raises:
        UserError: there is no such file, or it is not a whole .tflite file.
    """
    file, content = read_model_file(path)
    operators = [item for graph in file.subgraphs for item in graph.operators]
    tensors = [item for graph in file.subgraphs for item in graph.tensors]
    return Inspection(
        path=str(path),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        schema_version=file.version,
        description=file.description,
        graphs=len(file.subgraphs),
        operator_counts=dict(sorted(Counter(operator_name(item) for item in operators).items())),
        signatures={key: _signature(item) for key, item in signatures_of(file).items()},
        quantization=_quantization(file),
        variables={item.name: _variable(item) for item in tensors if item.is_variable},
        constant_bytes=_constant_bytes(file, tensors),
        computes_sizes=computes_sizes(file),
    )


def operator_name(operator: Operator) -> str:
    """The schema's name of an operator, such as FULLY_CONNECTED; custom ones by their own name."""
    if operator.code == _CUSTOM or operator.custom_name:
        return operator.custom_name or "CUSTOM"
    from rnn_apps.export.flatbuffers.model_objects import builtin_operators

    return builtin_operators().get(operator.code, f"BUILTIN_{operator.code}")


def _signature(signature: Signature) -> SignatureInspection:
    return SignatureInspection(
        inputs={name: _spec(item) for name, item in signature.inputs.items()},
        outputs={name: _spec(item) for name, item in signature.outputs.items()},
        states=state_pairs(signature),
    )


def _spec(item: TensorSpec) -> TensorInspection:
    zero_point = None if item.scale is None else item.zero_point
    return TensorInspection(item.shape, item.dtype, item.scale, zero_point)


def _variable(item: Tensor) -> TensorInspection:
    return TensorInspection(item.free_shape, item.dtype)


def _constant_bytes(file: ModelFile, tensors: list[Tensor]) -> dict[str, int]:
    """A buffer that several tensors share counts once, under the type of the first."""
    types: dict[int, str] = {}
    for item in tensors:
        if item.buffer < len(file.buffer_bytes) and file.buffer_bytes[item.buffer]:
            types.setdefault(item.buffer, item.dtype)
    totals: Counter[str] = Counter()
    for buffer, dtype in types.items():
        totals[dtype] += file.buffer_bytes[buffer]
    return dict(sorted(totals.items()))


def _quantization(file: ModelFile) -> str | None:
    """Judged by the tensors: integer activations with a scale, else the types of the constants."""
    constant_types = set()
    for graph in file.subgraphs:
        for item in graph.tensors:
            constant = item.buffer < len(file.buffer_bytes) and file.buffer_bytes[item.buffer] > 0
            if constant:
                constant_types.add((item.dtype, item.quantization is not None))
            elif item.dtype in ("int8", "int16") and item.quantization and not item.is_variable:
                return "int8"
    if ("int8", True) in constant_types:
        return "dynamic"
    return "float16" if "float16" in {dtype for dtype, _ in constant_types} else None
