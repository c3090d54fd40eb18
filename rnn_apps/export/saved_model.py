"""A Keras model as a SavedModel with named inputs, free batch and time, checked by reloading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.atomic_files import atomic_folder
from rnn_apps.export.forms.replacement import in_float32, with_forms
from rnn_apps.export.planning.probing import probe
from rnn_apps.export.planning.tracing import TracedFunction, write_saved_model
from rnn_apps.export.proof.comparison import Comparison, compare, require_within
from rnn_apps.export.proof.keras_reference import keras_outputs
from rnn_apps.export.proof.proof_data import compared_inputs, data_for
from rnn_apps.export.refusals import refuse_model, refuse_place
from rnn_apps.export.results import OutputError, ProofExtent
from rnn_apps.export.signature.example_data import batch_of, first_example, kept_data
from rnn_apps.export.signature.model_signature import signature_of

SIGNATURE = "serving_default"


def export_saved_model(
    model: keras.Model,
    path: str | Path,
    *,
    representative_data: Any = None,
    tolerance: float = 1e-5,
) -> tuple[OutputError, ...]:
    """Writes `model` as a SavedModel at `path`, with batch and time free where the model has them.

    The signature `serving_default` takes and gives tensors by name: the keys of a dict input or
    the Input layers' names; a dict output's keys, or the names of the layers that give outputs.
    Every call is a sequence of its own, also with `stateful` layers. Computes in float32.

    The folder is loaded again and compared with Keras before it is put at `path`; whatever goes
    wrong, nothing is left behind and what was at `path` stays.

    Args:
        representative_data: real inputs, batch first, all of which are compared, or some hundred
            that are spread evenly over much data; random ones that fit the model if None.
        tolerance: largest |SavedModel - Keras| in units of max(0.1, max |Keras|).

    Returns:
        The error of each output.

    Raises:
        ExportError: the model cannot be traced, or the folder does not compute what Keras does.
    """
    return proven_saved_model(model, path, representative_data, tolerance)[0]


def proven_saved_model(
    model: keras.Model, path: str | Path, representative_data: Any = None, tolerance: float = 1e-5
) -> tuple[tuple[OutputError, ...], ProofExtent]:
    """Does what `export_saved_model` does; gives also how much the errors were measured on."""
    refuse_model(model)
    refuse_place(Path(path), is_folder=True)
    representative_data = kept_data(representative_data)
    signature = signature_of(model, first_example(representative_data))
    probe(model, signature, representative_data)
    examples = data_for(model, signature, representative_data)
    inputs = compared_inputs(model, signature, examples)
    comparison = Comparison(SIGNATURE, inputs, keras_outputs(model, signature, inputs))
    traced = TracedFunction(lambda tensors: signature.call(model, tensors), signature.inputs)
    with atomic_folder(path) as beside:
        with in_float32(model), with_forms(model, {}, default="loop"):
            write_saved_model({SIGNATURE: traced}, beside)
        loaded = tf.saved_model.load(str(beside))
        function = loaded.signatures[SIGNATURE]
        actual = [_call(function, example) for example in inputs]
        errors = compare(comparison, actual, tolerance)
        require_within(errors, "the reloaded SavedModel")
    return errors, ProofExtent(len(examples) * batch_of(signature))


def _call(function: Any, example: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    outputs = function(**{name: tf.constant(value) for name, value in example.items()})
    return {name: value.numpy() for name, value in outputs.items()}
