"""Layers of models that take a sequence in chunks and carry explicitly what they need of the past.

A carried tensor is flat, [batch, size]; it begins with zeros, and the layer returns its next value.
A device keeps it like a recurrent layer's state.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="rnn_apps")
class JoinPast(keras.layers.Layer):
    """Puts the frames before a chunk in front of it.

    Args:
        frames: number of frames of the past; they are zeros before a sequence begins.

    Call: (chunk [batch, timesteps, ...], past [batch, frames x ...]) -> the joined frames
    [batch, frames + timesteps, ...] and the next chunk's past.
    """

    def __init__(self, frames: int, **options: Any) -> None:
        super().__init__(**options)
        self.frames = frames

    def call(self, chunk: Any, past: Any) -> Any:
        """See the class."""
        batch = chunk.shape[0] or tf.shape(chunk)[0]
        before = tf.reshape(past, [batch, self.frames, *chunk.shape[2:]])
        joined = tf.concat([before, chunk], axis=1)
        # Counted from the front where the number of timesteps is known: devices have no strided
        # slices from the end of what they cannot measure.
        length = joined.shape[1]
        kept = joined[:, -self.frames :] if length is None else joined[:, length - self.frames :]
        return joined, tf.reshape(kept, [batch, past.shape[1]])

    def compute_output_spec(self, chunk: Any, past: Any) -> Any:
        """Shapes and dtypes of what `call` returns."""
        timesteps = None if chunk.shape[1] is None else chunk.shape[1] + self.frames
        shape = (chunk.shape[0], timesteps, *chunk.shape[2:])
        joined = keras.KerasTensor(shape, self.compute_dtype)
        return joined, keras.KerasTensor(past.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "frames": self.frames}


@keras.saving.register_keras_serializable(package="rnn_apps")
class DelayedLookahead(keras.layers.Layer):
    """The row convolution of `Lookahead`, `frames` steps late, when the frames ahead are there.

    Its weights are those of `Lookahead`.

    Args:
        frames: number C of frames that are seen ahead.

    Call: joined [batch, C + timesteps, size] (`JoinPast` of C frames) -> [batch, timesteps, size],
    whose timestep t is `Lookahead`'s t - C.
    """

    def __init__(self, frames: int, **options: Any) -> None:
        super().__init__(**options)
        self.frames = frames

    def build(self, shape: Any) -> None:
        """Makes the kernel, [frames + 1, size]."""
        self.kernel = self.add_weight(
            name="kernel", shape=(self.frames + 1, shape[-1]), initializer="zeros"
        )

    def call(self, joined: Any) -> Any:
        """See the class."""
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), joined.dtype)
        length = joined.shape[1] or tf.shape(joined)[1]
        timesteps = length - self.frames
        outputs = joined[:, :timesteps] * kernel[0]
        for ahead in range(1, self.frames + 1):
            outputs += joined[:, ahead : ahead + timesteps] * kernel[ahead]
        return outputs

    def compute_output_shape(self, shape: Any) -> Any:
        """Without the frames of the past."""
        timesteps = None if shape[1] is None else shape[1] - self.frames
        return shape[0], timesteps, shape[2]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "frames": self.frames}


@keras.saving.register_keras_serializable(package="rnn_apps")
class PerFrame(keras.layers.Layer):
    """Reshapes each frame: [batch, timesteps, ...] -> [batch, timesteps, *shape].

    Args:
        shape: new shape of a frame.
    """

    def __init__(self, shape: tuple[int, ...], **options: Any) -> None:
        super().__init__(**options)
        self.shape = tuple(shape)

    def call(self, sequence: Any) -> Any:
        """See the class."""
        known = [tf.shape(sequence)[i] if n is None else n for i, n in enumerate(sequence.shape)]
        return tf.reshape(sequence, [*known[:2], *self.shape])

    def compute_output_shape(self, shape: Any) -> Any:
        """See the class."""
        return (*shape[:2], *self.shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package="rnn_apps")
class EveryFrame(keras.layers.Layer):
    """Keeps every `stride`-th time step from the first one on: [batch, timesteps, ...].

    Args:
        stride: number of time steps of which the first is kept.
    """

    def __init__(self, stride: int, **options: Any) -> None:
        super().__init__(**options)
        self.stride = stride

    def call(self, sequence: Any) -> Any:
        """See the class."""
        return sequence[:, :: self.stride]

    def compute_output_shape(self, shape: Any) -> Any:
        """See the class."""
        timesteps = None if shape[1] is None else -(-shape[1] // self.stride)
        return shape[0], timesteps, *shape[2:]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "stride": self.stride}
