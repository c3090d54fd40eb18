"""A model on LiteRT (package ai-edge-litert)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipelines.errors import UserError

if TYPE_CHECKING:
    from rnn_apps.edge.model import Signature


class LiteRTRuntime:
    """Runs signatures through LiteRT's interpreter.

    A file whose only signature is its first graph is run directly: inputs are resized only when
    a shape changes, which keeps the cost of a step at a few microseconds. Files with several
    signatures go through signature runners, one for each.
    """

    def __init__(self, content: bytes, signatures: dict[str, Signature], threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as absent:
            raise UserError(
                "LiteRT is not installed. Install it with: pip install ai-edge-litert"
            ) from absent
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._runners = {}
            if len(signatures) > 1 or any(item.subgraph for item in signatures.values()):
                self._runners = {
                    key: self._interpreter.get_signature_runner(key) for key in signatures
                }
            else:
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as refusal:
            raise UserError(f"LiteRT cannot run this model: {refusal}") from refusal
        self._shapes: dict[int, tuple[int, ...]] = {}
        for signature in signatures.values():
            self._shapes |= {item.index: item.shape for item in signature.inputs.values()}

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature once; inputs and outputs are in the runtime's types."""
        if self._runners:
            return self._runners[signature.key](**inputs)
        self._set(signature, inputs)
        self._interpreter.invoke()
        return {
            name: self._interpreter.get_tensor(item.index)
            for name, item in signature.outputs.items()
        }

    def invocation(
        self, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[], object]:
        """Sets the inputs and returns what runs the graph on them."""
        if self._runners:
            runner = self._runners[signature.key]
            return lambda: runner(**inputs)
        self._set(signature, inputs)
        return self._interpreter.invoke

    def reset(self) -> None:
        """Sets the variables inside the model to zero."""
        self._interpreter.reset_all_variables()

    def _set(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> None:
        resized = False
        for name, value in inputs.items():
            index = signature.inputs[name].index
            if self._shapes[index] != value.shape:
                self._interpreter.resize_tensor_input(index, value.shape)
                self._shapes[index] = value.shape
                resized = True
        if resized:
            self._interpreter.allocate_tensors()
        for name, value in inputs.items():
            self._interpreter.set_tensor(signature.inputs[name].index, value)
