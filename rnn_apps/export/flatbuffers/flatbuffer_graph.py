"""One graph of a .tflite file, with functions that change its operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema


class Graph:
    """One subgraph of a model, with methods that add operators to it."""

    def __init__(self, model: Any, subgraph: Any) -> None:
        self.model = model
        self.subgraph = subgraph

    def code(self, operator: Any) -> int:
        """The builtin operator's number."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))

    def tensor(self, index: int) -> Any:
        """The tensor with this index."""
        return self.subgraph.tensors[int(index)]

    def producer(self, tensor: int) -> Any:
        """The operator that writes a tensor, or None."""
        writers = (op for op in self.subgraph.operators if int(tensor) in op.outputs)
        return next(writers, None)

    def consumers(self, tensor: int) -> list[Any]:
        """The operators that read a tensor."""
        return [op for op in self.subgraph.operators if int(tensor) in op.inputs]

    def value(self, tensor: int, dtype: type[np.generic]) -> np.ndarray | None:
        """The numbers of a constant; None for what an operator or the caller fills."""
        data = self.model.buffers[self.tensor(tensor).buffer].data
        return None if data is None or not len(data) else np.frombuffer(bytes(data), dtype)

    def remove(self, operator: Any) -> None:
        """Removes an operator."""
        self.subgraph.operators = [op for op in self.subgraph.operators if op is not operator]

    def remove_producer(self, tensor: int) -> None:
        """Removes the operator that writes a tensor, if there is one."""
        self.subgraph.operators = [
            operator for operator in self.subgraph.operators if int(tensor) not in operator.outputs
        ]

    def constant(self, value: np.ndarray, name: str, quantization: Any = None) -> int:
        """Adds a constant and returns its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        dtype = getattr(schema.TensorType, value.dtype.name.upper())
        index = self.add_tensor(value.shape, dtype, name, quantization=quantization)
        self.tensor(index).buffer = len(self.model.buffers) - 1
        return index

    def add_tensor(
        self,
        shape: Sequence[int],
        dtype: int,
        name: str,
        free_shape: Sequence[int] | None = None,
        quantization: Any = None,
    ) -> int:
        """Adds a tensor that an operator fills and returns its index."""
        tensor = schema.TensorT()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = dtype
        tensor.name = f"{name}_{len(self.subgraph.tensors)}".encode()
        tensor.buffer = 0
        tensor.hasRank = True
        tensor.quantization = quantization
        if free_shape is not None:
            tensor.shapeSignature = np.array(free_shape, np.int32)
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def insert(
        self, before: Any, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Any
    ) -> None:
        """Adds an operator that runs directly before `before`."""
        operator = schema.OperatorT()
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        self.change_operator(operator, name, options)
        # By identity: the object API's operators don't compare as equal or not.
        position = next(i for i, op in enumerate(self.subgraph.operators) if op is before)
        self.subgraph.operators.insert(position, operator)

    def change_operator(self, operator: Any, name: str, options: Any) -> None:
        """Makes `operator` the builtin operator of this name, on the inputs that it has."""
        operator.opcodeIndex = self._opcode(getattr(schema.BuiltinOperator, name))
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options

    def _opcode(self, builtin: int) -> int:
        for index, code in enumerate(self.model.operatorCodes):
            if max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == builtin:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, min(builtin, 127), 1
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1
