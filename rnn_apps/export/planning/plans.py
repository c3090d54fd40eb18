"""What one signature of a file takes and gives, how it is traced, and how it is proven.

A plan is made from the Keras model before anything is converted; it holds what Keras computes on
the data that the file will be compared on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from rnn_apps.export.forms.replacement import LayerUse, in_float32, with_forms
from rnn_apps.export.planning.probing import probe
from rnn_apps.export.planning.tracing import NamedTensors, TracedFunction
from rnn_apps.export.processes.runtime_process import RuntimeProcess
from rnn_apps.export.proof.comparison import Comparison, compare, farthest_call, run_calls
from rnn_apps.export.proof.keras_reference import keras_outputs
from rnn_apps.export.proof.proof_data import compared_inputs, data_for
from rnn_apps.export.proof.repeatability import is_same, refuse_what_does_not_repeat
from rnn_apps.export.results import OutputError, ProofExtent
from rnn_apps.export.signature.example_data import (
    Example,
    batch_of,
    first_example,
)
from rnn_apps.export.signature.model_signature import InputTensor, ModelSignature, signature_of
from rnn_apps.layers.layers_within import layers_within


class FunctionOfForms(Protocol):
    """Makes the function to trace for the recurrent layers' forms."""

    def __call__(
        self, forms: Mapping[str, str], weight_bytes: int = 4
    ) -> Callable[[NamedTensors], NamedTensors]:
        """See `SignaturePlan.function`."""


@dataclass(frozen=True)
class SignaturePlan:
    """One signature.

    Attributes:
        inputs: all inputs of the signature, states included.
        outputs: an example of each output.
        uses: the recurrent layers, as the model calls them here.
        function: function (forms: layer path -> form, bytes per weight) that returns the function
            to trace.
        calibration: examples of `inputs`.
        reference: function that computes one call with Keras.
        prove: function that runs a file's signature and returns the errors; raises if the file does
            not run.
        real_data: true if the user gave the data.
        proven: extent of the data that `prove` runs on.
        comparison: single calls with Keras' outputs for them, to be kept for a later `verify`; None
            for a streaming signature.
        float_layers: names of the layers with the attribute `stays_float32`, whose elementwise
            operations C code never has in integers.
    """

    name: str
    inputs: tuple[InputTensor, ...]
    outputs: Mapping[str, np.ndarray]
    uses: tuple[LayerUse, ...]
    function: FunctionOfForms
    calibration: list[Example]
    reference: Callable[[Example], dict[str, np.ndarray]]
    prove: Callable[[RuntimeProcess, Path, float], tuple[OutputError, ...]]
    real_data: bool
    proven: ProofExtent
    comparison: Comparison | None = None
    float_layers: frozenset[str] = frozenset()

    def traced(self, forms: Mapping[str, str], weight_bytes: int = 4) -> TracedFunction:
        """The signature's function with its shapes, for `write_saved_model`."""
        return TracedFunction(self.function(forms, weight_bytes), self.inputs)

    def extent(self, quantize: str | None) -> ProofExtent:
        """How much a file's errors are measured on: what calibrates int8 is always proven too."""
        calibrated = self.proven.sequences if quantize == "int8" else 0
        return dataclasses.replace(self.proven, calibrated=calibrated)

    def described(self) -> dict[str, Any]:
        """Names, shapes (-1 where free) and dtypes, as a card tells them."""
        return {
            "inputs": {
                input.name: {
                    "shape": [-1 if size is None else size for size in input.shape],
                    "dtype": input.dtype,
                }
                for input in self.inputs
            },
            "outputs": {
                name: {"shape": list(value.shape), "dtype": str(value.dtype)}
                for name, value in self.outputs.items()
            },
        }


def sequence_plan(
    name: str,
    model: keras.Model,
    *,
    data: Any = None,
    batch_size: int | None = None,
    timesteps: int | Mapping[str, int] | None = None,
) -> SignaturePlan:
    """A signature that takes whole sequences, each call independent of the one before.

    Raises:
        ExportError: the model cannot be traced, or gives NaN itself.
        ConfigurationError: the data does not fit the model.
    """
    signature = signature_of(model, first_example(data), batch_size=batch_size, timesteps=timesteps)
    examples = data_for(model, signature, data)
    uses = probe(model, signature, data)
    inputs = compared_inputs(model, signature, examples)
    comparison = Comparison(name, inputs, keras_outputs(model, signature, inputs))
    repeated = [e for i, e in zip(inputs, comparison.expected, strict=True) if i is inputs[0]]
    refuse_what_does_not_repeat(model, signature, inputs[0], repeated[0], repeated[-1])

    def function(
        forms: Mapping[str, str], weight_bytes: int = 4
    ) -> Callable[[NamedTensors], NamedTensors]:
        def call(tensors: NamedTensors) -> NamedTensors:
            with in_float32(model), with_forms(model, forms, weight_bytes=weight_bytes):
                return signature.call(model, tensors)

        return call

    return SignaturePlan(
        name=name,
        inputs=signature.inputs,
        outputs=comparison.expected[0],
        uses=tuple(uses),
        function=function,
        calibration=examples,
        reference=lambda example: keras_outputs(model, signature, [example])[0],
        prove=_proof(model, signature, comparison),
        real_data=data is not None,
        proven=ProofExtent(len(examples) * batch_of(signature)),
        comparison=comparison,
        float_layers=float_layers(model),
    )


def float_layers(model: keras.Model) -> frozenset[str]:
    """The names of a model's layers that say of themselves, by `stays_float32`, that they do."""
    return frozenset(
        layer.name for layer in layers_within(model) if getattr(layer, "stays_float32", False)
    )


def _proof(
    model: keras.Model, signature: ModelSignature, comparison: Comparison
) -> Callable[[RuntimeProcess, Path, float], tuple[OutputError, ...]]:
    """Runs a file on the compared sequences and gives its errors.

    Where the file differs, the model itself, called operation by operation, decides on the sequence
    that differs most: what it was compared with may come from the compiled model, of which the
    first sequence alone was checked (`keras_outputs`).
    """

    def prove(runtime: RuntimeProcess, path: Path, tolerance: float) -> tuple[OutputError, ...]:
        actual = run_calls(runtime, path, comparison)
        errors = compare(comparison, actual, tolerance)
        if all(error.within for error in errors):
            return errors
        place = farthest_call(comparison, actual)
        plain = _called(model, signature, comparison.inputs[place])
        kept = comparison.expected[place]
        if not all(is_same(value, kept[name]) for name, value in plain.items()):
            comparison.expected[:] = [_called(model, signature, i) for i in comparison.inputs]
            errors = compare(comparison, actual, tolerance)
        return errors

    return prove


def _called(model: keras.Model, signature: ModelSignature, example: Example) -> Any:
    """What Keras gives for one sequence, which is never computed by the compiled model."""
    return keras_outputs(model, signature, [example])[0]
