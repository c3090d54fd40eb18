"""Lists of recordings in JSON: an object per line, an array of objects, or objects by a name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.base.errors import DataError

_OF_A_SOUND = {"path", "bytes", "array", "sampling_rate"}
_WANTED = 'Write one object per line: {"path": "a.wav", "transcript": "the words"}.'


def json_records(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields the number of each record and the record.

    One object per line is what NeMo and Hugging Face write; the number is that of the line. A file
    that is an array of objects, or one object with an object per recording, as SpeechBrain writes
    it, is read as a whole; the number counts its records from 1.

    Raises:
        DataError: the file is not JSON, or a record is not an object.
        UnicodeDecodeError: the file is not UTF-8.
    """
    with open(file, encoding="utf-8-sig") as lines:
        first = next((line for line in lines if line.strip()), "").strip()
        lines.seek(0)
        if _is_whole(first, file):
            yield from _of_document(lines.read().removeprefix("\ufeff"), file)
            return
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield (
                    number,
                    _object(_parsed(line.removeprefix("\ufeff"), file, number), file, number),
                )


def _is_whole(first: str, file: Path) -> bool:
    """Whether a file is one JSON document, by its first line that is not blank."""
    if first.startswith("["):
        return True
    try:
        one = json.loads(first)
    except (json.JSONDecodeError, RecursionError):
        # An object over several lines; in lists of an object per line it is a mistake.
        return first == "{" and file.suffix.lower() == ".json"
    return isinstance(one, Mapping) and _by_name(one)


def _by_name(content: Mapping[str, Any]) -> bool:
    """Whether an object has an object for each recording, and nothing else."""
    return bool(content) and all(isinstance(value, Mapping) for value in content.values())


def _of_document(text: str, file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    content = _parsed(text, file, None)
    if isinstance(content, Mapping):
        if not _by_name(content):
            raise DataError(
                "is one JSON object, but not one of recordings by their names", file=file,
                advice=_WANTED,
            )  # fmt: skip
        content = list(content.values())
    for number, record in enumerate(content, 1):
        yield number, _object(record, file, number)


def _parsed(text: str, file: Path, number: int | None) -> Any:
    def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = Counter(key for key, _ in pairs)
            twice = keys.most_common(1)[0][0]
            raise DataError(
                f"has {twice!r} {keys[twice]} times in one object, of which one would count",
                file=file, row=number, advice="Give each recording a name of its own.",
            )  # fmt: skip
        return content

    try:
        return json.loads(text, object_pairs_hook=named_once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"is not JSON: {error}", file=file, row=number, advice=_WANTED) from None


def _object(record: Any, file: Path, number: int) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise DataError("is not a JSON object", file=file, row=number, advice=_WANTED)
    return {name: value["path"] if _is_sound(value) else value for name, value in record.items()}


def _is_sound(value: Any) -> bool:
    """Whether a value is the object of a recording, as Hugging Face writes it for any column."""
    return isinstance(value, Mapping) and bool(value.get("path")) and set(value) <= _OF_A_SOUND
