"""Small .tflite files for the tests of the device side, with what they compute in numpy.

They are converted by TensorFlow itself, not by our exporter, so that a fault there cannot hide one
here.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import uuid
from pathlib import Path

import numpy as np

UNITS, FEATURES, VOCABULARY, SOURCE = 6, 3, 5, 4
LOOP_TIMESTEPS = 50
_GENERATOR = np.random.default_rng(3)


def _weights(*shape: int) -> np.ndarray:
    return (_GENERATOR.normal(size=shape) * 0.7).astype(np.float32)


# A weak recurrence, so that a rounding error dies out instead of growing.
KERNEL, RECURRENT = _weights(FEATURES, UNITS), 0.4 * _weights(UNITS, UNITS)
EMBEDDING, OUTPUT = _weights(VOCABULARY, UNITS), _weights(UNITS, VOCABULARY)


def step(x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The recurrence of all files here, without gates."""
    return np.tanh(x @ KERNEL + h @ RECURRENT)


def language_step(token: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A step language model: logits and the next state."""
    h = np.tanh(EMBEDDING[token.reshape(-1)] + h @ RECURRENT)
    return h @ OUTPUT, h


def encode(source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Memory [rows, source, units] and the decoder's first state."""
    memory = np.tanh(EMBEDDING[source])
    return memory, memory.mean(axis=1)


def decode_step(
    token: np.ndarray, memory: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, alignment and the next state of an attending decoder."""
    h = np.tanh(EMBEDDING[token.reshape(-1)] + h @ RECURRENT)
    scores = np.einsum("bu,bsu->bs", h, memory)
    alignment = np.exp(scores - scores.max(axis=-1, keepdims=True))
    alignment /= alignment.sum(axis=-1, keepdims=True)
    context = np.einsum("bs,bsu->bu", alignment, memory)
    return (h + context) @ OUTPUT, alignment, h


@functools.cache
def folder() -> Path:
    """The folder with all files, written at the first call and removed at the end."""
    made = Path(tempfile.mkdtemp(prefix="edge_files_"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    _write_all(made)
    return made


def _write_all(folder: Path) -> None:
    import tensorflow as tf

    def spec(shape, name, dtype=tf.float32):
        return tf.TensorSpec(shape, dtype, name=name)

    def step_of(x, h):
        h = tf.tanh(x @ KERNEL + h @ RECURRENT)
        return {"y": tf.identity(h), "h_out": h}

    states = [spec((1, FEATURES), "x"), spec((1, UNITS), "h")]
    _write(folder / "step.tflite", {"step": (step_of, states)})
    calibration = _calibration()
    _write(folder / "step_int8.tflite", {"step": (step_of, states)}, calibration=calibration)
    free = [spec((None, FEATURES), "x"), spec((None, UNITS), "h")]
    _write(folder / "step_free.tflite", {"step": (step_of, free)})

    def language(token, h):
        h = tf.tanh(tf.gather(EMBEDDING, tf.reshape(token, [-1])) + h @ RECURRENT)
        return {"logits": h @ OUTPUT, "h_out": h}

    token = spec((1, 1), "token", tf.int32)
    _write(folder / "language.tflite", {"step": (language, [token, spec((1, UNITS), "h")])})
    _write(folder / "nan.tflite", {"main": (lambda x: {"y": tf.math.log(x)}, [spec((1, 2), "x")])})
    square = spec((2, 2), "x")
    _write(folder / "flex.tflite", {"main": (lambda x: {"y": tf.linalg.det(x)}, [square])})
    for name, rows in (("translate.tflite", 1), ("translate_free.tflite", None)):
        _write(folder / name, _translation(tf, spec, rows))
    _write(folder / "variables.tflite", {"main": (_fused_lstm(tf), [spec((1, 2, FEATURES), "x")])})
    _write_keras_loop(folder / "loop.tflite")


def _translation(tf, spec, rows):
    def encode_of(source):
        memory = tf.tanh(tf.gather(EMBEDDING, source))
        return {"memory": memory, "h": tf.reduce_mean(memory, axis=1)}

    def decode_of(token, memory, h):
        h = tf.tanh(tf.gather(EMBEDDING, tf.reshape(token, [-1])) + h @ RECURRENT)
        alignment = tf.nn.softmax(tf.reduce_sum(h[:, None] * memory, axis=-1))
        context = tf.reduce_sum(alignment[:, :, None] * memory, axis=1)
        return {"logits": (h + context) @ OUTPUT, "alignment": alignment, "h_out": h}

    return {
        "encode": (encode_of, [spec((1, SOURCE), "source", tf.int32)]),
        "decode_step": (
            decode_of,
            [
                spec((rows, 1), "token", tf.int32),
                spec((rows, SOURCE, UNITS), "memory"),
                spec((rows, UNITS), "h"),
            ],
        ),
    }


def _fused_lstm(tf):
    """A fused LSTM, which keeps its state in variables from call to call."""
    kernel, recurrent = _weights(FEATURES, 4 * UNITS), _weights(UNITS, 4 * UNITS)
    attributes = {
        "api_implements": f"lstm_{uuid.uuid4()}",
        "api_preferred_device": "CPU",
        "time_major": False,
        "go_backwards": False,
    }

    def body(x, h, c, k, r, b):
        # Shapes only: the converter replaces it by the fused operator.
        o = tf.tanh((tf.tensordot(x, k, 1) + b)[..., :UNITS] + ((h + c) @ r)[:, None, :UNITS])
        return o[:, -1], o, o[:, -1], o[:, -1], tf.constant(1.0)

    fused = tf.function(body, autograph=False, experimental_attributes=attributes)

    def run(x):
        zeros = tf.zeros((1, UNITS))
        weights = [tf.constant(value) for value in (kernel, recurrent, np.zeros(4 * UNITS, "f"))]
        return {"y": fused(x, zeros, zeros, *weights)[1]}

    return run


def _calibration():
    h = np.zeros((1, UNITS), np.float32)
    for x in np.random.default_rng(5).normal(size=(100, 1, FEATURES)).astype(np.float32):
        yield {"x": x, "h": h}
        h = step(x, h)


def _write(path: Path, signatures, calibration=None) -> None:
    import tensorflow as tf

    module = tf.Module()
    functions = {
        key: tf.function(function, input_signature=specs, autograph=False)
        for key, (function, specs) in signatures.items()
    }
    module.functions = functions
    saved = path.with_suffix(".saved")
    tf.saved_model.save(
        module, str(saved), {key: f.get_concrete_function() for key, f in functions.items()}
    )
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=[*signatures])
    if path.name.startswith("flex"):
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
    if calibration is not None:
        (key,) = signatures
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ((key, sample) for sample in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def _write_keras_loop(path: Path) -> None:
    """Keras' own loop as its own export writes it: it never returns on TensorFlow Lite Micro."""
    import keras
    import tensorflow as tf

    inputs = keras.Input((LOOP_TIMESTEPS, FEATURES), batch_size=1)
    model = keras.Model(inputs, keras.layers.GRU(4, return_sequences=True)(inputs))
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
