"""Recordings to text: short ones whole, long ones as a stream in constant memory."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError, UserError
from pipelines.base.parallel_requests import Refused, answers_in_order, number_of_processes
from pipelines.speech.audio.levels import LevelMeter, is_silent
from pipelines.speech.audio.padding import padded, require_padding
from pipelines.speech.audio.reading import AudioError, read_audio, read_header, stream_audio
from pipelines.speech.audio.samples import one_channel
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from rnn_apps.edge.speech.endpointing import EndpointConfig
from rnn_apps.edge.speech.padding import of_unpadded
from rnn_apps.edge.speech.recognition import RecognitionStream, Utterance
from rnn_apps.edge.speech.resampling import resample
from rnn_apps.edge.speech.silence import of_silence
from rnn_apps.edge.speech.word_model import WordModel, read_arpa
from rnn_apps.edge.speech.word_times import SoundLevels
from rnn_apps.speech.decoding import DecodingConfig, SpeechLabels, Transcript, decode
from rnn_apps.speech.network.capabilities import can_stream
from rnn_apps.speech.trained import TrainedRecogniser

_log = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]

STREAMED_FROM_SECONDS = 60.0
"""Longer recordings are recognised as a stream."""

SHORTEST_SECONDS = 0.02

# What Unicode's names begin with of the characters of languages that part no words by spaces.
_UNSPACED = (
    "CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA ", "FULLWIDTH ", "THAI ",
    "LAO ", "KHMER ", "MYANMAR ",
)  # fmt: skip

_WORKER = "rnn_apps.speech.transcription_worker"


class UnusableRecordingsError(DataError):
    """Some of several recordings cannot be used; the others were recognised.

    Attributes:
        transcripts: transcripts of each recording; an empty list for one that cannot be used.
        errors: reasons by the number of the recording, in the order given.
    """

    def __init__(self, transcripts: list[list[Transcript]], errors: dict[int, UserError]) -> None:
        reasons = "\n".join(f"  {number}: {error}" for number, error in errors.items())
        super().__init__(
            f"{len(errors)} of {len(transcripts)} recordings cannot be used:\n{reasons}\n"
            "The transcripts of the others are in this error's `transcripts`"
        )
        self.transcripts = transcripts
        self.errors = errors


def as_list(recordings: Any) -> list[str | Path | Samples]:
    """One recording or several as a list.

    Raises:
        UserError: it is a pair of samples and their rate.
    """
    if isinstance(recordings, str | Path | bytes | bytearray) or hasattr(recordings, "dtype"):
        return [recordings]
    found = list(recordings)
    if found and all(isinstance(one, Number) for one in found):
        return [np.asarray(found)]
    rates = [one for one in found if isinstance(one, Number)]
    if len(found) == 2 and rates:
        raise UserError(
            f"given are samples and the number {rates[0]}. If that is their sample rate, give it "
            f"as sample_rate = {rates[0]}"
        )
    return found


@dataclass(frozen=True)
class Transcription:
    """How recordings are transcribed; see `Run.transcribe`.

    Args:
        decoding: way in which outputs become text.
        sample_rate: sample rate of samples in Hz; None for the configuration's.
        endpoint: rules by which the utterances of a long recording end.
        padding_seconds: length of quiet noise added on each side of a short recording, in seconds;
            None for the configuration's.

    Raises:
        ConfigurationError: the padding is negative or longer than five seconds.
    """

    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    sample_rate: int | None = None
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    padding_seconds: float | None = None

    def __post_init__(self) -> None:
        require_padding(self.padding_seconds or 0.0)


def transcribe(
    run: TrainedRecogniser,
    recordings: Sequence[str | Path | Samples],
    settings: Transcription,
    unusable: Callable[[int, UserError], None] | None = None,
    processes: int = 1,
) -> list[list[Transcript]]:
    """See `Run.transcribe`."""
    count = number_of_processes(processes, len(recordings))
    found: list[list[Transcript]] = []
    errors: dict[int, UserError] = {}
    for number, answer in enumerate(_answers(run, recordings, settings, count)):
        if not isinstance(answer, Refused):
            found.append(answer)
            if answer[0].note:
                _log.warning("%s: %s.", _name(recordings[number], number), answer[0].note)
            continue
        if len(recordings) == 1 and unusable is None:
            raise answer.error
        found.append([])
        errors[number] = answer.error
        if unusable is not None:
            unusable(number, answer.error)
    if errors and unusable is None:
        raise UnusableRecordingsError(found, errors)
    return found


def _name(recording: str | Path | Samples, number: int) -> str:
    return str(recording) if isinstance(recording, str | Path) else f"recording {number}"


def _answers(
    run: TrainedRecogniser,
    recordings: Sequence[str | Path | Samples],
    settings: Transcription,
    processes: int,
) -> Iterator[list[Transcript] | Refused]:
    """Yields the transcripts of each recording in order, or why it cannot be used."""
    if processes > 1:
        setup = run.folder.path, settings
        yield from answers_in_order(_WORKER, setup, recordings, processes)
        return
    recognised = transcriber(run, settings)
    for one in recordings:
        try:
            yield recognised(one)
        except UserError as error:
            yield Refused(error)


def transcriber(
    run: TrainedRecogniser, settings: Transcription
) -> Callable[[str | Path | Samples], list[Transcript]]:
    """A function that gives the transcripts of a recording, best first.

    The function raises a UserError for a recording that cannot be used.

    Raises:
        UserError: the word model cannot be read.
    """
    decoding = settings.decoding
    model = read_arpa(decoding.word_model) if decoding.word_model else None
    padding_seconds = settings.padding_seconds
    if padding_seconds is None:
        padding_seconds = run.config.padding_seconds

    def recognised(one: str | Path | Samples) -> list[Transcript]:
        samples = _short(run, one, settings.sample_rate)
        if samples is None:
            return [_streamed(run, one, decoding, model, settings.endpoint)]
        return _of_samples(run, samples, decoding, model, padding_seconds)

    return recognised


def _short(
    run: TrainedRecogniser, recording: str | Path | Samples, sample_rate: int | None
) -> Samples | None:
    """The samples of a recording that is recognised as a whole; None for a long file.

    Raises:
        UserError: the recording cannot be used.
    """
    if not isinstance(recording, str | Path):
        wanted = run.config.sample_rate
        return resample(one_channel(recording), sample_rate or wanted, wanted)
    seconds = read_header(recording).seconds
    if seconds <= STREAMED_FROM_SECONDS:
        meter = LevelMeter()
        samples = read_audio(
            recording, run.config.sample_rate, observe=meter, channel=run.config.channel
        )
        meter.refuse_cancelled(recording)
        _check_length(len(samples), run, recording)
        return samples
    if not can_stream(run.config):
        raise AudioError(
            "too long",
            f"lasts {seconds:.0f} s; a model that reads the whole utterance takes "
            f"{STREAMED_FROM_SECONDS:g} s",
            recording,
            "Cut it, or train a model of one direction (bidirectional = false) with global "
            "normalisation.",
        )
    return None


def _check_length(samples: int, run: TrainedRecogniser, recording: str | Path) -> None:
    if samples < SHORTEST_SECONDS * run.config.sample_rate:
        raise DataError(
            f"holds {samples} samples, too few to hear anything", file=recording,
            advice="Give a recording of at least a few hundredths of a second.",
        )  # fmt: skip


def _of_samples(
    run: TrainedRecogniser,
    alone: Samples,
    decoding: DecodingConfig,
    model: WordModel | None,
    padding_seconds: float,
) -> list[Transcript]:
    """The transcripts of samples at the run's sample rate, best first.

    Raises:
        UserError: there are no samples.
    """
    if not len(alone):
        raise UserError("there are no samples to recognise")
    samples = padded(alone, run.config.sample_rate, padding_seconds)
    features = SpeechFeatures(run.config.feature_config().of_streams)(samples)
    inputs: dict[str, Any] = {
        "features": features[None],
        "frame_lengths": np.array([len(features)], np.int32),
    }
    [found] = run.recogniser.log_probabilities(inputs)
    labels = SpeechLabels.of(run.labels.tokenizer, run.labels.spelling)
    sound = SoundLevels(run.config.sample_rate, longest_seconds=None)
    sound.push(samples)
    transcripts = decode(found, labels, decoding, run.config.seconds_per_output, model, sound)
    inside = of_unpadded(transcripts, padding_seconds, len(alone) / run.config.sample_rate)
    return of_silence(inside) if is_silent(alone) else inside


def _streamed(
    run: TrainedRecogniser,
    recording: str | Path | Samples,
    decoding: DecodingConfig,
    model: WordModel | None,
    endpoint: EndpointConfig,
) -> Transcript:
    """One transcript of a long recording: its utterances, from pause to pause.

    Raises:
        AudioError: the recording cannot be decoded, or its channels cancel each other.
    """
    from rnn_apps.speech.streaming import recognition_stream

    assert isinstance(recording, str | Path)
    stream = recognition_stream(run, decoding, endpoint, chunk_outputs=16, word_model=model)
    meter = LevelMeter()
    blocks = stream_audio(
        recording, run.config.sample_rate, observe=meter, channel=run.config.channel
    )
    heard = list(_utterances(stream, blocks))
    meter.refuse_cancelled(recording)
    best = [one.transcripts[0] for one in heard]
    found = Transcript(
        _joined(run, [one.text for one in best if one.text]),
        sum(one.score for one in best),
        _confidence(run, heard),
        tuple(word for one in best for word in one.words),
    )
    return of_silence([found])[0] if meter.silent else found


def _utterances(stream: RecognitionStream, blocks: Iterable[Samples]) -> Iterator[Utterance]:
    """Yields all utterances of a recording, also those in which nothing was heard."""
    for block in blocks:
        yield from stream.push(block)
    yield stream.finish()


def _confidence(run: TrainedRecogniser, heard: Sequence[Utterance]) -> float:
    """The geometric mean over the labels of all utterances, as `Transcript` has it of one.

    Where no label was written, over the frames, whose blanks the utterances' confidences are of.
    """
    written = [one for one in heard if one.text]
    weights = [float(len(run.labels.tokenizer.encode(one.text))) for one in written]
    if not written:
        written, weights = list(heard), [max(one.end - one.start, 1e-9) for one in heard]
    logarithms = np.log([max(one.transcripts[0].confidence, 1e-30) for one in written])
    return float(np.exp(np.average(logarithms, weights=weights)))


def _joined(run: TrainedRecogniser, texts: Sequence[str]) -> str:
    """The texts of utterances in one, with spaces between them as the language writes them.

    A model that writes spaces writes them here too. One that writes none may be of a language
    without spaces, or may have learnt single words: its letters tell.
    """
    pieces = SpeechLabels.of(run.labels.tokenizer, run.labels.spelling).pieces
    letters = {letter for piece in pieces for letter in piece.decode("utf-8", "ignore")}
    unspaced = " " not in letters and any(map(_is_unspaced, letters))
    return ("" if unspaced else " ").join(texts)


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED)
