"""Transcripts as files: plain text, CSV, JSON Lines, and subtitles in SRT and WebVTT."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipelines.base.atomic_files import write_text
from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.speech.transcripts import Transcript, Word

SUBTITLES = ("srt", "vtt")
FORMATS = ("txt", "csv", "jsonl", *SUBTITLES)

# A subtitle ends at a pause, and before it becomes too long to be read: two lines of 42 characters.
_PAUSE_SECONDS = 0.8
_LONGEST_SECONDS = 7.0
_MOST_CHARACTERS = 84
# What is longer than a line is no word, but text of a language that writes no spaces.
_LONGEST_WORD = 42
# The last label of a word is written inside its sound, so that a shown word would vanish too early.
_SHORTEST_SECONDS = 0.5


@dataclass(frozen=True)
class Transcribed:
    """The result of one recording.

    Attributes:
        recording: name of the recording, as it was given.
        transcripts: its transcripts, best first; empty if it cannot be used.
        error: reason why it cannot be used; empty if it was recognised.
    """

    recording: str
    transcripts: Sequence[Transcript]
    error: str = ""


class TranscriptWriter:
    """Writes transcripts to a file, or subtitles of several recordings to a folder.

    What cannot work is refused when the writer is made, before anything is recognised.

    Args:
        to: file to write to; for subtitles of several recordings, or if there is such a folder, a
            folder that receives a file per recording.
        format: name of the format, out of `FORMATS`; empty for the ending of the file's name.
        recordings: names of the recordings that are going to be written.

    Raises:
        ConfigurationError: there is no such format, the file's name does not say which, or two
            recordings would be written to the same file.
    """

    def __init__(self, to: str | Path, format: str, recordings: Sequence[str]) -> None:
        self._to = Path(to)
        ending = self._to.suffix.lower().removeprefix(".")
        self._format = format or ending
        if self._format not in FORMATS:
            reason = (
                f"format = {format!r}" if format else f"{to}: the ending does not say the format"
            )
            raise ConfigurationError(
                f"{reason}. Available: {', '.join(FORMATS)}; name the file such as "
                "transcripts.csv, or state the format"
            )
        one_file = ending in FORMATS and not self._to.is_dir()
        self._places: list[Path] = []
        if self._format not in SUBTITLES or (one_file and len(recordings) == 1):
            return
        if one_file:
            raise ConfigurationError(
                f"{to} is one file, but {len(recordings)} recordings have {self._format} files of "
                f"their own. Name a folder, and format = {self._format!r}"
            )
        self._places = [self._to / f"{Path(name).stem}.{self._format}" for name in recordings]
        taken: dict[Path, str] = {}
        for place, name in zip(self._places, recordings, strict=True):
            if place in taken:
                raise ConfigurationError(
                    f"{taken[place]} and {name} would both be written to {place}. Transcribe them "
                    "in two calls, to two folders"
                )
            taken[place] = name

    def write(self, results: Sequence[Transcribed]) -> list[str]:
        """Writes the transcripts, one result per recording that was announced.

        Returns:
            The paths of the files. A recording that cannot be used has no subtitles; a list names
            it with its error.

        Raises:
            FileError: the system refuses.
        """
        if self._places:
            self._to.mkdir(parents=True, exist_ok=True)
            written = []
            for place, result in zip(self._places, results, strict=True):
                if not result.error:
                    write_text(place, _WRITERS[self._format]([result]))
                    written.append(str(place))
            return written
        place = self._to
        if place.is_dir():
            place = place / f"transcripts.{self._format}"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, _WRITERS[self._format](results))
        return [str(place)]


def _plain(results: Sequence[Transcribed]) -> str:
    """A line per recording: its best transcript, empty for one that cannot be used."""
    lines = [one.transcripts[0].text if one.transcripts else "" for one in results]
    return "".join(f"{line}\n" for line in lines)


def _csv(results: Sequence[Transcribed]) -> str:
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(["path", "rank", "transcript", "confidence", "error"])
    for one in results:
        for rank, transcript in enumerate(one.transcripts, 1):
            writer.writerow(
                [one.recording, rank, transcript.text, f"{transcript.confidence:.4f}", ""]
            )
        if not one.transcripts:
            writer.writerow([one.recording, "", "", "", one.error])
    return content.getvalue()


def _json_lines(results: Sequence[Transcribed]) -> str:
    lines = []
    for one in results:
        entry: dict[str, object] = {"path": one.recording}
        if one.error:
            entry["error"] = one.error
        else:
            entry["transcripts"] = [asdict(transcript) for transcript in one.transcripts]
        lines.append(json.dumps(entry, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def _srt(results: Sequence[Transcribed]) -> str:
    return _cues(results, lambda number, start, end: f"{number}\n{start} --> {end}", ",")


def _vtt(results: Sequence[Transcribed]) -> str:
    return "WEBVTT\n\n" + _cues(results, lambda _, start, end: f"{start} --> {end}", ".")


def _cues(
    results: Sequence[Transcribed], heading: Callable[[int, str, str], str], mark: str
) -> str:
    [result] = results
    texts = []
    best = result.transcripts[0] if result.transcripts else Transcript("", 0.0, 1.0)
    groups, written = list(cues(best.words)), 0
    for number, group in enumerate(groups, 1):
        start, end = group[0].start, max(group[-1].end, group[0].start + _SHORTEST_SECONDS)
        if number < len(groups):
            end = min(end, groups[number][0].start)
        times = _time(start, mark), _time(end, mark)
        text, written = _as_written(group, best.text, written)
        if mark == ".":
            # WebVTT reads tags and entities in a cue's text.
            text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        texts.append(f"{heading(number, *times)}\n{text}\n\n")
    return "".join(texts)


def _as_written(group: Sequence[Word], text: str, begin: int) -> tuple[str, int]:
    """Words with spaces between them where their transcript has them, and the place after them.

    Args:
        group: words of a subtitle, or parts of words.
        text: text of the transcript, which has no space between words of some languages.
        begin: place in the text from which on the words follow.
    """
    begin += text.startswith(" ", begin)
    end = begin
    for word in group:
        end += text.startswith(" ", end)
        if not text.startswith(word.text, end):
            # A transcript that was made by hand, whose text is not that of its words.
            return " ".join(word.text for word in group), begin
        end += len(word.text)
    return text[begin:end], end


def cues(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Yields the words of each subtitle: up to a pause, seven seconds or 84 characters.

    A text without spaces, which is one word, is cut into equal parts where it is too long.
    """
    group: list[Word] = []
    for word in itertools.chain.from_iterable(map(_parts, words)):
        if group:
            characters = sum(len(one.text) + 1 for one in group) + len(word.text)
            pause = word.start - group[-1].end
            lasts = word.end - group[0].start
            if pause >= _PAUSE_SECONDS or lasts > _LONGEST_SECONDS or characters > _MOST_CHARACTERS:
                yield group
                group = []
        group.append(word)
    if group:
        yield group


def _parts(word: Word) -> list[Word]:
    """A word that is too long for a subtitle in parts, each as long in time as it has characters.

    Two parts never fit into one subtitle, where a space would stand between them.
    """
    size, lasts = len(word.text), word.end - word.start
    if size <= _LONGEST_WORD:
        return [word]
    most = min(_MOST_CHARACTERS, math.floor(_LONGEST_SECONDS * size / max(lasts, 1e-9)))
    count = math.ceil(size / max(most, 1))
    edges = [round(number * size / count) for number in range(count + 1)]
    return [
        replace(
            word, text=word.text[begin:end], start=word.start + lasts * begin / size,
            end=word.start + lasts * end / size,
        )
        for begin, end in itertools.pairwise(edges)
    ]  # fmt: skip


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(1000 * max(seconds, 0.0))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


_WRITERS: dict[str, Callable[[Sequence[Transcribed]], str]] = {
    "txt": _plain, "csv": _csv, "jsonl": _json_lines, "srt": _srt, "vtt": _vtt,
}  # fmt: skip
