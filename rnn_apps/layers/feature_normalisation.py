"""Normalisation of features inside a model, so that it travels with the weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from pipelines.speech.feature_extraction.configuration import LEAST_DEVIATION

KINDS = ("global", "utterance")


@keras.saving.register_keras_serializable(package="rnn_apps")
class FeatureNormalisation(keras.layers.Layer):
    """Brings each feature to mean 0 and standard deviation 1; padded frames become 0.

    The same numbers as `pipelines.speech.features.normalisation.Normaliser` gives.

    Args:
        kind: statistics to normalise by. "global": those of the training data, which are weights
            ("mean" and "deviation", not trained, set by `set_statistics`); "utterance": those of
            the utterance itself, which must be complete.

    Call: features float32 [batch, frames, size] and which frames are real, bool [batch, frames] ->
    the shape of the features, in the layer's compute dtype.

    Raises:
        ConfigurationError: there is no such kind.
    """

    def __init__(self, kind: str = "global", **options: Any) -> None:
        super().__init__(**options)
        if kind not in KINDS:
            raise ConfigurationError(f"kind = {kind!r}: choose from {', '.join(KINDS)}")
        self.kind = kind

    def build(self, features_shape: Any, real_shape: Any) -> None:
        """Makes the statistics: mean 0, deviation 1."""
        if self.kind == "global":
            size = (features_shape[-1],)
            self.mean = self._statistic("mean", size, "zeros")
            self.deviation = self._statistic("deviation", size, "ones")

    def _statistic(self, name: str, shape: tuple[int], initializer: str) -> keras.Variable:
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, trainable=False, autocast=False
        )

    def set_statistics(self, mean: npt.ArrayLike, deviation: npt.ArrayLike) -> None:
        """Takes the training data's statistics, [size] each; for "global"."""
        self.mean.assign(np.asarray(mean, np.float32))
        # A feature that never changes says nothing; it is not blown up.
        self.deviation.assign(np.maximum(np.asarray(deviation, np.float32), LEAST_DEVIATION))

    def call(self, features: Any, real: Any) -> Any:
        """See the class."""
        # In float32: a power's logarithm over its deviation would lose digits in 16 bits.
        real = tf.cast(real, tf.float32)[..., None]
        features = tf.cast(features, tf.float32)
        if self.kind == "global":
            normalised = (features - tf.convert_to_tensor(self.mean)) / tf.convert_to_tensor(
                self.deviation
            )
        else:
            count = tf.maximum(tf.reduce_sum(real, axis=1, keepdims=True), 1.0)
            mean = tf.reduce_sum(features * real, axis=1, keepdims=True) / count
            squares = tf.square((features - mean) * real)
            variance = tf.reduce_sum(squares, axis=1, keepdims=True) / count
            normalised = (features - mean) / tf.maximum(tf.sqrt(variance), LEAST_DEVIATION)
        return tf.cast(normalised * real, self.compute_dtype)

    def compute_output_spec(self, features: Any, real: Any) -> keras.KerasTensor:
        """Shape and dtype of what `call` returns."""
        return keras.KerasTensor(features.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "kind": self.kind}
