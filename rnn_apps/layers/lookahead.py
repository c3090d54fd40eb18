"""A glance at the next frames, for recurrent layers that otherwise know the past only."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError


@keras.saving.register_keras_serializable(package="rnn_apps")
class Lookahead(keras.layers.Layer):
    """Row convolution (Amodei et al. 2016, "Deep Speech 2", section 3.6).

    y[t] = sum over j = 0 to C of w[j] * x[t + j], feature by feature. Zeros stand behind the end
    of a sequence, so that its output does not depend on what it was padded with. It begins as the
    identity: w[0] = 1, the others 0.

    Args:
        frames: number C of frames that are seen ahead; a stream is delayed by this many.

    Call: sequence [batch, frames, size] and optionally a mask, bool [batch, frames] -> the same
    shape.

    Raises:
        ConfigurationError: fewer than one frame.
    """

    def __init__(self, frames: int, **options: Any) -> None:
        super().__init__(**options)
        if frames < 1:
            raise ConfigurationError(f"frames = {frames} of a lookahead must be at least 1")
        self.frames = frames
        self.supports_masking = True

    def build(self, shape: Any) -> None:
        """Makes the kernel, [frames + 1, size]."""

        def identity(shape: Any, dtype: Any = None) -> tf.Tensor:
            first = tf.one_hot(tf.zeros([shape[1]], tf.int32), shape[0], axis=0)
            return tf.cast(first, dtype or tf.float32)

        self.kernel = self.add_weight(
            name="kernel", shape=(self.frames + 1, shape[-1]), initializer=identity
        )

    def call(self, sequence: Any, mask: Any = None) -> Any:
        """See the class."""
        if mask is not None:
            sequence *= tf.cast(mask, sequence.dtype)[..., None]
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), sequence.dtype)
        length = tf.shape(sequence)[1]
        padded = tf.pad(sequence, [[0, 0], [0, self.frames], [0, 0]])
        # A sum of shifted copies: TensorFlow's depthwise convolution trains slower on a CPU.
        outputs = sequence * kernel[0]
        for ahead in range(1, self.frames + 1):
            outputs += padded[:, ahead : ahead + length] * kernel[ahead]
        return outputs

    def compute_output_shape(self, shape: Any) -> Any:
        """As the input's."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "frames": self.frames}
