"""Features of speech inside the graph: from samples to what a recogniser reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from pipelines.speech.audio.padding import padding_length, padding_noise, quiet_length
from pipelines.speech.feature_extraction.configuration import (
    DELTA_WIDTH,
    LEAST_DEVIATION,
    FeatureConfig,
)
from pipelines.speech.feature_extraction.filter_banks import (
    cosine_transform,
    delta_filter,
    mel_bands,
    window,
)
from pipelines.speech.feature_extraction.normalisation import Normaliser

TRANSFORMS = ("float64", "float32", "matrix")


@keras.saving.register_keras_serializable(package="rnn_apps")
class SpeechFeatures(keras.layers.Layer):
    """The features of `pipelines.speech.features` with their normalisation, for a batch.

    Called with a dict of "samples" float32 [batch, samples], -1 to 1 at the config's sample rate,
    and "sample_lengths" int32 [batch], the true number of samples of each row; samples after
    them are not read. Returns a dict of "features" float32 [batch, frames, size], zeros after each
    row's end, and "frame_lengths" int32 [batch]: 1 + sample_lengths // hop, of what has been padded
    by `padding_seconds`.

    It computes in float32 (or float64, see `transform`) whatever the dtype policy.

    Args:
        config: settings of the features, a `FeatureConfig` or its fields as a dict.
        mean: mean of each feature over the training data, [size]; for "global" normalisation.
        deviation: standard deviation of each feature over the training data, [size]; likewise.
        transform: implementation of the Fourier transform. "float64": exact, for TensorFlow, which
            alone has it; "float32": converts to TFLite, whose own transform is exact, though the
            window is applied in float32; "matrix": as a strided convolution with sines and
            cosines, which every runtime has.

    Raises:
        ConfigurationError: no such transform, or mean and deviation are missing or do not fit.
    """

    def __init__(
        self,
        config: FeatureConfig | dict[str, Any],
        mean: Any = None,
        deviation: Any = None,
        transform: str = "float64",
        **options: Any,
    ) -> None:
        super().__init__(**{**options, "dtype": "float32", "autocast": False})
        if transform not in TRANSFORMS:
            raise ConfigurationError(
                f"transform = {transform!r}: choose from {', '.join(TRANSFORMS)}"
            )
        self.config = config if isinstance(config, FeatureConfig) else FeatureConfig(**config)
        self.transform = transform
        self._normaliser = Normaliser(self.config, mean, deviation)

    def call(self, inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
        """See the class."""
        config = self.config
        lengths = tf.cast(inputs["sample_lengths"], tf.int32)
        samples = tf.cast(inputs["samples"], tf.float32)
        real = tf.sequence_mask(lengths, tf.shape(samples)[1])
        samples = tf.where(real, samples, tf.zeros_like(samples))
        if padding_length(config.sample_rate, config.padding_seconds):
            samples, lengths = _padded(samples, lengths, config)
        half = config.fft_length // 2
        features = tf.math.log(tf.maximum(self._power(tf.pad(samples, [[0, 0], [half, half]])),
                                       config.floor))  # fmt: skip
        frame_lengths = 1 + lengths // config.hop_length
        if config.kind == "mfcc":
            features = _product(features, cosine_transform(config))
            features = self._with_deltas(features, frame_lengths)
        mask = tf.expand_dims(
            tf.sequence_mask(frame_lengths, tf.shape(features)[1], tf.float32), -1
        )
        features = self._normalised(features, mask, frame_lengths) * mask
        features = tf.ensure_shape(features, [None, None, config.size])
        return {"features": features, "frame_lengths": frame_lengths}

    def compute_output_spec(self, inputs: dict[str, Any]) -> dict[str, keras.KerasTensor]:
        """Shapes and dtypes of what `call` returns."""
        batch = inputs["samples"].shape[0]
        shape = (batch, None, self.config.size)
        return {
            "features": keras.KerasTensor(shape, "float32"),
            "frame_lengths": keras.KerasTensor((batch,), "int32"),
        }

    def _power(self, padded: tf.Tensor) -> tf.Tensor:
        """Power at each frequency, or in each band, of every frame, [batch, frames, ...]."""
        config = self.config
        if self.transform == "matrix":
            power = _matrix_power(padded, config)
        else:
            frames = 1 + (tf.shape(padded)[1] - config.fft_length) // config.hop_length
            first = tf.range(frames) * config.hop_length
            places = tf.expand_dims(first, 1) + tf.range(config.fft_length)
            framed = tf.gather(padded, places, axis=1)
            if self.transform == "float64":
                # A float32 product with the window loses the quiet frequencies of loud frames.
                framed = tf.cast(framed, tf.float64)
            spectrum = tf.signal.rfft(framed * tf.constant(window(config), framed.dtype))
            power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
            power = tf.cast(power, tf.float32)
        return power if config.kind == "spectrogram" else _product(power, mel_bands(config))

    def _with_deltas(self, features: tf.Tensor, frame_lengths: tf.Tensor) -> tf.Tensor:
        """Adds the deltas; beyond its ends a row goes on with its own first and last frame."""
        if not self.config.deltas:
            return features
        half = DELTA_WIDTH // 2
        places = tf.expand_dims(tf.range(tf.shape(features)[1]), 0)
        last = tf.expand_dims(frame_lengths - 1, 1)
        neighbours = [
            tf.gather(
                features, tf.maximum(tf.minimum(places + shift, last), 0),
                axis=1, batch_dims=1,
            )
            for shift in range(-half, half + 1)
        ]  # fmt: skip
        columns = [features]
        for order in range(1, self.config.deltas + 1):
            weights = delta_filter(order).astype(np.float32)
            pairs = zip(weights, neighbours, strict=True)
            columns.append(tf.add_n([weight * frames for weight, frames in pairs]))
        return tf.concat(columns, axis=-1)

    def _normalised(
        self, features: tf.Tensor, mask: tf.Tensor, frame_lengths: tf.Tensor
    ) -> tf.Tensor:
        if self.config.normalisation == "none":
            return features
        if self.config.normalisation == "global":
            return (features - self._normaliser.mean) / self._normaliser.deviation
        count = tf.reshape(tf.cast(frame_lengths, tf.float32), [-1, 1, 1])
        centred = features - tf.reduce_sum(features * mask, axis=1, keepdims=True) / count
        variance = tf.reduce_sum(tf.square(centred) * mask, axis=1, keepdims=True) / count
        return centred / tf.maximum(tf.sqrt(variance), LEAST_DEVIATION)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        settings = super().get_config()
        settings.pop("autocast", None)
        has_statistics = self.config.normalisation == "global"
        return {
            **settings,
            "config": asdict(self.config),
            "mean": self._normaliser.mean.tolist() if has_statistics else None,
            "deviation": self._normaliser.deviation.tolist() if has_statistics else None,
            "transform": self.transform,
        }


def _padded(
    samples: tf.Tensor, lengths: tf.Tensor, config: FeatureConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """What `pipelines.speech.audio.padding.padded` makes of each row, and its length."""
    length = padding_length(config.sample_rate, config.padding_seconds)
    before, after = (tf.constant(noise) for noise in padding_noise(length))
    level = tf.expand_dims(_quietest(samples, lengths, quiet_length(config.sample_rate)), 1)
    shape = tf.shape(samples)
    first = tf.clip_by_value(level * tf.expand_dims(before, 0), -1, 1)
    rest = tf.concat([samples, tf.zeros([shape[0], length])], axis=1)
    # Number of the sample after the row's end, for each place.
    behind = tf.expand_dims(tf.range(shape[1] + length), 0) - tf.expand_dims(lengths, 1)
    noise = level * tf.gather(after, tf.clip_by_value(behind, 0, length - 1))
    noise = tf.clip_by_value(noise, -1, 1)
    rest = tf.where((behind >= 0) & (behind < length), noise, rest)
    return tf.concat([first, rest], axis=1), lengths + 2 * length


def _quietest(samples: tf.Tensor, lengths: tf.Tensor, size: int) -> tf.Tensor:
    """Smallest standard deviation of each row's whole pieces of `size` samples, [batch].

    A row shorter than a piece is one piece.
    """
    rows, longest = tf.unstack(tf.shape(samples))
    pieces = longest // size
    whole = tf.reshape(samples[:, : pieces * size], [rows, pieces, size])
    inside = tf.sequence_mask(lengths // size, pieces)
    deviations = tf.where(inside, tf.math.reduce_std(whole, axis=2), samples.dtype.max)
    count = tf.maximum(tf.cast(lengths, tf.float32), 1.0)
    mean = tf.reduce_sum(samples, axis=1) / count
    real = tf.sequence_mask(lengths, longest, tf.float32)
    squares = tf.square((samples - tf.expand_dims(mean, 1)) * real)
    short = tf.sqrt(tf.reduce_sum(squares, axis=1) / count)
    return tf.where(lengths < size, short, tf.reduce_min(deviations, axis=1))


def _product(rows: tf.Tensor, matrix: np.ndarray[Any, Any]) -> tf.Tensor:
    return tf.matmul(rows, tf.constant(matrix, tf.float32))


def _matrix_power(padded: tf.Tensor, config: FeatureConfig) -> tf.Tensor:
    """Power by a convolution with windowed cosines and sines, a hop at a time."""
    tapers = window(config)
    used = np.flatnonzero(tapers)
    start, stop = int(used[0]), int(used[-1]) + 1
    frequency = np.arange(config.fft_length // 2 + 1)
    # Multiples of a turn are taken off in integers, which keeps the angles exact.
    turns = np.outer(np.arange(config.fft_length), frequency) % config.fft_length
    angles = 2 * np.pi * turns / config.fft_length
    waves = tapers[:, None] * np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    kernel = tf.constant(waves[start:stop, None], tf.float32)
    # As long as the whole transform, so that the number of frames is the transform's.
    cut = padded[:, start : tf.shape(padded)[1] - (config.fft_length - stop)]
    parts = tf.nn.conv1d(tf.expand_dims(cut, -1), kernel, stride=config.hop_length, padding="VALID")
    real, imaginary = tf.split(parts, 2, axis=-1)
    return tf.square(real) + tf.square(imaginary)
