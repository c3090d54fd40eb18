"""Writing a model's traced functions as a SavedModel, which is what the converter takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from rnn_apps.export.signature.model_signature import InputTensor

NamedTensors = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class TracedFunction:
    """A function of named tensors, with the shapes that it is traced for."""

    function: Callable[[NamedTensors], NamedTensors]
    inputs: tuple[InputTensor, ...]


def write_saved_model(functions: Mapping[str, TracedFunction], folder: Path) -> None:
    """Traces `functions` and writes them as the signatures of a SavedModel at `folder`."""
    module = tf.Module()
    signatures = {name: _trace(traced) for name, traced in functions.items()}
    # Keras' variables are found through the traced graphs: nothing else of the model is needed.
    variables = {id(v): v for concrete in signatures.values() for v in concrete.variables}
    module.held = list(variables.values())
    tf.saved_model.save(module, str(folder), signatures=signatures)


def _trace(traced: TracedFunction) -> tf.types.experimental.ConcreteFunction:
    def call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        # An output that is an input, or one tensor under two names, must be a tensor of its own.
        return {name: tf.identity(value) for name, value in traced.function(tensors).items()}

    specs = {input.name: input.spec() for input in traced.inputs}
    # As in Keras' own predict, nothing is rewritten by autograph, which is slow.
    return tf.function(call, autograph=False).get_concrete_function(**specs)
