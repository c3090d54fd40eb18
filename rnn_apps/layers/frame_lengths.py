"""True lengths of padded sequences inside a model: which frames there are, what strides leave."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="rnn_apps")
class StridedLengths(keras.layers.Layer):
    """Numbers of frames after a stride: lengths int32 [batch] -> ceil(length / stride).

    Args:
        stride: number of input frames per output frame.
    """

    def __init__(self, stride: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "int32"})
        self.stride = stride

    def call(self, lengths: Any) -> Any:
        """See the class."""
        return -(-tf.cast(lengths, tf.int32) // self.stride)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable(package="rnn_apps")
class FrameMask(keras.layers.Layer):
    """Which frames are real: (sequence [batch, frames, ...], lengths [batch]) -> bool [.., ..]."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32", "autocast": False})
        self.supports_masking = True

    def call(self, sequence: Any, lengths: Any) -> Any:
        """See the class."""
        return tf.sequence_mask(lengths, tf.shape(sequence)[1])

    def compute_mask(self, sequence: Any, previous_mask: Any = None) -> None:
        """None: a mask has no mask of its own."""

    def compute_output_spec(self, sequence: Any, lengths: Any) -> keras.KerasTensor:
        """Shape and dtype of what `call` returns."""
        return keras.KerasTensor((sequence.shape[0], sequence.shape[1]), "bool")
