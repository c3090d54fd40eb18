"""Utterances whose features are computed anew each time, from samples that are changed first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.speech.audio import MOST_SECONDS, Samples, read_audio
from pipelines.speech.augmentation import WaveformAugmentation
from pipelines.speech.feature_store import FeatureStore
from pipelines.speech.numpy_features import SpeechFeatures


class WaveformSource:
    """What `SpeechBatches` reads where the waveform itself is augmented.

    Args:
        store: the recordings, already read once and found usable; their frames are known.
        augmentation: what is done to the samples.
    """

    def __init__(self, store: FeatureStore, augmentation: WaveformAugmentation) -> None:
        self._recordings = store.recordings
        self._augmentation = augmentation
        self._extract = SpeechFeatures(store.config)
        self.places = store.places
        self.frames = store.frames
        self.fewest_frames: npt.NDArray[np.int64] = np.maximum(
            (store.frames - 2) // max(augmentation.speeds), 1
        ).astype(np.int64)

    def load(
        self, number: int, generator: np.random.Generator | None = None
    ) -> npt.NDArray[np.float32]:
        """The features of a recording, changed if there is a generator, float32 [frames, size]."""
        rate = self._extract.config.sample_rate
        samples: Samples = read_audio(
            self._recordings[number].path, rate, most_seconds=MOST_SECONDS
        )
        if generator is not None:
            samples = self._augmentation(samples, rate, generator)
        return self._extract(samples)
