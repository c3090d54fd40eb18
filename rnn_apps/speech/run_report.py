"""The report of a run: error rates, where the errors lie, and utterances to look at and hear."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_apps.application.reporting.report import Report
from rnn_apps.application.reporting.training_section import add_training
from rnn_apps.speech.judging import charts
from rnn_apps.speech.judging.judgement import Evaluated
from rnn_apps.speech.network.capabilities import can_stream
from rnn_apps.speech.trained import TrainedRecogniser

if TYPE_CHECKING:
    from pipelines.speech import Recording

EXAMPLES_OF_A_KIND = 3
MOST_SECONDS_TO_HEAR = 12.0
_COUNTS = ("rate", "reference", "substitutions", "deletions", "insertions")
_COUNT_NAMES = ["WER %", "words", "substitutions", "deletions", "insertions"]


def write_report(
    run: TrainedRecogniser, found: Evaluated, details: dict[str, Any], path: Path
) -> None:
    """Writes a run's report to `path`; `details` are what metrics.json says of the recordings."""
    report = Report(
        f"Speech recogniser {run.folder.path.name}",
        footer=f"Made by: rnn-apps speech evaluate --run {run.folder.path}",
    )
    report.text(_about(run))
    for line in run.metrics.get("understood", ()):
        report.text(line)
    _accuracy(report, found)
    _where(report, details)
    _examples(report, run, found)
    _training(report, run)
    report.section("Configuration")
    report.settings(vars(run.config))
    report.write(path)


def _about(run: TrainedRecogniser) -> str:
    config = run.config
    text = (
        f"{config.layers} {'bidirectional ' if config.bidirectional else ''}{config.cell} layer(s) "
        f"of {config.units} units each, after {len(config.filters)} convolution(s), writing "
        f"{run.labels.size - 1} {run.labels.tokenizer.kind}, trained on "
        f"{config.data or 'recordings in memory'}. "
    )
    if config.padding_seconds:
        text += (
            f"It reads {config.padding_seconds:g} s of quiet noise on each side of a recording. "
        )
    if not can_stream(config):
        return text + "It needs the whole utterance, so it cannot recognise a stream."
    ahead = config.lookahead * config.seconds_per_output
    if config.padding_seconds:
        text += "A stream gets no such noise, since it has the room around it. "
    return text + (
        f"It can recognise a stream, with the same result: it sees {1000 * ahead:.0f} ms ahead, "
        f"and gives an output every {1000 * config.seconds_per_output:.0f} ms."
    )


def _accuracy(report: Report, found: Evaluated) -> None:
    report.section("How well it recognises")
    report.text(
        "Word and character error rates: the number of substitutions, insertions and deletions "
        "between the recognised text and the reference, divided by the length of the reference. "
        "Greedy decoding takes the most probable label of each frame."
    )
    table = found.table()
    report.table(table["title"], table["header"], table["rows"], marked=[0])
    for note in found.notes:
        report.text(f"{note[0].upper()}{note[1:]}.")


def _where(report: Report, details: dict[str, Any]) -> None:
    report.section("Where the errors lie")
    for key, name in (("by_speaker", "speaker"), ("by_length", "words")):
        rows = [[row[name], row["utterances"], *_counts(row)] for row in details[key]]
        if rows:
            title = "Errors per speaker, worst first" if name == "speaker" else "Errors by length"
            header = ["speaker" if name == "speaker" else "words said", "utterances"]
            report.table(title, [*header, *_COUNT_NAMES], rows)
    if details["by_length"]:
        report.figure(charts.errors_by_length(details["by_length"]), "Word error rate by length")
    errors = [
        [row["said"] or "(nothing)", row["recognised"] or "(nothing)", row["times"]]
        for row in details["errors"]
    ]
    if errors:
        report.table("The most frequent errors", ["said", "recognised", "times"], errors)


def _counts(row: dict[str, Any]) -> list[Any]:
    return [100 * row[name] if name == "rate" else row[name] for name in _COUNTS]


def _examples(report: Report, run: TrainedRecogniser, found: Evaluated) -> None:
    report.section("Utterances")
    report.text(
        "The worst, some from the middle, and the best, by errors per word and then by confidence. "
        "Upper chart: the features that the model reads. Lower chart: the probability of each "
        "label over time; the blank, which means that nothing new is written, is grey."
    )
    first = found.first
    rates = [one.errors / max(one.reference, 1) for one in first.words]
    confidences = [one.confidence for one in first.transcripts]
    order = np.lexsort((np.array(confidences), -np.array(rates)))
    middle = max((len(order) - EXAMPLES_OF_A_KIND) // 2, 0)
    shown: set[int] = set()
    for name, places in (
        ("worst", order[:EXAMPLES_OF_A_KIND]),
        ("middle", order[middle : middle + EXAMPLES_OF_A_KIND]),
        ("best", order[::-1][:EXAMPLES_OF_A_KIND]),
    ):
        for place in places.tolist():
            if place not in shown:
                shown.add(place)
                _example(report, run, found, place, name)


def _example(
    report: Report, run: TrainedRecogniser, found: Evaluated, place: int, name: str
) -> None:
    config, utterances = run.config, found.utterances
    recording = utterances.store.recordings[place]
    transcript = found.first.transcripts[place]
    report.text(
        f"{name.capitalize()}: said {utterances.transcripts[place]!r}, recognised "
        f"{transcript.text!r}, confidence {transcript.confidence:.2f} ({Path(recording.place).name}"
        f"{', ' + recording.speaker if recording.speaker else ''})"
    )
    names = [*run.labels.tokenizer.tokens, ""]
    probabilities = np.exp(found.log_probabilities[place])
    features = utterances.store.load(place)
    report.figure(
        charts.heard(
            features,
            probabilities,
            names,
            config.hop_seconds,
            config.seconds_per_output,
            config.padding_seconds,
        ),
        " ".join(f"{word.text} {word.start:.2f} s" for word in transcript.words),
    )
    if recording.seconds <= MOST_SECONDS_TO_HEAR:
        report.sound(wav_file(recording, config.sample_rate), "")


def wav_file(recording: Recording, sample_rate: int) -> bytes:
    """The content of a WAV file with a recording, 16 bits per sample.

    Args:
        recording: recording to be heard.
        sample_rate: sample rate of the file in Hz.
    """
    import soundfile

    content = io.BytesIO()
    samples = np.clip(recording.read(sample_rate), -1.0, 1.0)
    soundfile.write(content, samples, sample_rate, format="WAV", subtype="PCM_16")
    return content.getvalue()


def _training(report: Report, run: TrainedRecogniser) -> None:
    history = add_training(report, run.folder, run.config, "loss (nats per label)")
    if "val_wer" in history:
        report.figure(charts.error_rates_over_epochs(history), "Error rates on the validation part")
