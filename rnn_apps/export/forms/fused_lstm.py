"""An LSTM layer as the one operator that LiteRT and TFLite Micro have for it.

The converter replaces a function that says it implements `lstm_...` by UNIDIRECTIONAL_SEQUENCE_LSTM
and throws the function's body away (tensorflow/compiler/mlir/lite/transforms/
prepare_composite_functions_tf.cc). So the body here has the right shapes and nothing else; if the
fusion did not happen, the file would compute it, which is why a file is always compared with Keras.
"""

from __future__ import annotations

import uuid

import keras
import tensorflow as tf

from rnn_apps.export.forms.recurrent_outputs import RecurrentOutputs


def run_fused(layer: keras.layers.RNN, sequences: tf.Tensor) -> RecurrentOutputs:
    """The fused LSTM over [batch, timesteps, features], forwards or backwards, from zero states.

    `layer` is an LSTM, or any RNN of an LSTMCell.

    The states are variables inside the operator that keep their values from call to call:
    `flatbuffer_rewrites.reset_lstm_states` makes every call start from zeros.
    """
    units = layer.cell.units
    # Separate zeros: the converter crashes where both states are one tensor.
    hidden, carry = tf.zeros((1, units)), tf.zeros((1, units))
    kernel = tf.convert_to_tensor(layer.cell.kernel)
    recurrent_kernel = tf.convert_to_tensor(layer.cell.recurrent_kernel)
    bias = (
        tf.zeros((4 * units,)) if layer.cell.bias is None else tf.convert_to_tensor(layer.cell.bias)
    )
    if layer.go_backwards:
        sequences = tf.reverse(sequences, axis=[1])
    last, outputs, *_ = _composite(units)(sequences, hidden, carry, kernel, recurrent_kernel, bias)
    return RecurrentOutputs(last, outputs if layer.return_sequences else None, [])


def _composite(units: int) -> tf.types.experimental.PolymorphicFunction:
    def body(
        sequences: tf.Tensor,
        hidden: tf.Tensor,
        carry: tf.Tensor,
        kernel: tf.Tensor,
        recurrent_kernel: tf.Tensor,
        bias: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        gates = (tf.tensordot(sequences, kernel, 1) + bias)[..., :units]
        shape_only = tf.tanh(gates + tf.matmul(hidden + carry, recurrent_kernel)[:, None, :units])
        last = shape_only[:, -1]
        # The order that the converter expects: last output, outputs, both states, a runtime mark.
        return last, shape_only, last, last, tf.constant(1.0)

    return tf.function(
        body,
        autograph=False,
        experimental_attributes={
            "api_implements": f"lstm_{uuid.uuid4()}",
            "api_preferred_device": "CPU",
            "time_major": False,
            "go_backwards": False,
        },
    )
