"""Features of speech on the device, by NumPy alone: of a whole utterance, or of a stream.

They are those of `pipelines.speech.features`, which librosa computes, to 1e-4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.audio.samples import one_channel
from pipelines.speech.feature_extraction.configuration import DELTA_WIDTH, FeatureConfig
from pipelines.speech.feature_extraction.normalisation import Normaliser
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures

__all__ = ["FeatureConfig", "FeatureStream", "Normaliser", "SpeechFeatures"]

Array = npt.NDArray[np.float32]


class FeatureStream:
    """The features of a stream that comes in chunks of any size: those of the whole.

    A frame comes out once all samples it sees have come in: half a transform after its centre,
    and four frames later where there are deltas.

    Args:
        config: configuration of the features.
        mean: mean of each feature over the training data, [size]; for "global" normalisation.
        deviation: standard deviation of each feature over the training data, [size].

    Raises:
        ConfigurationError: normalisation by the utterance needs all of it; or mean and deviation
            are missing or do not fit.
    """

    def __init__(
        self,
        config: FeatureConfig,
        mean: npt.ArrayLike | None = None,
        deviation: npt.ArrayLike | None = None,
    ) -> None:
        if config.normalisation == "utterance":
            raise ConfigurationError(
                "normalisation = 'utterance' needs the whole utterance and cannot stream: "
                "train with 'global' or 'none'"
            )
        self.config = config
        self._extractor = SpeechFeatures(config)
        self._normalise = Normaliser(config, mean, deviation)
        self._half = config.fft_length // 2
        self.reset()

    def reset(self) -> None:
        """Begins a new utterance."""
        config = self.config
        self._samples: Array = np.zeros(self._half, np.float32)
        self._frames: Array = np.zeros((0, config.size // (1 + config.deltas)), np.float32)
        self._begun = False

    def push(self, samples: npt.ArrayLike) -> Array:
        """Takes the next samples; the features that are complete by now, float32 [frames, size].

        Raises:
            UserError: see `pipelines.speech.audio.samples.one_channel`.
        """
        return self._take(one_channel(samples), last=False)

    def finish(self) -> Array:
        """The features that are left when the utterance ends; begins a new one."""
        rest = self._take(np.zeros(self._half, np.float32), last=True)
        self.reset()
        return rest

    def _take(self, samples: Array, *, last: bool) -> Array:
        self._samples = np.concatenate([self._samples, samples])
        found = self._extractor.of_frames(self._samples)
        self._samples = self._samples[len(found) * self.config.hop_length :]
        if self.config.deltas:
            found = self._with_deltas(found, last)
        return self._normalise(found)

    def _with_deltas(self, found: Array, last: bool) -> Array:
        half = DELTA_WIDTH // 2
        if len(found) and not self._begun:
            self._begun = True
            found = np.concatenate([np.repeat(found[:1], half, axis=0), found])
        self._frames = np.concatenate([self._frames, found])
        if last and len(self._frames):
            ends = np.repeat(self._frames[-1:], half, axis=0)
            self._frames = np.concatenate([self._frames, ends])
        if len(self._frames) < DELTA_WIDTH:
            return np.zeros((0, self.config.size), np.float32)
        complete = self._extractor.deltas_inside(self._frames)
        self._frames = self._frames[len(complete) :]
        return complete
