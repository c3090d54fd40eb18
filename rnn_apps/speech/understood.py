"""What training understood of its recordings, in a few lines that a person would read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipelines.data_report import Finding
from pipelines.speech.recordings.labels import LabelSet
from pipelines.speech.recordings.recording import Recording
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.run_data import Utterances

_UNITS_SHOWN = 60
_RARELY, _MANY = 2, 50
_NAMES = {"train": "training", "validation": "validation", "test": "test"}
_DROPPED = ("dropped", "left out", "the first mention counts")


def understood(
    config: SpeechConfig, parts: Mapping[str, Utterances], labels: LabelSet, trained_on: int
) -> list[str]:
    """Sentences about recordings, alphabet, what was left out and what looks wrong.

    Args:
        config: configuration of the run.
        parts: utterances of the part "train" and of the parts that are held out.
        labels: labels that the model writes.
        trained_on: number of the training utterances that CTC can learn from.
    """
    counts = [_part(name, part.store.recordings) for name, part in parts.items()]
    lines = [
        f"Recordings: {', '.join(counts)}; {_speakers(parts['train'].store.recordings)}; "
        f"{_rates(config, parts)}.",
        _alphabet(labels),
    ]
    short = len(parts["train"].transcripts) - trained_on
    lines += _spellings(parts["train"].transcripts, labels)
    lines += _findings(parts, short)
    lines += _leaks(parts)
    return lines


def _part(name: str, recordings: Sequence[Recording]) -> str:
    return f"{len(recordings)} for {_NAMES[name]} ({_duration(sum(r.seconds for r in recordings))})"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _speakers(recordings: Sequence[Recording]) -> str:
    names = {one.speaker for one in recordings}
    if names == {""}:
        return "no speakers are named"
    unnamed = sum(not one.speaker for one in recordings)
    text = f"{len(names - {''})} speakers in training"
    return text + (f", and {unnamed} recordings without a speaker" if unnamed else "")


def _rates(config: SpeechConfig, parts: Mapping[str, Utterances]) -> str:
    counts = Counter(one.sample_rate for part in parts.values() for one in part.store.recordings)
    if set(counts) == {config.sample_rate}:
        return f"all at {config.sample_rate} Hz"
    found = ", ".join(f"{count} at {rate} Hz" for rate, count in counts.most_common(4))
    return f"{found}, resampled to {config.sample_rate} Hz where they differ"


def _alphabet(labels: LabelSet) -> str:
    tokenizer = labels.tokenizer
    tokens = [one for n, one in enumerate(tokenizer.tokens) if n != tokenizer.unknown_id]
    shown = " ".join(tokens[:_UNITS_SHOWN]) + (" ..." if len(tokens) > _UNITS_SHOWN else "")
    return f"The model writes {len(tokens)} {tokenizer.kind}, {labels.spelling}: {shown}"


def _spellings(transcripts: Sequence[str], labels: LabelSet) -> list[str]:
    """Sentences about characters that few transcripts hold, and numbers in two spellings."""
    if labels.tokenizer.kind == "words":
        return []
    counts = Counter(character for text in transcripts for character in set(text))
    lines = []
    digits = sum(any(c.isdigit() for c in text) for text in transcripts)
    letters = sum(any(c.isalpha() for c in text) for text in transcripts)
    if digits and letters and digits < len(transcripts):
        lines.append(
            f"{digits} of {len(transcripts)} transcripts hold digits: the same number may be "
            "spelled in two ways."
        )
    rare = [c for c, count in sorted(counts.items()) if count <= _RARELY and not c.isspace()]
    if rare and len(transcripts) >= _MANY:
        shown = " ".join(rare[:_UNITS_SHOWN])
        lines.append(f"Characters that occur only once or twice: {shown}")
    return lines


def _findings(parts: Mapping[str, Utterances], short: int) -> list[str]:
    reports = {id(part.report): part.report for part in parts.values()}
    findings = [finding for report in reports.values() for finding in report.findings]
    left_out = [one for one in findings if one.treatment.startswith(_DROPPED)]
    kept = [one for one in findings if not one.treatment.startswith(_DROPPED)]
    lines = []
    if left_out:
        total = sum(one.count for one in left_out)
        lines.append(f"Left out: {total} ({_kinds(left_out)}).")
    if short and not any(one.kind == "too short for its transcript" for one in left_out):
        lines.append(f"Left out: {short} that are too short for their transcripts.")
    if kept:
        lines.append(f"Kept although unusual: {_kinds(kept)}.")
    return lines


def _kinds(findings: Sequence[Finding]) -> str:
    texts = []
    for one in findings:
        first = f", first {one.places[0]}" if one.places else ""
        treatment = "" if one.treatment == "dropped" else f", {one.treatment}"
        texts.append(f"{one.kind}: {one.count}{treatment}{first}")
    return "; ".join(texts)


def _leaks(parts: Mapping[str, Utterances]) -> list[str]:
    """Sentences about held-out recordings and speakers that also occur in training."""
    lines = []
    # A file of features is named by the content of the recording and its segment.
    trained = set(parts["train"].store.files)
    speakers = {one.speaker for one in parts["train"].store.recordings} - {""}
    for name, part in parts.items():
        if name == "train":
            continue
        both = sum(file in trained for file in part.store.files)
        if both:
            lines.append(
                f"Attention: {both} of the {len(part.store)} {_NAMES[name]} recordings are in "
                "training, too, so the figures on them say little about other recordings."
            )
        known = {one.speaker for one in part.store.recordings} & speakers
        if known:
            lines.append(
                f"The {_NAMES[name]} recordings are of {len(known)} speakers who are heard in "
                "training, too."
            )
    return lines
