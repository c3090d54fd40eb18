"""Utterances whose features are computed anew each time, from samples that are changed first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.feature_extraction.augmentation import (
    WaveformAugmentation,
    change_channel,
    change_tempo,
)
from pipelines.speech.feature_extraction.feature_store import FeatureStore
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures

_STRETCHES = 11


class WaveformSource:
    """What `SpeechBatches` reads where the waveform itself is augmented.

    Args:
        store: the recordings, already read once and found usable; their frames are known.
        augmentation: what is done to the samples.
        tempo: frames are interpolated to a tempo drawn from 1 / (1 + tempo) to 1 + tempo.
        vocal_tract: frequencies are stretched by a factor drawn from 1 / (1 + vocal_tract) to
            1 + vocal_tract (vocal tract length perturbation: Jaitly and Hinton 2013).
        channel_decibels: frequencies become louder or quieter by up to so much; see
            `augmentation.change_channel`.

    Raises:
        ConfigurationError: a vocal tract for features without mel bands, or a channel for MFCC.
    """

    def __init__(
        self,
        store: FeatureStore,
        augmentation: WaveformAugmentation,
        *,
        tempo: float = 0.0,
        vocal_tract: float = 0.0,
        channel_decibels: float = 0.0,
    ) -> None:
        if vocal_tract and store.config.kind == "spectrogram":
            raise ConfigurationError(
                "vocal_tract stretches mel bands, which a spectrogram does not have: set it to 0"
            )
        if channel_decibels and store.config.kind == "mfcc":
            raise ConfigurationError(
                "channel_decibels changes powers at frequencies, which MFCC are not: set it to 0"
            )
        self._channel_decibels = channel_decibels
        self._recordings = store.recordings
        self._augmentation = augmentation
        self._tempo = tempo
        self._sample_rate = store.config.sample_rate
        self._extract = SpeechFeatures(store.config)
        exponents = np.linspace(-1, 1, _STRETCHES) if vocal_tract else ()
        self._stretched = [
            SpeechFeatures(store.config, float((1 + vocal_tract) ** power)) for power in exponents
        ]
        self.places = store.places
        self.frames = store.frames
        fastest = max(augmentation.speeds) * (1 + tempo)
        self.fewest_frames: npt.NDArray[np.int64] = np.maximum(
            (store.frames - 2) // fastest, 1
        ).astype(np.int64)

    def load(
        self, number: int, generator: np.random.Generator | None = None
    ) -> npt.NDArray[np.float32]:
        """The features of a recording, changed if there is a generator, float32 [frames, size]."""
        samples = self._recordings[number].read(self._sample_rate)
        if generator is None:
            return self._extract(samples)
        samples = self._augmentation(samples, self._sample_rate, generator)
        extract = self._extract
        if self._stretched:
            extract = self._stretched[int(generator.integers(len(self._stretched)))]
        found = extract(samples)
        if self._channel_decibels:
            found = change_channel(found, self._channel_decibels, generator)
        if self._tempo:
            found = change_tempo(found, float((1 + self._tempo) ** generator.uniform(-1, 1)))
        return found
