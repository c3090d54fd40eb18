"""Where an utterance in a stream ends: after a pause, by the outputs or by the loudness.

An endpoint only parts the text: the model goes on as if there were none. So no sound is lost,
neither what the model has taken in and not yet written when the pause is noticed, nor the beginning
of a word that was spoken meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError

JUDGES = ("labels", "energy", "either")
_LEAST_DECIBELS = -100.0
# Microphones and files begin with samples of nearly 0, calls and synthetic speech have them between
# words. No room is as quiet: what is below the first level counts as the second one, so that the
# estimate of the background comes up to a room's within seconds, and quiet speech is above it.
_NO_ROOM_DECIBELS, _LEAST_BACKGROUND_DECIBELS = -85.0, -70.0
# Speed at which the estimate of the background rises, in dB per second; it falls at once.
_RISE_DECIBELS = 2.0
# Towards its greatest length an utterance is ended at the next short gap between words, and then at
# the next frame that belongs to no label: a label that is cut in two would be written twice. Where
# letters and spaces are written, words have such frames inside, too, which only count at last.
_NEARLY_TOO_LONG, _ALMOST_TOO_LONG, _ALL_BUT_TOO_LONG = 0.8, 0.9, 0.98
_GAP_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """When an utterance is over.

    Args:
        judge: measure of silence: "labels", no label for a while (frames whose most probable label
            is the blank or a space); "energy", no sound well above the background; or "either".
        pause_seconds: length of the silence, after something was heard, that ends the utterance.
            For "labels" it is counted between two labels, and a model may write a label before the
            end of its sound, so shorter pauses between sounds end an utterance too.
        longest_silence_seconds: length of the silence from the utterance's beginning after which a
            new, empty utterance starts, so that memory does not grow while nobody speaks.
        longest_seconds: largest length of an utterance, at which a word may be cut. From four
            fifths of it on, a gap of 0.2 s without a label ends the utterance; from nine tenths on,
            any frame without one; where the model writes letters and spaces, only after a space,
            until a fiftieth, or 0.2 s, is left. 0 for no limit.
        speech_decibels: level above the background, in dB, from which a sound counts as speech, for
            "energy".

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
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(
                    f"{name} = {getattr(self, name):g} must be above 0, and finite"
                )
        if not 0 <= self.longest_seconds < math.inf:
            raise ConfigurationError(
                f"longest_seconds = {self.longest_seconds:g} must be at least 0, which is no limit,"
                " and finite"
            )


class QuietMeter:
    """How long a stream has been quiet: its level against a background that is followed.

    Args:
        sample_rate: sample rate of the stream, in Hz.
        speech_decibels: level above the background, in dB, from which a sound counts as speech.
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
        background = level if level > _NO_ROOM_DECIBELS else _LEAST_BACKGROUND_DECIBELS
        self._background = min(background, self._background + _RISE_DECIBELS * seconds)
        if level > self._background + self._threshold:
            self.spoke, self.quiet_seconds = True, 0.0
        else:
            self.quiet_seconds += seconds


class Endpointer:
    """Decides, output by output, whether an utterance is over.

    Sound runs ahead of the outputs that tell what it was. A pause that is found in the sound
    therefore ends the utterance once the outputs have come as far.

    Args:
        config: rules by which an utterance ends.
        sample_rate: sample rate of the stream, in Hz.
    """

    def __init__(self, config: EndpointConfig, sample_rate: int) -> None:
        self.config = config
        self._rate = sample_rate
        self.begin_stream()

    def begin_stream(self) -> None:
        """Begins a new stream."""
        self._samples = 0
        self._begun_at = 0.0
        self._quiet_at = math.inf
        self._meter = QuietMeter(self._rate, self.config.speech_decibels)

    def push(self, samples: npt.NDArray[np.float32], heard: bool) -> None:
        """Takes the next block of samples.

        Args:
            samples: float32 [samples].
            heard: true if any label was written in the current utterance so far.
        """
        self._samples += len(samples)
        self._meter.push(samples)
        config = self.config
        if config.judge == "labels" or self._quiet_at < math.inf:
            return
        if self._meter.quiet_seconds >= _silence(config, heard or self._meter.spoke):
            self._quiet_at = self._samples / self._rate
            self._meter.begin_utterance()

    def is_over(
        self, heard: bool, quiet_seconds: float, at: float, between_words: bool = True
    ) -> bool:
        """Whether the utterance ends with the latest output; if so, the next one begins.

        Args:
            heard: true if any label was written in the current utterance so far.
            quiet_seconds: length of the time, in seconds, in which no label was written.
            at: end of the latest output, in seconds from the beginning of the stream.
            between_words: false if the word that was written last may go on.
        """
        config = self.config
        lasted = at - self._begun_at
        limit = config.longest_seconds or math.inf
        over = (
            at >= self._quiet_at
            or lasted >= limit
            or _is_gap(lasted, limit, quiet_seconds, between_words)
            or (config.judge != "energy" and quiet_seconds >= _silence(config, heard))
        )
        if over:
            if self._quiet_at == math.inf:
                # The sound has not reported this pause, and must not report it afterwards.
                self._meter.begin_utterance()
            self._quiet_at = math.inf
            self._begun_at = at
        return over


def _is_gap(lasted: float, limit: float, quiet_seconds: float, between_words: bool) -> bool:
    """Whether an utterance that nears its limit, in seconds, ends in this quiet."""
    if not between_words:
        at_last = min(_ALL_BUT_TOO_LONG * limit, limit - _GAP_SECONDS)
        return lasted >= at_last and quiet_seconds > 0
    return (lasted >= _NEARLY_TOO_LONG * limit and quiet_seconds >= _GAP_SECONDS) or (
        lasted >= _ALMOST_TOO_LONG * limit and quiet_seconds > 0
    )


def _silence(config: EndpointConfig, begun: bool) -> float:
    """Seconds of silence that end an utterance in which something was heard, or nothing was."""
    return config.pause_seconds if begun else config.longest_silence_seconds
