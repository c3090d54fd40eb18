"""Utterances whose features are computed each time from randomly changed samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.audio.samples import LOUDEST
from pipelines.speech.feature_extraction.augmentation import (
    WaveformAugmentation,
    change_channel,
    change_tempo,
)
from pipelines.speech.feature_extraction.feature_store import FeatureStore
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures

_STRETCHES = 11


class WaveformSource:
    """The source that `SpeechBatches` reads if the waveform itself is augmented.

    Args:
        store: usable recordings whose numbers of frames are known.
        augmentation: changes of the samples.
        tempo: range of the tempo, which is drawn from 1 / (1 + tempo) to 1 + tempo; frames are
            interpolated to it.
        vocal_tract: range of the stretch of frequencies, drawn from 1 / (1 + vocal_tract) to
            1 + vocal_tract (vocal tract length perturbation: Jaitly and Hinton 2013).
        channel_decibels: largest gain or loss of a frequency, in decibels; see
            `augmentation.change_channel`.

    Raises:
        ConfigurationError: `vocal_tract` is set for features without mel bands, or
            `channel_decibels` for MFCC.
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
        return self.copies(number, generator, 1)[0]

    def copies(
        self, number: int, generator: np.random.Generator | None, count: int
    ) -> list[npt.NDArray[np.float32]]:
        """Copies of a recording's features that are changed differently but agree in time.

        They share speed and tempo, so that a frame of one is the same sound as that frame
        of another.

        Args:
            number: number of the recording.
            generator: random number generator that draws the changes; None to change nothing.
            count: number of copies.

        Returns:
            `count` arrays of the same shape, float32 [frames, size].
        """
        samples = self._recordings[number].read(self._sample_rate)
        if generator is None:
            return [self._extract(samples)] * count
        samples = self._augmentation.at_a_speed(samples, self._sample_rate, generator)
        copies = [self._changed(samples, generator) for _ in range(count)]
        if self._tempo:
            factor = float((1 + self._tempo) ** generator.uniform(-1, 1))
            copies = [self._at_a_tempo(features, factor) for features in copies]
        return copies

    def _at_a_tempo(
        self, features: npt.NDArray[np.float32], factor: float
    ) -> npt.NDArray[np.float32]:
        """The features at another tempo; their deltas, which are slopes over time, are new ones."""
        alone = features[:, : features.shape[1] // (1 + self._extract.config.deltas)]
        return self._extract.with_deltas(change_tempo(alone, factor))

    def _changed(
        self, samples: npt.NDArray[np.float32], generator: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Features after all changes that leave time as it is."""
        samples = self._augmentation.at_its_speed(samples, self._sample_rate, generator)
        loudest = float(np.abs(samples).max(initial=0.0))
        if loudest > LOUDEST:
            # Gain and noise may make of a loud recording what no recording is.
            samples = samples * np.float32(LOUDEST / loudest * (1 - 1e-6))
        extract = self._extract
        if self._stretched:
            extract = self._stretched[int(generator.integers(len(self._stretched)))]
        features = extract(samples)
        if self._channel_decibels:
            features = change_channel(features, self._channel_decibels, generator)
        return features
