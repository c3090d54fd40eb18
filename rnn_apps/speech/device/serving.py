"""The recogniser as it is served: samples in, text out, features and alphabet inside the graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipelines.speech.audio.samples import LOUDEST
from rnn_apps.layers.speech_features import SpeechFeatures
from rnn_apps.speech.device.step_model import LOGITS
from rnn_apps.speech.streaming import raw_features
from rnn_apps.speech.trained import TrainedRecogniser

RECOGNISE, LOG_PROBABILITIES = "recognise", "log_probabilities"


class ServedRecogniser(tf.Module):
    """What a SavedModel of a recogniser holds; see `recognise` and `log_probabilities`.

    Args:
        run: trained speech recogniser.
    """

    def __init__(self, run: TrainedRecogniser) -> None:
        super().__init__(name="speech_recogniser")
        self._model = run.model
        # Tracked by TensorFlow.
        self.variables_held = [variable.value for variable in run.model.variables]
        self._features = SpeechFeatures(raw_features(run.config))
        self._blank = run.labels.blank
        self._unknown = run.labels.tokenizer.unknown_id
        pieces = list(run.labels.tokenizer.token_bytes)
        if self._unknown is not None:
            pieces[self._unknown] = b""
        self._pieces = tf.constant(pieces, tf.string)

    def signatures(self) -> dict[str, Any]:
        """The concrete functions by the names that they are served under."""
        samples = tf.TensorSpec([None, None], tf.float32, name="samples")
        lengths = tf.TensorSpec([None], tf.int32, name="sample_lengths")
        return {
            name: tf.function(function, autograph=False).get_concrete_function(
                samples=samples, sample_lengths=lengths
            )
            for name, function in (
                (RECOGNISE, self.recognise),
                (LOG_PROBABILITIES, self.log_probabilities),
            )
        }

    def log_probabilities(
        self, samples: tf.Tensor, sample_lengths: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """What the model says of each output frame.

        Args:
            samples: sound, float32 [batch, samples], -1 to 1 at the model's sample rate.
            sample_lengths: true number of samples of each row, int32 [batch], at least 1; samples
                beyond it are not read.

        Returns:
            "log_probabilities" float32 [batch, output frames, labels], nats, and "lengths" int32
            [batch], the true number of output frames.
        """
        longest = tf.shape(samples)[1]
        checks = [
            tf.debugging.assert_positive(sample_lengths, message="a recording has no samples"),
            tf.debugging.assert_less_equal(
                sample_lengths, longest, message="sample_lengths exceed the samples"
            ),
            tf.debugging.assert_all_finite(samples, "the samples hold NaN or infinity"),
            tf.debugging.assert_less_equal(
                tf.reduce_max(tf.where(tf.math.is_finite(samples), tf.abs(samples), 0.0)),
                LOUDEST,
                message="samples are numbers from -1 to 1",
            ),
        ]
        with tf.control_dependencies([check for check in checks if check is not None]):
            samples = tf.identity(samples)
        found = self._features({"samples": samples, "sample_lengths": sample_lengths})
        outputs = self._model(
            {"features": found["features"], "frame_lengths": found["frame_lengths"]},
            training=False,
        )
        return {
            "log_probabilities": tf.nn.log_softmax(tf.cast(outputs[LOGITS], tf.float32)),
            "lengths": outputs["lengths"],
        }

    def recognise(self, samples: tf.Tensor, sample_lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        """The text of each recording by the best label of each frame (greedy).

        Args:
            samples, sample_lengths: sound and its lengths, as for `log_probabilities`.

        Returns:
            "text" string [batch], and "confidence" float32 [batch], 0 to 1: the geometric mean of
            the labels' largest probabilities; where nothing was written that of the blank's.
        """
        found = self.log_probabilities(samples, sample_lengths)
        values = found["log_probabilities"]
        inside = tf.sequence_mask(found["lengths"], tf.shape(values)[1])
        best = tf.argmax(values, axis=-1, output_type=tf.int32)
        before = tf.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=self._blank)
        written = inside & (best != self._blank) & (best != before)
        # The blank has no text; where nothing is written its number does no harm.
        pieces = tf.gather(self._pieces, tf.minimum(best, self._blank - 1))
        joined = tf.strings.reduce_join(tf.where(written, pieces, ""), axis=1)
        text = tf.strings.unicode_transcode(joined, "UTF-8", "UTF-8", errors="replace")
        text = tf.strings.strip(tf.strings.regex_replace(text, r"\s+", " "))
        confidence = self._confidence(values, inside, best, written)
        return {"text": text, "confidence": confidence}

    def _confidence(
        self, values: tf.Tensor, inside: tf.Tensor, best: tf.Tensor, written: tf.Tensor
    ) -> tf.Tensor:
        shape = tf.shape(best)
        # Every frame of a label belongs to the place where the label was written.
        count = tf.reduce_sum(tf.cast(written, tf.int32), axis=1)
        place = tf.maximum(tf.cumsum(tf.cast(written, tf.int32), axis=1) - 1, 0)
        place += tf.expand_dims(tf.range(shape[0]), 1) * shape[1]
        spoken = inside & (best != self._blank)
        lowest = values.dtype.min
        largest = tf.where(spoken, tf.reduce_max(values, axis=-1), lowest)
        peaks = tf.math.unsorted_segment_max(largest, place, shape[0] * shape[1])
        real = tf.sequence_mask(count, shape[1])
        peaks = tf.reduce_sum(tf.where(real, tf.reshape(peaks, shape), 0.0), axis=1)
        blanks = tf.reduce_sum(tf.where(inside, values[..., self._blank], 0.0), axis=1)
        frames = tf.reduce_sum(tf.cast(inside, tf.float32), axis=1)
        wrote = count > 0
        total = tf.where(wrote, peaks, blanks)
        return tf.exp(total / tf.maximum(tf.where(wrote, tf.cast(count, tf.float32), frames), 1.0))
