"""From the outputs of a CTC speech model to text, with times and confidence; a whole utterance at
once or a stream in pieces, with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.sequence_to_sequence import log_softmax
from rnn_apps.edge.speech.ctc import (
    AlignedLabel,
    CtcGreedy,
    CtcHypothesis,
    checked_frames,
    trailing,
)
from rnn_apps.edge.speech.ctc_beam import CtcBeamSearch
from rnn_apps.edge.speech.hot_words import HotWords
from rnn_apps.edge.speech.speech_labels import SpeechLabels as SpeechLabels
from rnn_apps.edge.speech.speech_labels import words_of
from rnn_apps.edge.speech.spelled_word_model import spelled
from rnn_apps.edge.speech.word_model import WordModel, read_arpa
from rnn_apps.edge.speech.word_scorer import WordScorer, WordWeights
from rnn_apps.edge.speech.word_times import LabelTimes, SoundLevels, WordTimes

METHODS = ("greedy", "beam")
WORD_TIMES = ("sound", "labels")


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """How outputs become text.

    Args:
        method: kind of decoding: "greedy", the best label of each frame, or "beam", prefix beam
            search.
        beam_width: number of prefixes that the search keeps.
        n_best: largest number of transcripts returned; one with "greedy".
        word_model: path of an ARPA file with an n-gram model of words; "" for none. Its words, and
            hot words, are spelled as the model's transcripts are: in lower case where those were.
        word_model_weight: factor of the word model's log probability.
        word_bonus: bonus per word in nats, so that the word model does not favour few words.
        unknown_word_penalty: penalty in nats per word that the word model does not know.
        hot_words: words and phrases to listen for.
        hot_word_boost: bonus in nats per hot word or phrase that is written.
        least_probability: probability below which a label is not tried in a frame.
        most_labels: largest number of labels that are tried in a frame.
        beam_nats: distance from the best prefix, in nats, beyond which prefixes are dropped.
        word_times: source of the words' times: "sound", the loudness around a word's labels, where
            the decoder hears the sound; or "labels", the frames in which the labels were written.

    Raises:
        ConfigurationError: a number is out of its range, or "greedy" is asked for what needs a
            beam.
    """

    method: str = "beam"
    beam_width: int = 16
    n_best: int = 1
    word_model: str = ""
    word_model_weight: float = 0.5
    word_bonus: float = 1.0
    unknown_word_penalty: float = 5.0
    hot_words: tuple[str, ...] = ()
    hot_word_boost: float = 6.0
    least_probability: float = 1e-4
    most_labels: int = 32
    beam_nats: float = 16.0
    word_times: str = "sound"

    def __post_init__(self) -> None:
        for name, choices in (("method", METHODS), ("word_times", WORD_TIMES)):
            if getattr(self, name) not in choices:
                raise ConfigurationError(
                    f"{name} = {getattr(self, name)!r}: choose from {', '.join(choices)}"
                )
        if isinstance(self.hot_words, str):
            # A text is a sequence too, of letters.
            raise ConfigurationError(
                f"hot_words = {self.hot_words!r} is not a list. For a list of one write "
                f"[{self.hot_words!r}]"
            )
        for name in ("beam_width", "n_best", "most_labels"):
            if not getattr(self, name) >= 1:
                raise ConfigurationError(f"{name} = {getattr(self, name)} must be at least 1")
        for name in ("word_model_weight", "unknown_word_penalty", "beam_nats"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ConfigurationError(f"{name} = {value:g} must be at least 0, and finite")
        for name in ("word_bonus", "hot_word_boost"):
            if not math.isfinite(getattr(self, name)):
                raise ConfigurationError(f"{name} = {getattr(self, name):g} must be finite")
        if not 0 <= self.least_probability < 1:
            raise ConfigurationError(
                f"least_probability = {self.least_probability:g} must be from 0 to below 1"
            )
        wanted = [name for name in ("word_model", "hot_words") if getattr(self, name)]
        if self.method == "greedy" and wanted:
            raise ConfigurationError(f"{' and '.join(wanted)} need method = 'beam'")


@dataclass(frozen=True)
class Word:
    """A word that was heard.

    Attributes:
        start, end: times of the word in seconds from the beginning of the stream; see
            `DecodingConfig.word_times`. By labels, they are those of the frames in which the best
            alignment emits the word's labels, which is somewhere inside its sound or after it.
        confidence: geometric mean of its labels' largest probabilities, 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What was heard.

    Attributes:
        score: log probability in nats, with the parts of word model and hot words.
        confidence: geometric mean of the labels' largest probabilities, 0 to 1; of an empty
            transcript that of the blank's.
        note: peculiarity of the recording that explains the text, such as silence; "" for none.
    """

    text: str
    score: float
    confidence: float
    words: tuple[Word, ...] = field(default=(), repr=False)
    note: str = ""


class SpeechDecoder:
    """Decodes a stream of outputs. Its memory does not grow with the stream's length, except for
    the words themselves.

    Args:
        labels: labels that the outputs stand for.
        config: options of the decoding.
        seconds_per_frame: time from one output frame to the next, in seconds.
        word_model: word model that replaces the one named in the config.
        sound: loudness of the stream that the outputs come from, for the words' times; the caller
            pushes each sample before the outputs that depend on it. None for times by labels.

    Attributes:
        quiet_frames: number of frames at the end whose most probable label is a blank or a space.
        note: note on words of the word model that the labels cannot write; "" if they can write
            all.

    Raises:
        ConfigurationError: the labels cannot write a hot word.
        DataError: the word model cannot be read, or the labels can write none of its words.
    """

    def __init__(
        self,
        labels: SpeechLabels,
        config: DecodingConfig | None = None,
        seconds_per_frame: float = 0.04,
        word_model: WordModel | None = None,
        sound: SoundLevels | None = None,
    ) -> None:
        self.labels = labels
        self.config = config or DecodingConfig()
        self._times: WordTimes | None = None
        self.seconds_per_frame = seconds_per_frame
        if word_model is None and self.config.word_model:
            word_model = read_arpa(self.config.word_model)
        hot_words = labels.hot_words(self.config.hot_words)
        self.note = ""
        if word_model is not None:
            word_model, self.note = spelled(word_model, labels)
        self._search = _search(labels, self.config, word_model, hot_words)
        self._is_pause = np.zeros(len(labels.pieces), bool)
        self._is_pause[list(labels.pauses)] = True
        if sound is not None:
            self.hear(sound)
        self.reset()

    def hear(self, sound: SoundLevels) -> None:
        """Takes the words' times from a sound, unless `word_times` is "labels".

        Args:
            sound: loudness of the stream that the outputs come from; see the class.
        """
        if self.config.word_times == "sound":
            self._times = WordTimes(sound)

    def begin_stream(self) -> None:
        """Starts a new stream and its first utterance."""
        if self._times is not None:
            self._times.reset()
        self.reset()

    def reset(self, start_seconds: float = 0.0) -> None:
        """Starts a new utterance.

        Args:
            start_seconds: beginning of the utterance in the stream, in seconds, for the words'
                times.
        """
        self._search.reset()
        self._start = start_seconds
        self._blanks = 0.0
        self.quiet_frames = 0
        self._spaced = False
        self._settled: list[Word] = []
        self._settled_labels: list[AlignedLabel] = []
        self._given = 0
        self._peaks = 0.0
        self._count = 0
        if self._times is not None:
            self._times.begin_utterance(start_seconds)

    @property
    def frames(self) -> int:
        """How many were pushed."""
        return self._search.frames

    def push(self, logits: np.ndarray) -> None:
        """Takes the next outputs, logits or log probabilities [frames, labels].

        Raises:
            UserError: the shape does not fit, or a number is NaN.
        """
        frames = checked_frames(logits, self.labels.blank)
        if not len(frames):
            return
        frames = log_softmax(frames)
        self._blanks += float(frames[:, self.labels.blank].sum())
        best = np.argmax(frames, axis=1)
        self._spaced = self._spaced or self.labels.lone_space in best
        self.quiet_frames = trailing(self._is_pause[best], self.quiet_frames)
        self._search.push(frames)
        self._settle(self._search.take_settled())

    def settled(self) -> list[Word]:
        """The words that can no longer change and were not given before."""
        found = self._settled[self._given :]
        self._given = len(self._settled)
        return found

    def partial(self) -> Transcript:
        """The best transcript of what was pushed so far, without the words that are settled."""
        (best,) = self._search.hypotheses()
        return self._transcript(best, [])

    @property
    def heard(self) -> bool:
        """Whether the best transcript so far holds any label."""
        return self._search.wrote

    @property
    def between_words(self) -> bool:
        """Whether the last word is over: after a space, where letters and spaces are written."""
        return not self._spaced or self._search.last_label in (None, self.labels.lone_space)

    def finish(self) -> list[Transcript]:
        """The best transcripts of the utterance, best first; begins a new one."""
        wanted = 1 if self.config.method == "greedy" else self.config.n_best
        # Prefixes that differ in silent labels or spaces alone are one text.
        ranked = self._search.hypotheses(max(wanted, self.config.beam_width), final=True)
        found: dict[str, Transcript] = {}
        for hypothesis in ranked:
            transcript = self._transcript(hypothesis, self._settled)
            found.setdefault(transcript.text, transcript)
            if len(found) == wanted:
                break
        transcripts = list(found.values())
        if self._times is not None and transcripts[0].words:
            self._times.end_utterance(transcripts[0].words[-1].end)
        self.reset()
        return transcripts

    def _settle(self, labels: list[AlignedLabel]) -> None:
        """Keeps the words among settled labels; the last one may still go on."""
        if not labels:
            return
        waiting = [*self._settled_labels, *labels]
        # A word's end is known once the next word has begun.
        begun = max((i for i, one in enumerate(waiting) if self._sounds(one)), default=-1)
        spaces = [i for i in range(begun + 1) if b" " in self.labels.pieces[waiting[i].label]]
        if not spaces:
            self._settled_labels = waiting
            return
        # The label with the last space may begin the next word.
        whole, self._settled_labels = waiting[: spaces[-1]], waiting[spaces[-1] :]
        self._settled.extend(self._words(whole, self._settled_labels, keep=True))
        self._peaks += sum(item.log_probability for item in whole)
        self._count += len(whole)

    def _transcript(self, hypothesis: CtcHypothesis, before: list[Word]) -> Transcript:
        aligned = [*self._settled_labels, *hypothesis.alignment]
        words = (*before, *self._words(aligned))
        peaks = sum(item.log_probability for item in aligned)
        count = len(aligned)
        if before:
            peaks, count = peaks + self._peaks, count + self._count
        if not count:
            peaks, count = self._blanks, max(1, self.frames)
        text = " ".join(word.text for word in words)
        return Transcript(text, hypothesis.score, math.exp(peaks / count), words)

    def _sounds(self, item: AlignedLabel) -> bool:
        return bool(self.labels.pieces[item.label].strip())

    def _words(
        self,
        aligned: Sequence[AlignedLabel],
        following: Sequence[AlignedLabel] = (),
        *,
        keep: bool = False,
    ) -> list[Word]:
        """The words of labels.

        Args:
            aligned: labels of whole words.
            following: labels after them.
            keep: true if the words are final, and the next call is about those after them.
        """
        spelled_words = words_of(aligned, self.labels)
        spans = [self._label_times(one) for _, one in spelled_words]
        times = [(one.first, one.end) for one in spans]
        if self._times is not None:
            after = [item for item in following if self._sounds(item)]
            known = self._label_times(after[:1]) if after else None
            times = self._times.times(spans, known, keep=keep)
        return [
            Word(
                text.decode("utf-8", errors="replace"), start, end,
                math.exp(sum(item.log_probability for item in one) / len(one)),
            )
            for (text, one), (start, end) in zip(spelled_words, times, strict=True)
        ]  # fmt: skip

    def _label_times(self, members: Sequence[AlignedLabel]) -> LabelTimes:
        first, last = members[0], members[-1]
        frames = (first.start, last.start, last.end)
        return LabelTimes(*(self._start + frame * self.seconds_per_frame for frame in frames))


def decode(
    logits: npt.ArrayLike,
    labels: SpeechLabels,
    config: DecodingConfig | None = None,
    seconds_per_frame: float = 0.04,
    word_model: WordModel | None = None,
    sound: SoundLevels | None = None,
) -> list[Transcript]:
    """The best transcripts of a whole utterance, best first; see `SpeechDecoder`.

    Args:
        logits: logits or log probabilities, [frames, labels].
        labels: labels that the outputs stand for.
        config: options of the decoding; None for the default ones.
        seconds_per_frame: time from one output frame to the next, in seconds.
        word_model: word model that replaces the one named in the config.
        sound: loudness of the utterance, all of it, for the words' times.
    """
    decoder = SpeechDecoder(labels, config, seconds_per_frame, word_model, sound)
    decoder.push(np.asarray(logits))
    return decoder.finish()


def _search(
    labels: SpeechLabels,
    config: DecodingConfig,
    model: WordModel | None,
    hot_words: tuple[str, ...],
) -> CtcGreedy | CtcBeamSearch:
    if config.method == "greedy":
        return CtcGreedy(labels.blank, labels.silent)
    scorer = None
    if model is not None or hot_words:
        scorer = WordScorer(
            labels.pieces,
            WordWeights(
                config.word_model_weight,
                config.word_bonus if model is not None else 0.0,
                config.unknown_word_penalty,
            ),
            model,
            HotWords(hot_words, config.hot_word_boost) if hot_words else None,
            hot_words,
        )
    least = math.log(config.least_probability) if config.least_probability else -math.inf
    return CtcBeamSearch(
        labels.blank, config.beam_width, scorer, least, config.most_labels, config.beam_nats,
        labels.silent,
    )  # fmt: skip
