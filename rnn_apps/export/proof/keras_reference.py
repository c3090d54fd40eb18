"""What Keras itself computes on an example: the reference that every file is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.errors import UserError
from rnn_apps.export.forms.replacement import in_float32
from rnn_apps.export.processes.failure_texts import failure_text, wrong_index
from rnn_apps.export.results import ExportError
from rnn_apps.export.signature.example_data import Example
from rnn_apps.export.signature.input_arrays import ExampleDataError
from rnn_apps.export.signature.model_signature import ModelSignature
from rnn_apps.layers.layers_within import layers_within


def keras_outputs(
    model: keras.Model, signature: ModelSignature, examples: Sequence[Example]
) -> list[dict[str, np.ndarray]]:
    """Keras' own outputs in float32, each example as a separate sequence.

    Raises:
        ExportError: Keras gives NaN or infinity, or cannot compute an example.
        ExampleDataError: an example holds an index that an Embedding of the model has no row for.
    """
    with in_float32(model), _states_at_zero(model) as reset, _failures_named(model):
        results = _computed(model, signature, examples, reset)
    for outputs in results:
        for name, value in outputs.items():
            if not value.size:
                raise ExportError(
                    f"the Keras model's output {name!r} is empty ({value.shape}) on this data: the "
                    "sequences are shorter than its layers need. Give longer ones"
                )
            if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
                raise ExportError(
                    f"the Keras model itself gives NaN or infinity in {name!r} on the "
                    "representative data: there is nothing to compare a file with"
                )
    return results


@contextlib.contextmanager
def _failures_named(model: keras.Model) -> Iterator[None]:
    """Turns what Keras raises while it computes into errors that name the data or the model."""
    try:
        yield
    except UserError:
        raise
    except Exception as failure:
        if problem := wrong_index(failure):
            raise ExampleDataError(problem) from failure
        raise ExportError(
            f"Keras itself cannot compute {model.name!r} on this data: {failure_text(failure)}. "
            "Give representative_data that the model takes"
        ) from failure


def _computed(
    model: keras.Model,
    signature: ModelSignature,
    examples: Sequence[Example],
    reset: Callable[[], None],
) -> list[dict[str, np.ndarray]]:
    """Keras' outputs, from the model as a compiled function where that gives what the model gives.

    Keras' loops take some hundred times as long when they run operation by operation.
    """

    def by_operations(example: Example) -> dict[str, np.ndarray]:
        reset()
        # A copy: NumPy's view of a tensor would share TensorFlow's memory.
        return {n: np.array(value) for n, value in signature.call(model, example).items()}

    first = by_operations(examples[0])
    if len(examples) == 1:
        return [first]
    compiled = tf.function(
        lambda tensors: signature.call(model, tensors),
        autograph=False,
        input_signature=[{input.name: input.spec() for input in signature.inputs}],
    )

    def at_once(example: Example) -> dict[str, np.ndarray]:
        reset()
        outputs = compiled({name: tf.constant(value) for name, value in example.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    try:
        again = at_once(examples[0])
    except Exception:
        # Not every model can be traced with free shapes; what is wrong shows in the plain calls.
        return [first, *map(by_operations, examples[1:])]
    same = all(
        again[name].shape == value.shape and np.allclose(again[name], value, 1e-5, 1e-6)
        for name, value in first.items()
    )
    return [first, *map(at_once if same else by_operations, examples[1:])]


@contextlib.contextmanager
def _states_at_zero(model: keras.Model) -> Iterator[Any]:
    """Yields a function that resets stateful layers; afterwards their states are as before.

    Meanwhile they start every call from zeros, which also frees them of the batch size that their
    states were made for.
    """
    stateful = [
        layer
        for layer in layers_within(model)
        if isinstance(layer, keras.layers.RNN) and layer.stateful and layer.states is not None
    ]
    variables = [v for layer in stateful for v in keras.tree.flatten(layer.states)]
    kept = [keras.ops.convert_to_numpy(variable) for variable in variables]

    def reset() -> None:
        for layer in stateful:
            layer.reset_state()

    try:
        for layer in stateful:
            layer.stateful = False
        yield reset
    finally:
        for layer in stateful:
            layer.stateful = True
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
