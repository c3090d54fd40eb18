"""A stream of samples to text: features, a step model, decoding and endpointing in one chain.

The step model may run anywhere: on LiteRT, on TensorFlow Lite Micro, or in Keras.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipelines.speech.audio.samples import one_channel
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from rnn_apps.edge.speech.endpointing import EndpointConfig, Endpointer
from rnn_apps.edge.speech.features import FeatureStream
from rnn_apps.edge.speech.resampling import Resampler
from rnn_apps.edge.speech.transcripts import SpeechDecoder, Transcript, Word
from rnn_apps.edge.speech.word_times import SoundLevels

Array = npt.NDArray[np.float32]


class StepModel(Protocol):
    """A speech model that takes a chunk of frames and carries its state.

    Attributes:
        chunk_frames: number of feature frames per step, a multiple of `subsampling`.
        subsampling: number of feature frames per output frame.
        lookahead: number of output frames that come before the first real one.
        labels: number of labels, the size of an output frame.
    """

    chunk_frames: int
    subsampling: int
    lookahead: int
    labels: int

    def reset(self) -> None:
        """Begins a new utterance."""

    def step(self, features: Array, present: Array) -> Array:
        """One chunk.

        Args:
            features: features of one chunk, float32 [chunk_frames, size].
            present: float32 [chunk_frames], 1 for frames of the utterance, 0 behind its end.

        Returns:
            logits, float32 [chunk_frames / subsampling, labels].
        """


class FrameStepper:
    """Feeds frames in any number to a step model; the outputs are those of the whole utterance."""

    def __init__(self, model: StepModel) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Begins a new utterance."""
        self.model.reset()
        self._waiting: list[Array] = []
        self._count = 0
        self._frames = 0
        self._outputs = 0
        self._early = self.model.lookahead

    def push(self, features: Array) -> Array:
        """The outputs that the next frames complete: logits, float32 [output frames, labels].

        Args:
            features: features of the next frames, float32 [frames, size].
        """
        if len(features):
            self._waiting.append(features)
            self._count += len(features)
            self._frames += len(features)
        size = self.model.chunk_frames
        if self._count < size:
            return self._joined([])
        frames = np.concatenate(self._waiting)
        whole = len(frames) // size * size
        present = np.ones(size, np.float32)
        found = [self._step(frames[at : at + size], present) for at in range(0, whole, size)]
        self._waiting = [frames[whole:]]
        self._count = len(frames) - whole
        return self._joined(found)

    def finish(self) -> Array:
        """The outputs that are left when the utterance ends; begins a new one."""
        size = self.model.chunk_frames
        wanted = -(-self._frames // self.model.subsampling)
        found: list[Array] = []
        rest = np.concatenate(self._waiting) if self._waiting else np.zeros((0, 0), np.float32)
        while self._outputs < wanted:
            width = rest.shape[1] if rest.ndim == 2 else 0
            frames = np.zeros((size, width), np.float32)
            frames[: len(rest)] = rest
            present = (np.arange(size) < len(rest)).astype(np.float32)
            found.append(self._step(frames, present))
            rest = rest[:0]
        joined = self._joined(found)
        joined = joined[: len(joined) - (self._outputs - wanted)] if found else joined
        self.reset()
        return joined

    def _step(self, frames: Array, present: Array) -> Array:
        found = self.model.step(frames, present)
        dropped = min(self._early, len(found))
        self._early -= dropped
        self._outputs += len(found) - dropped
        return found[dropped:]

    def _joined(self, found: list[Array]) -> Array:
        return np.concatenate(found) if found else np.zeros((0, self.model.labels), np.float32)


@dataclass(frozen=True)
class Utterance:
    """A part of a stream, from one endpoint to the next, and what was heard in it.

    Attributes:
        start, end: times of the utterance in seconds from the beginning of the stream, by the
            outputs: a sound at an end that the model writes late belongs to the utterance that
            holds its label.
        transcripts: transcripts, best first; the best one's text may be empty.
    """

    start: float
    end: float
    transcripts: tuple[Transcript, ...]

    @property
    def text(self) -> str:
        """The best transcript's."""
        return self.transcripts[0].text


class RecognitionStream:
    """Recognises speech while it is spoken.

    Samples may come in chunks of any size: the result does not depend on it. It is that of the
    whole recording at once, without padding; endpoints part its text and change nothing else.

    Args:
        features: configuration of the features that the model reads, without normalisation (which
            is in the model) unless it streams.
        model: the step model.
        decoder: decoder of the model's outputs.
        endpoint: rules by which an utterance ends; if None, it ends when `finish` is called.
        sample_rate: sample rate of the pushed samples in Hz, resampled where it is not the model's
            (needs the package soxr); None for the model's.

    Raises:
        UserError: the rate is absurd, or soxr is missing.
    """

    def __init__(
        self,
        features: FeatureConfig,
        model: StepModel,
        decoder: SpeechDecoder,
        endpoint: EndpointConfig | None = None,
        sample_rate: int | None = None,
    ) -> None:
        self.sample_rate = sample_rate or features.sample_rate
        self._rate = features.sample_rate
        self._resampler: Resampler | None = None
        if self.sample_rate != self._rate:
            self._resampler = Resampler(self.sample_rate, self._rate)
        self._features = FeatureStream(features)
        self._stepper = FrameStepper(model)
        self._decoder = decoder
        self._sound = SoundLevels(self._rate)
        decoder.hear(self._sound)
        self._endpointer = None if endpoint is None else Endpointer(endpoint, self._rate)
        # Everything happens in blocks of a step, wherever the caller's chunks are cut.
        self._block = model.chunk_frames * features.hop_length
        # One output; loudness is measured in pieces of it whatever a step holds.
        self._piece = model.subsampling * features.hop_length
        frames = features.lookahead_frames + model.chunk_frames
        frames += model.lookahead * model.subsampling
        self.delay_seconds = (features.fft_length / 2 + frames * features.hop_length) / self._rate
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self._waiting = np.zeros(0, np.float32)
        self._samples = 0
        self._outputs = 0
        self._start = 0.0
        if self._resampler is not None:
            self._resampler.reset()
        self._features.reset()
        self._stepper.reset()
        self._sound.reset()
        self._decoder.begin_stream()
        if self._endpointer is not None:
            self._endpointer.begin_stream()

    def push(self, samples: npt.ArrayLike) -> list[Utterance]:
        """Takes the next samples; the utterances that ended in them.

        Args:
            samples: samples at `sample_rate`; see `pipelines.speech.audio.samples.one_channel`.

        Raises:
            UserError: see `pipelines.speech.audio.samples.one_channel`; nothing was taken then.
        """
        found = one_channel(samples)
        if self._resampler is not None:
            found = self._resampler.push(found)
        waiting = np.concatenate([self._waiting, found])
        ended: list[Utterance] = []
        whole = len(waiting) // self._block * self._block
        for at in range(0, whole, self._block):
            ended += self._take(waiting[at : at + self._block])
        self._waiting = waiting[whole:]
        return ended

    def finish(self) -> Utterance:
        """The stream ends: the last utterance, which may be empty. Begins a new stream."""
        rest = self._waiting
        if self._resampler is not None:
            rest = np.concatenate([rest, self._resampler.finish()])
        self._samples += len(rest)
        self._sound.push(rest)
        if self._samples:
            self._decoder.push(self._stepper.push(self._features.push(rest)))
            self._decoder.push(self._stepper.push(self._features.finish()))
            self._decoder.push(self._stepper.finish())
        utterance = self._ended(max(self._samples / self._rate, self._start))
        self.reset()
        return utterance

    def settled(self) -> list[Word]:
        """The words of the present utterance that can no longer change and were not given before.

        Long streams without endpoints are read with this at constant cost.
        """
        return self._decoder.settled()

    def partial(self) -> Transcript:
        """The best transcript of the present utterance so far, after the words that are settled."""
        return self._decoder.partial()

    def recognise(self, chunks: Iterable[npt.ArrayLike]) -> Iterator[Utterance]:
        """Yields the utterances of a whole stream that hold words, each when it has ended."""
        for chunk in chunks:
            yield from (utterance for utterance in self.push(chunk) if utterance.text)
        last = self.finish()
        if last.text:
            yield last

    def _take(self, block: Array) -> list[Utterance]:
        self._samples += len(block)
        self._sound.push(block)
        if self._endpointer is not None:
            heard = self._decoder.heard
            for at in range(0, len(block), self._piece):
                self._endpointer.push(block[at : at + self._piece], heard)
        outputs = self._stepper.push(self._features.push(block))
        if self._endpointer is None:
            self._decoder.push(outputs)
            return []
        ended = []
        for output in outputs:
            self._decoder.push(output[None])
            self._outputs += 1
            seconds = self._outputs * self._piece / self._rate
            quiet = self._decoder.quiet_frames * self._piece / self._rate
            heard, between = self._decoder.heard, self._decoder.between_words
            if self._endpointer.is_over(heard, quiet, seconds, between):
                ended.append(self._ended(seconds))
        return ended

    def _ended(self, at: float) -> Utterance:
        """Returns what was heard up to here and resets the decoder, and nothing but the decoder."""
        utterance = Utterance(self._start, at, tuple(self._decoder.finish()))
        self._start = at
        self._decoder.reset(at)
        return utterance
