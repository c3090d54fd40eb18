"""Speech from an exported model to text: NumPy and one runtime, with the exported folder."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.speech.audio.levels import is_silent
from pipelines.speech.audio.padding import padded
from pipelines.speech.audio.samples import one_channel
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from pipelines.speech.recordings.spelling import Spelling
from pipelines.tokenizers import load_tokenizer
from rnn_apps.edge.contract import CONTRACT, read_contract, require_described
from rnn_apps.edge.runtime.model import EdgeModel, load
from rnn_apps.edge.runtime.streaming import STEP_SIGNATURE, StreamingSession
from rnn_apps.edge.speech.endpointing import EndpointConfig
from rnn_apps.edge.speech.padding import of_unpadded
from rnn_apps.edge.speech.recognition import FrameStepper, RecognitionStream, Utterance
from rnn_apps.edge.speech.recorded_files import read_recording
from rnn_apps.edge.speech.resampling import resample
from rnn_apps.edge.speech.silence import SILENT, of_silence
from rnn_apps.edge.speech.transcripts import DecodingConfig, SpeechDecoder, SpeechLabels, Transcript
from rnn_apps.edge.speech.word_model import WordModel, read_arpa
from rnn_apps.edge.speech.word_times import SoundLevels

TOKENIZER = "tokenizer"
STREAMING_MODEL = "streaming.tflite"
FEATURES, PRESENT, LOGITS = "features", "present", "logits"

Array = npt.NDArray[np.float32]


class EdgeStepModel:
    """A streaming file as `recognition.StepModel`.

    Args:
        model: file on a runtime.
        contract: contract of the exported folder.
        turn: lock that is held during a step, where streams share the runtime.
    """

    def __init__(
        self, model: EdgeModel, contract: Mapping[str, Any], turn: threading.Lock | None = None
    ) -> None:
        self._session = StreamingSession(model)
        self._turn = turn or threading.Lock()
        inputs = self._session.signature.inputs
        self.chunk_frames = inputs[FEATURES].shape[1]
        self.subsampling = int(contract["subsampling"])
        self.lookahead = int(contract["lookahead"])
        self.labels = int(contract["labels"])
        self._takes_present = PRESENT in inputs

    def reset(self) -> None:
        """See `StepModel`."""
        self._session.reset()

    def step(self, features: Array, present: Array) -> Array:
        """See `StepModel`."""
        inputs = {FEATURES: features[None]}
        if self._takes_present:
            inputs[PRESENT] = present[None, :, None]
        with self._turn:
            found = self._session.step(inputs)
        logits: Array = (found[LOGITS] if isinstance(found, Mapping) else found)[0]
        return logits


class EdgeRecogniser:
    """An exported speech recogniser with its alphabet and features.

    Streams may be open at the same time, in one thread or in several: each carries its own state. A
    single stream is used by one thread at a time.

    Args:
        folder: folder that exporting a recogniser wrote, with `contract.json`, `tokenizer/` and
            models.
        file: name of the model's file in the folder: one for streams, or one for whole utterances.
        target: runtime that runs the file: "litert", "tflm" or, for a folder of C code, "c".
        decoding: options by which outputs become text.
        word_model: word model that replaces the one named in `decoding`.
        share_runtime: true if all streams run on one runtime, in turns, which saves memory; false
            if each stream has a runtime of its own, so that streams in several threads run at the
            same time.

    Raises:
        UserError: a file is missing or damaged, the alphabet or the contract is another model's, or
            streams cannot share a runtime, since the file keeps its state in variables.
        DataError: the alphabet or the word model cannot be read.
    """

    def __init__(
        self,
        folder: str | Path,
        file: str = STREAMING_MODEL,
        target: str = "litert",
        decoding: DecodingConfig | None = None,
        word_model: WordModel | None = None,
        share_runtime: bool = False,
    ) -> None:
        folder = Path(folder)
        self.contract = _checked_contract(folder)
        tokenizer = load_tokenizer(folder / TOKENIZER)
        tokenizer.require_same(self.contract["vocabulary_sha256"], str(folder / CONTRACT))
        require_described(folder, self.contract, file)
        self.labels = SpeechLabels.of(tokenizer, Spelling(**self.contract.get("spelling", {})))
        self.features = FeatureConfig(**self.contract["features"])
        self.sample_rate = self.features.sample_rate
        self.channel: int = self.contract["channel"]
        self.decoding = decoding or DecodingConfig()
        if word_model is None and self.decoding.word_model:
            word_model = read_arpa(self.decoding.word_model)
        self._word_model = word_model
        self._extract = SpeechFeatures(self.features.of_streams)
        self._path, self._target = folder / file, target
        self._model = load(self._path, target)
        # Each stream has a runtime of its own, since a runtime may keep the state in itself.
        self._lent: list[tuple[EdgeModel, weakref.ref[EdgeStepModel] | None]] = [
            (self._model, None)
        ]
        self._lending = threading.Lock()
        # Whole utterances run on one runtime, whoever calls.
        self._calling = threading.Lock()
        self._turn = self._calling if share_runtime else None
        if share_runtime and self.can_stream and StreamingSession(self._model).has_variables:
            raise UserError(
                f"{self._path}: this file keeps the state of a stream in variables of its runtime, "
                "so streams cannot share one. Leave share_runtime out"
            )

    @property
    def can_stream(self) -> bool:
        """Whether the file takes an utterance in chunks."""
        return STEP_SIGNATURE in self._model.signatures

    def logits(self, samples: npt.ArrayLike) -> Array:
        """What the model says of a whole utterance, float32 [output frames, labels].

        If the model was trained with `padding_seconds`, so much noise is added first, and the
        first output frame is so much earlier than the recording.

        Args:
            samples: samples at `sample_rate`; see `pipelines.speech.audio.samples.one_channel`.

        Raises:
            UserError: see `pipelines.speech.audio.samples.one_channel`; or there are no samples.
        """
        audio = one_channel(samples)
        if not len(audio):
            raise UserError("there are no samples to recognise anything in")
        return self._logits(padded(audio, self.sample_rate, self.features.padding_seconds))

    def _logits(self, samples: Array) -> Array:
        """What the model says of samples that need no padding."""
        features = self._extract(samples)
        if not self.can_stream:
            with self._calling:
                found = self._model({FEATURES: features[None]})
            logits: Array = found[LOGITS][0]
            return logits
        stepper = FrameStepper(self._new_steps())
        return np.concatenate([stepper.push(features), stepper.finish()])

    def transcribe(
        self,
        recording: str | Path | npt.ArrayLike,
        sample_rate: int | None = None,
        padding_seconds: float | None = None,
    ) -> list[Transcript]:
        """The best transcripts of a recording, best first. Of a silent one they say so.

        Args:
            recording: a sound file, or samples as
                `pipelines.speech.audio.samples.one_channel` takes them. WAV files with 16 bits
                at the model's sample rate need no further package; others need soundfile and soxr.
                Of several channels the one is heard that the model was trained on, or their mean.
            sample_rate: sample rate of the samples in Hz, if it is not the model's; a file knows
                its own.
            padding_seconds: length of quiet noise that is added on each side, in seconds, for
                recordings that were cut where the word begins and ends; see
                `pipelines.speech.audio.padding`. None for the length that the model was trained
                with.

        Raises:
            ConfigurationError: the padding is negative or too long.
            UserError: the recording cannot be read, lacks the channel or has channels that cancel
                each other, or a package is missing for it.
        """
        alone = one_channel(self._samples(recording, sample_rate))
        if not len(alone):
            raise UserError("there are no samples to recognise anything in")
        if padding_seconds is None:
            padding_seconds = self.features.padding_seconds
        samples = padded(alone, self.sample_rate, padding_seconds)
        sound = SoundLevels(self.sample_rate, longest_seconds=None)
        sound.push(samples)
        decoder = self.decoder(sound)
        decoder.push(self._logits(samples))
        found = of_unpadded(decoder.finish(), padding_seconds, len(alone) / self.sample_rate)
        if not is_silent(alone):
            return found
        name = f"{recording}: " if isinstance(recording, str | Path) else ""
        warnings.warn(f"{name}{SILENT}", stacklevel=2)
        return of_silence(found)

    def decoder(self, sound: SoundLevels | None = None) -> SpeechDecoder:
        """What turns this model's outputs into text.

        Args:
            sound: loudness of the stream that the outputs come from, for the words' times; None for
                times by labels.
        """
        seconds = float(self.contract["seconds_per_output"])
        return SpeechDecoder(self.labels, self.decoding, seconds, self._word_model, sound)

    def stream(
        self, endpoint: EndpointConfig | None = None, sample_rate: int | None = None
    ) -> RecognitionStream:
        """Recognises a stream. Several may be open at once: each hears its own.

        Args:
            endpoint: rules by which an utterance ends; if None, it ends when its `finish` is
                called.
            sample_rate: sample rate of the pushed samples in Hz, if it is not the model's.

        Raises:
            UserError: the file takes whole utterances only, or samples of that rate need soxr.
        """
        if not self.can_stream:
            raise UserError(
                "this file takes whole utterances. Open the one for streams: "
                f"file = {STREAMING_MODEL!r}"
            )
        return RecognitionStream(
            self.features.of_streams, self._new_steps(), self.decoder(), endpoint, sample_rate
        )

    def listen(
        self, endpoint: EndpointConfig | None = None, device: int | str | None = None
    ) -> Iterator[Utterance]:
        """Yields what is said into the microphone, utterance by utterance, until it is closed.

        Args:
            endpoint: rules by which an utterance ends; the default ones if None.
            device: microphone to open; see `microphone.open_microphone`.

        Raises:
            UserError: sounddevice is not installed, or there is no microphone.
        """
        from rnn_apps.edge.speech.microphone import open_microphone

        stream = self.stream(endpoint or EndpointConfig())
        with open_microphone(self.sample_rate, device) as chunks:
            yield from stream.recognise(chunks)

    def _samples(self, recording: str | Path | npt.ArrayLike, sample_rate: int | None) -> Any:
        if isinstance(recording, str | Path):
            return read_recording(Path(recording), self.sample_rate, self.channel)
        audio = one_channel(recording)
        return resample(audio, sample_rate or self.sample_rate, self.sample_rate)

    def _new_steps(self) -> EdgeStepModel:
        """The file in steps, on a runtime that no stream uses which is still there, or on the one
        that all share."""
        if self._turn is not None:
            return EdgeStepModel(self._model, self.contract, self._turn)
        with self._lending:
            free = [model for model, user in self._lent if user is None or user() is None]
            model = free[0] if free else load(self._path, self._target)
            steps = EdgeStepModel(model, self.contract)
            others = [(lent, user) for lent, user in self._lent if lent is not model]
            self._lent = [*others, (model, weakref.ref(steps))]
        return steps


_KEYS = ("vocabulary_sha256", "features", "subsampling", "lookahead", "labels",
         "seconds_per_output")  # fmt: skip


def _checked_contract(folder: Path) -> dict[str, Any]:
    """The contract of an exported recogniser, with the entries that earlier versions left out.

    Raises:
        UserError: it cannot be read, or is not a recogniser's.
        DataError: its configuration of features, its channel or its spelling cannot be used.
    """
    # Until `channel` was stated, the mean of all channels was heard.
    contract = {"channel": 0, **read_contract(folder, "a recogniser", _KEYS)}
    channel = contract["channel"]
    if type(channel) is not int or channel < 0:
        raise DataError(
            f"channel: {channel!r} is not the number of a channel", file=folder / CONTRACT,
            advice="Channels count from 1; 0 is the mean of all. Export the run again.",
        )  # fmt: skip
    try:
        FeatureConfig(**contract["features"])
    except (TypeError, ConfigurationError) as error:
        raise DataError(f"features: {error}", file=folder / CONTRACT) from None
    try:
        # Exports of earlier versions do not state a spelling.
        Spelling(**contract.get("spelling", {}))
    except TypeError as error:
        raise DataError(f"spelling: {error}", file=folder / CONTRACT) from None
    return contract
