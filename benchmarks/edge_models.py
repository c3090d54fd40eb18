"""The same recurrent layer, with the same weights, for every contender of `benchmarks.edge`.

Usage: python -m benchmarks.edge_models CELL TIMESTEPS WEIGHTS.npz MODEL.onnx

writes the ONNX file in a Python that has `onnx`; it needs nothing else but numpy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

# ONNX wants the gates of an LSTM as input, output, forget, candidate; Keras and PyTorch have
# input, forget, candidate, output. GRU: ONNX and Keras update, reset, candidate; PyTorch the
# first two the other way round.
_ONNX_ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "SimpleRNN": (0,)}
_TORCH_ORDER = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}


def keras_model(cell: str, timesteps: int, features: int, units: int, unroll: bool = False) -> Any:
    """One layer that gives its whole sequence, batch 1, with biases that are not zero."""
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((timesteps, features), batch_size=1)
    layer = getattr(keras.layers, cell)(units, return_sequences=True, unroll=unroll)
    model = keras.Model(inputs, layer(inputs))
    generator = np.random.default_rng(1)
    weights = layer.get_weights()
    weights[2] = generator.normal(scale=0.1, size=weights[2].shape).astype(np.float32)
    layer.set_weights(weights)
    return model


def write_reference(path: Path, model: Any, timesteps: int, features: int) -> np.ndarray:
    """Writes inputs and Keras' output, with which every contender is compared."""
    inputs = np.random.default_rng(0).normal(size=(1, timesteps, features)).astype(np.float32)
    np.savez(path, inputs=inputs, expected=np.asarray(model(inputs)))
    return inputs


def write_onnx(path: Path, cell: str, weights: list[np.ndarray], timesteps: int) -> None:
    """The layer as one ONNX operator."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernel, recurrent, input_bias, recurrent_bias = _by_gate(weights, _ONNX_ORDER[cell])
    units, features = recurrent.shape[1], kernel.shape[1]
    constants = {"W": kernel, "R": recurrent, "B": np.concatenate([input_bias, recurrent_bias])}
    operator = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}[cell]
    extra = {"linear_before_reset": 1} if cell == "GRU" else {}
    node = helper.make_node(operator, ["x", "W", "R", "B"], ["y"], hidden_size=units, **extra)
    graph = helper.make_graph(
        [node],
        cell,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [timesteps, 1, features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [timesteps, 1, 1, units])],
        [numpy_helper.from_array(value[None], name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def write_torch(path: Path, cell: str, weights: list[np.ndarray]) -> None:
    """The weights under PyTorch's names."""
    kernel, recurrent, input_bias, recurrent_bias = _by_gate(weights, _TORCH_ORDER[cell])
    np.savez(
        path,
        kind=np.array(cell),
        weight_ih_l0=kernel,
        weight_hh_l0=recurrent,
        bias_ih_l0=input_bias,
        bias_hh_l0=recurrent_bias,
    )


def _by_gate(weights: list[np.ndarray], order: tuple[int, ...]) -> list[np.ndarray]:
    """Kernel [gates, features], recurrent kernel [gates, units] and two biases, gates reordered."""
    kernel, recurrent, bias = weights
    biases = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    gates = len(order)

    def reorder(values: np.ndarray) -> np.ndarray:
        parts = np.split(values, gates, axis=-1)
        return np.concatenate([parts[gate] for gate in order], axis=-1)

    arrays = [reorder(kernel).T, reorder(recurrent).T, reorder(biases[0]), reorder(biases[1])]
    return [np.ascontiguousarray(array, np.float32) for array in arrays]


def main() -> None:
    """Writes the ONNX file for stored weights."""
    cell, timesteps, stored, path = sys.argv[1:]
    with np.load(stored) as archive:
        weights = [archive[name] for name in archive.files]
    write_onnx(Path(path), cell, weights, int(timesteps))


if __name__ == "__main__":
    main()
