"""What an exported model takes and gives: its signatures and their tensors, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.flatbuffer import ModelFile, Subgraph, Tensor
from rnn_apps.edge.runtime.quantization import dequantize, quantize

# The key under which a file without signatures offers its graph, by tensor names.
WITHOUT_SIGNATURE = "main"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes:
        index: number of the tensor in its subgraph.
        shape: sizes of the dimensions; -1 for a free one (none is free on TensorFlow Lite Micro).
        dtype: NumPy's name of the type that the runtime takes or returns.
        scale, zero_point: parameters of the quantisation, real = scale * (integer - zero_point); a
            scale of None means that the tensor is not quantised.
    """

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int = 0

    def to_runtime(self, value: np.ndarray) -> np.ndarray:
        """A value in the runtime's type, each number kept.

        Numbers for a quantised input are real ones and are quantised, unless they have the
        input's own integer type already.

        Raises:
            UserError: shape or type do not fit, a whole number is too large for the type, or NaN or
                infinity is to be quantised.
        """
        try:
            array = np.asarray(value)
        except ValueError as refusal:
            raise UserError(f"input {self.name!r} is not one array: {refusal}.") from refusal
        fits = array.ndim == len(self.shape) and all(
            want in (-1, have) for want, have in zip(self.shape, array.shape, strict=True)
        )
        if not fits:
            raise UserError(
                f"input {self.name!r} has the shape {array.shape}; the model takes "
                f"{show_shape(self.shape)}."
            )
        if array.dtype == self.dtype:
            return np.ascontiguousarray(array)
        if self.scale is not None and array.dtype.kind in "biuf":
            if not np.isfinite(array).all():
                raise UserError(f"input {self.name!r} holds NaN or infinity.")
            return quantize(array, self.scale, self.zero_point, self.dtype)
        if not np.can_cast(array.dtype, self.dtype, casting="same_kind"):
            raise UserError(
                f"input {self.name!r} has the type {array.dtype}; the model takes {self.dtype}."
            )
        if np.dtype(self.dtype).kind in "iu" and array.dtype.kind in "iu" and array.size:
            limits = np.iinfo(self.dtype)
            if array.min() < limits.min or array.max() > limits.max:
                raise UserError(
                    f"input {self.name!r} holds numbers from {array.min()} to {array.max()}; the "
                    f"model takes {self.dtype}."
                )
        return np.ascontiguousarray(array, self.dtype)

    def to_real(self, value: np.ndarray) -> np.ndarray:
        """What the runtime gave as real numbers, float32, where it is quantised."""
        return value if self.scale is None else dequantize(value, self.scale, self.zero_point)


@dataclass(frozen=True)
class Signature:
    """A named way to call the model."""

    key: str
    subgraph: int
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


class Runtime(Protocol):
    """What a runtime must do; inputs and outputs are in its own types."""

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature once."""

    def invocation(
        self, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[], object]:
        """Sets the inputs and returns what runs the graph on them, as often as it is called."""

    def reset(self) -> None:
        """Sets the variables inside the model to zero."""


def signatures_of(file: ModelFile, fixed: bool = False) -> dict[str, Signature]:
    """The signatures of a file; a file without any is given one, named by its tensors.

    Args:
        fixed: true if free dimensions get the size that the file was converted with.
    """
    if not file.signatures:
        graph = file.subgraphs[0]
        return {
            WITHOUT_SIGNATURE: Signature(
                WITHOUT_SIGNATURE,
                0,
                _specs(graph, {graph.tensors[index].name: index for index in graph.inputs}, fixed),
                _specs(graph, {graph.tensors[index].name: index for index in graph.outputs}, fixed),
            )
        }
    return {
        entry.key: Signature(
            entry.key,
            entry.subgraph,
            _specs(file.subgraphs[entry.subgraph], entry.inputs, fixed),
            _specs(file.subgraphs[entry.subgraph], entry.outputs, fixed),
        )
        for entry in file.signatures
    }


def show_shape(shape: tuple[int, ...]) -> str:
    """A shape for a message, with "any" for free dimensions."""
    return "[" + ", ".join("any" if size == -1 else str(size) for size in shape) + "]"


def _specs(graph: Subgraph, names: dict[str, int], fixed: bool) -> dict[str, TensorSpec]:
    return {name: _spec(name, graph.tensors[index], fixed) for name, index in names.items()}


def _spec(name: str, tensor: Tensor, fixed: bool) -> TensorSpec:
    scale, zero_point = None, 0
    if tensor.quantization is not None and np.dtype(tensor.dtype).kind in "iu":
        scale, zero_point = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
    shape = tensor.shape if fixed else tensor.free_shape
    return TensorSpec(name, tensor.index, shape, tensor.dtype, scale, zero_point)
