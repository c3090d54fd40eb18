"""The judgement of recordings: what was recognised compared with what was said."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.speech import Recordings
from rnn_apps.application.own_data import PARTS
from rnn_apps.edge.speech.padding import of_unpadded
from rnn_apps.edge.speech.word_model import read_arpa
from rnn_apps.speech.decoding import (
    DecodingConfig,
    SpeechDecoder,
    SpeechLabels,
    Transcript,
    decode,
)
from rnn_apps.speech.judging.breakdown import by_length, by_speaker, most_frequent_errors
from rnn_apps.speech.judging.metrics import ErrorCounts, character_errors, total, word_errors
from rnn_apps.speech.recognition import LogProbabilities
from rnn_apps.speech.run_data import Utterances, judged_batches, listened_to
from rnn_apps.speech.trained import TrainedRecogniser

_log = logging.getLogger(__name__)

GREEDY = "greedy"
HEADER = [
    "decoding", "WER %", "CER %", "substitutions", "deletions", "insertions", "words", "utterances",
    "without an error %",
]  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """The transcripts of one way of decoding, and its errors.

    Attributes:
        transcripts: transcript of each utterance.
        words: word errors of each utterance.
        characters: character errors of each utterance.
    """

    transcripts: list[Transcript]
    words: list[ErrorCounts]
    characters: list[ErrorCounts]

    @property
    def word_total(self) -> ErrorCounts:
        """The word errors of all utterances together."""
        return total(self.words)

    @property
    def character_total(self) -> ErrorCounts:
        """The character errors of all utterances together."""
        return total(self.characters)

    def row(self) -> list[Any]:
        """The figures under `HEADER`, without the name."""
        words = self.word_total
        right = sum(one.errors == 0 for one in self.words)
        return [
            100 * words.rate, 100 * self.character_total.rate, words.substitutions,
            words.deletions, words.insertions, words.reference, len(self.words),
            100 * right / len(self.words),
        ]  # fmt: skip


@dataclass(frozen=True)
class Evaluated:
    """Judged recordings.

    Attributes:
        name: name of the source and its part.
        utterances: utterances, in the order of everything else.
        log_probabilities: log probabilities of each utterance, [output frames, labels].
        rows: results of each way of decoding, by its name; the one asked for comes first.
        notes: sentences that a reader of the figures must know.
    """

    name: str
    utterances: Utterances
    log_probabilities: list[LogProbabilities]
    rows: dict[str, Judged]
    notes: list[str] = field(default_factory=list)

    @property
    def first(self) -> Judged:
        """The way of decoding that was asked for."""
        return next(iter(self.rows.values()))

    def table(self) -> dict[str, Any]:
        """The figures for the terminal and the report."""
        seconds = sum(one.seconds for one in self.utterances.store.recordings)
        title = f"{self.name}: {len(self.utterances.transcripts)} recordings, {seconds:.0f} s"
        rows = [[name, *found.row()] for name, found in self.rows.items()]
        return {"title": title, "header": HEADER, "rows": rows}


def check_decoding(run: TrainedRecogniser, decoding: DecodingConfig | None) -> list[str]:
    """Reads what decoding needs before anything is recognised, and says what of it has no effect.

    Raises:
        UserError: the word model cannot be read, or the run cannot write it or a hot word.
    """
    labels = SpeechLabels.of(run.labels.tokenizer, run.labels.spelling)
    note = SpeechDecoder(labels, decoding).note
    return [note] if note else []


def judge(
    run: TrainedRecogniser,
    recordings: str | Recordings,
    part: str,
    decoding: DecodingConfig | None = None,
) -> Evaluated:
    """Recognises recordings and counts the errors, by `decoding` and by greedy decoding.

    Every readable recording counts, also one whose transcript the model's alphabet cannot write.

    Args:
        run: trained speech recogniser.
        recordings: recordings with transcripts, or their source.
        part: name of the part that they are, for the title.
        decoding: way in which outputs become text; None for greedy decoding alone.
    """
    if isinstance(recordings, str):
        recordings = run.other_recordings(recordings)
    utterances = listened_to(run.config, recordings, run.labels)
    count = len(utterances.transcripts)
    _log.info("Recognising %d recordings of %s", count, recordings.report.source)
    found: list[LogProbabilities] = [np.zeros((0, run.labels.size), np.float32)] * count
    for number, log_probabilities in run.recogniser.of_batches(
        judged_batches(run.config, utterances)
    ):
        found[number] = log_probabilities
    greedy = DecodingConfig(method="greedy")
    rows = {}
    for name, config in ((_name(decoding), decoding), (GREEDY, greedy)):
        if config is not None and name not in rows:
            rows[name] = _decoded(run, found, utterances, config)
    name = recordings.report.source
    if part in PARTS:
        name += f", {part} part"
    return Evaluated(name, utterances, found, rows, _notes(run, utterances))


def _name(config: DecodingConfig | None) -> str:
    if config is None or config.method == "greedy":
        return GREEDY
    name = f"beam of {config.beam_width}"
    if config.word_model:
        name += f", word model (weight {config.word_model_weight:g})"
    if config.hot_words:
        name += f", {len(config.hot_words)} hot words"
    return name


def _decoded(
    run: TrainedRecogniser,
    found: list[LogProbabilities],
    utterances: Utterances,
    config: DecodingConfig,
) -> Judged:
    labels = SpeechLabels.of(run.labels.tokenizer, run.labels.spelling)
    # Read once, not once per utterance.
    model = read_arpa(config.word_model) if config.word_model else None
    seconds = run.config.seconds_per_output
    padding = run.config.padding_seconds
    transcripts = [
        of_unpadded(decode(one, labels, config, seconds, model)[:1], padding, recording.seconds)[0]
        for one, recording in zip(found, utterances.store.recordings, strict=True)
    ]
    texts = [run.labels.tidy(one.text) for one in transcripts]
    said = list(utterances.transcripts)
    return Judged(transcripts, word_errors(said, texts), character_errors(said, texts))


def _notes(run: TrainedRecogniser, utterances: Utterances) -> list[str]:
    notes = [str(finding) for finding in utterances.report.findings]
    alphabet = [run.labels.tokenizer.unknown_places(text) for text in utterances.transcripts]
    outside = sum(bool(places) for places in alphabet)
    if outside:
        notes.append(
            f"{outside} of the transcripts hold characters that the model's alphabet does not "
            "have; they count as they are"
        )
    if "builtin:" in utterances.report.source:
        notes.append(
            "this is synthetic speech, by a synthesiser: it shows that the recogniser learns, not "
            "how well it understands people"
        )
    return notes


def as_json(found: Evaluated) -> dict[str, Any]:
    """The entry of judged recordings in metrics.json."""
    first, said = found.first, found.utterances.transcripts
    recordings = found.utterances.store.recordings
    words = Counter(word for text in said for word in text.split())
    return {
        "source": found.name,
        "utterances": len(said),
        "seconds": round(sum(one.seconds for one in recordings), 3),
        "notes": found.notes,
        "decoding": {
            name: {
                "words": one.word_total.as_json(),
                "characters": one.character_total.as_json(),
            }
            for name, one in found.rows.items()
        },
        "by_speaker": by_speaker([one.speaker for one in recordings], first.words),
        "by_length": by_length(first.words),
        "errors": most_frequent_errors(said, [one.text for one in first.transcripts]),
        "different_words": len(words),
    }
