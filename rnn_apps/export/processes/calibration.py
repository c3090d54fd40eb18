"""Measuring the ranges of int8 activations: every example is a sequence of its own.

TensorFlow's calibrator sets the variables of its interpreter to zero once, before the first
example. The fused LSTM keeps its states in such variables, so that each further example would go on
where the one before it ended, and the ranges of everything behind the LSTM would be those of one
endless sequence. Here the variables are set to zero, and the inputs take the example's own shape,
before each example.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

# TensorFlow's own: LiteRT ships neither the converter nor this part of it.
from tensorflow.lite.python import lite
from tensorflow.lite.python.optimize.calibrator import Calibrator

from rnn_apps.edge.runtime.flatbuffer import parse_model
from rnn_apps.edge.runtime.signatures import signatures_of
from rnn_apps.export.flatbuffers.model_objects import read_objects, write_objects

# SELECT, whose int8 kernel needs one scale for what it reads and writes, and operators that give
# the same numbers in another shape.
_ONE_SCALE = frozenset(
    getattr(schema.BuiltinOperator, name)
    for name in ("SELECT", "SELECT_V2", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")
)

# The calibrator does not leave a range empty: one of nothing but zeros goes from 0 to 1e-38.
SMALLEST = 1e-30

# An example for the signature of this name: arrays by the signature's input names.
SignatureExample = tuple[str, Mapping[str, np.ndarray]]


@contextlib.contextmanager
def independent_examples() -> Iterator[None]:
    """Conversions inside the block calibrate each example from zero states."""
    calibrator = lite._calibrator.Calibrator
    lite._calibrator.Calibrator = IndependentCalibrator
    try:
        yield
    finally:
        lite._calibrator.Calibrator = calibrator


class IndependentCalibrator(Calibrator):
    """TensorFlow's calibrator, with its variables reset before each example."""

    def calibrate(self, dataset_gen: Callable[[], Iterable[SignatureExample]]) -> bytes:
        """Measures ranges and returns the model with them, some of them mended."""
        content = super().calibrate(dataset_gen)
        model = read_objects(content)
        share_ranges(model)
        widen_zeros(model)
        return write_objects(model)

    def _feed_tensors(
        self, dataset_gen: Callable[[], Iterable[SignatureExample]], resize_input: bool
    ) -> None:
        """Runs all examples; overrides what TensorFlow's `calibrate` calls.

        Args:
            dataset_gen: function that returns the examples.
            resize_input: true if the inputs take the examples' shapes.
        """
        signatures = signatures_of(parse_model(self._model_content))
        for signature, example in dataset_gen():
            inputs = signatures[signature].inputs
            # In the order of the tensors in the graph.
            names = sorted(inputs, key=lambda name: inputs[name].index)
            arrays = [example[name] for name in names]
            # Allocates anew if a shape has changed, and always sets the variables to zero.
            if resize_input:
                self._calibrator.Prepare([list(array.shape) for array in arrays], signature)
            else:
                self._calibrator.Prepare(signature)
            self._calibrator.FeedTensor(arrays, signature)


def share_ranges(model: Any) -> None:
    """Gives tensors that must have one scale the range of all of them.

    Where such tensors were measured with different ranges, the quantiser takes that of one of them,
    and the values of the others are cut off at its ends: the states of a masked layer, which
    SELECT carries from timestep to timestep, at the range of the last timestep alone.
    """
    for subgraph in model.subgraphs:
        for group in _groups_of_one_scale(model, subgraph):
            ranges = [subgraph.tensors[index].quantization for index in group]
            lowest = np.min([one.min for one in ranges], axis=0)
            highest = np.max([one.max for one in ranges], axis=0)
            for one in ranges:
                one.min, one.max = lowest, highest


def _groups_of_one_scale(model: Any, subgraph: Any) -> list[set[int]]:
    """Tensors with a measured range that operators bind to one scale, in groups."""
    group_of: dict[int, set[int]] = {}
    for operator in subgraph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) not in _ONE_SCALE:
            continue
        joined: set[int] = set()
        for index in (*operator.inputs, *operator.outputs):
            if index >= 0 and _is_measured(subgraph.tensors[index]):
                joined |= group_of.get(int(index), {int(index)})
        group_of |= dict.fromkeys(joined, joined)
    return list({id(group): group for group in group_of.values()}.values())


def widen_zeros(model: Any) -> None:
    """Gives tensors that were zero in all examples the ranges of the tensors they are joined with.

    Their own range would make the finest of scales, with which LiteRT's XNNPACK does not start: it
    adds numbers only where their scales are less than a factor of 1,000 apart. Such tensors come
    from the first timestep, where a recurrent kernel is multiplied with states of zeros.
    """
    for subgraph in model.subgraphs:
        zeros = {
            index
            for index, tensor in enumerate(subgraph.tensors)
            if _is_measured(tensor) and np.max(np.abs(_range(tensor))) < SMALLEST
        }
        unknown = set(zeros)
        # From the end, since what is made of zeros alone takes the range of what it goes into.
        for operator in reversed(subgraph.operators):
            ends = {int(index) for index in (*operator.inputs, *operator.outputs) if index >= 0}
            others = [
                _range(subgraph.tensors[index])
                for index in ends - unknown
                if _is_measured(subgraph.tensors[index])
            ]
            for index in zeros.intersection(map(int, operator.inputs)) if others else ():
                tensor = subgraph.tensors[index]
                ranges = [_range(tensor), *others]
                tensor.quantization.min = np.min([low for low, _ in ranges], axis=0)
                tensor.quantization.max = np.max([high for _, high in ranges], axis=0)
                unknown.discard(index)


def _range(tensor: Any) -> tuple[np.ndarray, np.ndarray]:
    return tensor.quantization.min, tensor.quantization.max


def _is_measured(tensor: Any) -> bool:
    quantization = tensor.quantization
    return quantization is not None and quantization.min is not None and len(quantization.min) == 1
