"""Where an utterance in a stream ends: after a pause, by the outputs or by the loudness."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.errors import ConfigurationError

JUDGES = ("labels", "energy", "either")
_LEAST_DECIBELS = -100.0
# How fast the estimate of the background follows: down at once, up by so much a second.
_RISE_DECIBELS = 2.0


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """When an utterance is over.

    Args:
        judge: what tells silence: "labels", no label for a while (frames whose most probable label
            is the blank); "energy", no sound well above the background; or "either".
        pause_seconds: silence after something was heard that ends the utterance.
        longest_silence_seconds: silence from the beginning on after which a new, empty utterance
            is begun, so that nothing grows while nobody speaks.
        longest_seconds: an utterance that lasts longer is ended all the same; 0: never.
        speech_decibels: how far above the background a sound counts as speech, for "energy".

    Raises:
        ConfigurationError: a number is out of its range.
    """

    judge: str = "labels"
    pause_seconds: float = 0.8
    longest_silence_seconds: float = 5.0
    longest_seconds: float = 30.0
    speech_decibels: float = 9.0

    def __post_init__(self) -> None:
        if self.judge not in JUDGES:
            raise ConfigurationError(f"judge = {self.judge!r}: choose from {', '.join(JUDGES)}")
        for name in ("pause_seconds", "longest_silence_seconds", "speech_decibels"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} = {getattr(self, name):g} must be above 0")
        if self.longest_seconds < 0:
            raise ConfigurationError(f"longest_seconds = {self.longest_seconds:g} is below 0")


class QuietMeter:
    """How long a stream has been quiet: its level against a background that is followed.

    Args:
        sample_rate: in Hz.
        speech_decibels: how far above the background speech is at least.
    """

    def __init__(self, sample_rate: int, speech_decibels: float) -> None:
        self._rate = sample_rate
        self._threshold = speech_decibels
        self._background = 0.0
        self.quiet_seconds = 0.0
        self.spoke = False

    def begin_utterance(self) -> None:
        """Forgets how long it was quiet, not what the background is like."""
        self.quiet_seconds = 0.0
        self.spoke = False

    def push(self, samples: npt.NDArray[np.float32]) -> None:
        """Takes the next block; its mean power is one measurement."""
        if not len(samples):
            return
        seconds = len(samples) / self._rate
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        level = max(10 * math.log10(max(power, 1e-20)), _LEAST_DECIBELS)
        self._background = min(level, self._background + _RISE_DECIBELS * seconds)
        if level > self._background + self._threshold:
            self.spoke, self.quiet_seconds = True, 0.0
        else:
            self.quiet_seconds += seconds


class Endpointer:
    """Decides block by block whether an utterance is over.

    Args:
        config: the rules.
        sample_rate: of the stream, in Hz.
    """

    def __init__(self, config: EndpointConfig, sample_rate: int) -> None:
        self.config = config
        self._rate = sample_rate
        self._meter = QuietMeter(sample_rate, config.speech_decibels)
        self.begin_utterance()

    def begin_utterance(self) -> None:
        """Begins to count anew."""
        self._seconds = 0.0
        self._meter.begin_utterance()

    def push(self, samples: npt.NDArray[np.float32]) -> None:
        """Takes the next block of samples."""
        self._seconds += len(samples) / self._rate
        self._meter.push(samples)

    def is_over(self, heard: bool, blank_seconds: float) -> bool:
        """Whether the utterance ends here.

        Args:
            heard: whether any label was written.
            blank_seconds: for how long none was.
        """
        config = self.config
        if config.longest_seconds and self._seconds >= config.longest_seconds:
            return True
        quiet = self._meter.quiet_seconds
        silences = []
        if config.judge in ("labels", "either"):
            silences.append((heard, blank_seconds))
        if config.judge in ("energy", "either"):
            silences.append((heard or self._meter.spoke, quiet))
        return any(
            silent >= (config.pause_seconds if begun else config.longest_silence_seconds)
            for begun, silent in silences
        )
