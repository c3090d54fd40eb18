"""What every application's models must do: train in each precision, save, load, export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnn_apps import export
from rnn_apps.layers.layers_within import reset_recurrent_states
from rnn_apps.training import TrainingConfig, make_optimizer
from rnn_apps.training.optimisation.precision import layer_precision
from rnn_apps.training.steps import Objective, Steps

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def check_model(
    build: Callable[[], keras.Model], batch: Any, objective: Objective, folder: Path
) -> keras.Model:
    """The whole contract, but for the exports; returns the float32 model after its steps.

    Args:
        build: makes the model under the dtype policy in force.
        batch: what the objective reads; its first part is what the model is called with.
        objective: as `fit` takes it.
        folder: for files.
    """
    models = [check_training(build, batch, objective, precision) for precision in PRECISIONS]
    for precision, model in zip(PRECISIONS, models, strict=True):
        check_saving(model, batch[0], folder / f"{precision}.keras")
    return models[0]


def check_training(
    build: Callable[[], keras.Model], batch: Any, objective: Objective, precision: str
) -> keras.Model:
    """Two steps: a finite loss, and float32 weights that are all reached by the gradient."""
    config = TrainingConfig(precision=precision, learning_rate=1e-2)
    with layer_precision(precision):
        model = build()
    objective(model, batch, False)
    assert model.trainable_variables, "a model without weights cannot be trained"
    optimizer = make_optimizer(config, total_steps=2)
    optimizer.build(model.trainable_variables)
    steps = Steps(model, optimizer, objective, config, tf.distribute.get_strategy())
    before = [v.numpy() for v in model.trainable_variables]
    specification = tf.nest.map_structure(tf.TensorSpec.from_tensor, batch)
    # Under float16 the first loss scales may overflow; such a step is skipped and halves the scale.
    results = [steps.train(batch, specification) for _ in range(2)]
    while precision == "mixed_float16" and len(results) < 12:
        if np.isfinite([result.gradient_norm for result in results[-2:]]).all():
            break
        results.append(steps.train(batch, specification))
    for result in results[-2:]:
        assert np.isfinite(result.loss_sum), precision
        assert np.isfinite(result.gradient_norm), precision
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert variable.dtype == "float32", f"{precision}: {variable.path} is {variable.dtype}"
        assert not np.array_equal(variable.numpy(), old), f"{precision}: {variable.path} stays"
    return model


def check_saving(model: keras.Model, inputs: Any, path: Path) -> None:
    """Saved and loaded in safe mode, the model gives the same numbers to the bit."""
    model.save(path)
    loaded = keras.models.load_model(path, safe_mode=True)
    # A file does not hold the state that a model carries from batch to batch.
    reset_recurrent_states(model)
    expected = tf.nest.flatten(model(inputs, training=False))
    found = tf.nest.flatten(loaded(inputs, training=False))
    for mine, theirs in zip(expected, found, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    # As JSON: a shape is a tuple before it was saved and a list after.
    assert loaded.to_json() == model.to_json()


def check_saved_model(model: keras.Model, inputs: Any, folder: Path) -> None:
    """As a SavedModel, run by TensorFlow alone, it gives Keras' numbers."""
    export.export_saved_model(model, folder, representative_data=_arrays(inputs))
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    names = list(signature.structured_input_signature[1])
    tensors = inputs if isinstance(inputs, dict) else {names[0]: inputs}
    found = signature(**{n: tf.convert_to_tensor(tensors[n]) for n in names})
    outputs = model(inputs, training=False)
    if not isinstance(outputs, dict):
        outputs = dict(zip(found, tf.nest.flatten(outputs), strict=True))
    assert set(found) == set(outputs)
    for name, mine in outputs.items():
        np.testing.assert_allclose(found[name].numpy(), mine.numpy(), rtol=1e-4, atol=1e-5)


def check_tflite(model: keras.Model, inputs: Any, path: Path) -> None:
    """As a TFLite file, run by the device's runtime, it gives Keras' numbers."""
    from ai_edge_litert.interpreter import Interpreter

    export.export_tflite(model, path, representative_data=_arrays(inputs), card=False)
    interpreter = Interpreter(model_path=str(path))
    [key] = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(key)
    names = list(runner.get_input_details())
    tensors = _arrays(inputs) if isinstance(inputs, dict) else {names[0]: _arrays(inputs)}
    found = list(runner(**{name: tensors[name] for name in names}).values())
    expected = tf.nest.flatten(model(inputs, training=False))
    for mine, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(theirs, mine.numpy(), rtol=1e-4, atol=1e-5)


def _arrays(inputs: Any) -> Any:
    return tf.nest.map_structure(np.asarray, inputs)
