"""What the fuzz campaign damages: how each original is made and read, and what its format tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import fuzz_models, fuzz_texts
from benchmarks.fuzz_reading import Meaning, Reading, digest
from pipelines.series.loading import load_series
from pipelines.speech.audio.reading import read_audio

# Parts of a run that every evaluation writes again and that nothing depends on: plain JSON.
_RESULTS = ("run/metrics.json", "run/gradient_flow.json")


def _never(folder: Path, part: str, damage: str) -> bool:
    return False


def _always(folder: Path, part: str, damage: str) -> bool:
    return True


def _cut(folder: Path, part: str, damage: str) -> bool:
    return damage == "cut"


def _of_a_run(folder: Path, part: str, damage: str) -> bool:
    """What a run works with has checksums; its results are JSON, which may be broken."""
    return part not in _RESULTS or _broken_json(folder, part, damage)


def _broken_json(folder: Path, part: str, damage: str) -> bool:
    """Whether the part is not JSON any more; every other part has a checksum."""
    if not part.endswith(".json"):
        return True
    try:
        json.loads((folder / part).read_text(encoding="utf-8"))
    except ValueError:
        return True
    return False


@dataclass(frozen=True)
class Subject:
    """One kind of file that is read.

    Attributes:
        make: writes the original into a folder; the same bytes or meaning every time.
        parts: the files in the folder that may be damaged, as paths in it.
        read: reads the folder with the toolkit; the meaning must not depend on the folder's name.
        tells: whether the format itself tells that this part of the folder was damaged in this way
            (a checksum, a length, a syntax), so that to read it with another meaning is a fault.
        plain: what the folder says by a reading of a few lines that does not use the toolkit; None
            for a text that is broken. Where there is one, `tells` is not asked.
    """

    make: Callable[[Path], None]
    parts: Callable[[Path], list[str]]
    read: Callable[[Path], Reading]
    tells: Callable[[Path, str, str], bool] = _never
    plain: Callable[[Path], Meaning | None] | None = None


def _only(*names: str) -> Callable[[Path], list[str]]:
    return lambda folder: list(names)


def _make_parquet(folder: Path) -> None:
    fuzz_texts.series_frame().to_parquet(folder / "table.parquet", index=False)


def _read_parquet(folder: Path) -> Reading:
    return fuzz_texts.series_reading(load_series(f"file:{folder / 'table.parquet'}"), folder)


def _sound(suffix: str) -> tuple[Callable[[Path], None], Callable[[Path], Reading]]:
    """How a recording in a format is made and read."""

    def make(folder: Path) -> None:
        import soundfile

        time = np.arange(8000) / 16_000
        samples = 0.3 * np.sin(2 * np.pi * 220 * time * (1 + time))
        samples += 0.01 * np.random.default_rng(0).normal(size=len(time))
        soundfile.write(folder / f"sound.{suffix}", samples.astype(np.float32), 16_000)

    def read(folder: Path) -> Reading:
        samples = read_audio(folder / f"sound.{suffix}", 16_000)
        return Reading({"length": str(len(samples)), "samples": digest(samples)})

    return make, read


def _tokenizer(kind: str) -> tuple[Callable[[Path], None], Callable[[Path], Reading]]:
    """How a tokenizer of a kind is made and read."""
    texts = [f"{word} sat on the {word}, naïvely\n" for word in ("cat", "mat", "dog", "hat")]
    # Subwords need all bytes and more.
    size = 300 if kind == "subwords" else 60

    def make(folder: Path) -> None:
        from pipelines.tokenizers import train_tokenizer

        train_tokenizer(kind, texts, vocabulary_size=size).save(folder)

    def read(folder: Path) -> Reading:
        from pipelines.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(folder)
        ids = [int(number) for text in texts for number in tokenizer.encode(text)]
        return Reading(
            {
                "tokens": hashlib.sha256(repr(tokenizer.tokens).encode()).hexdigest(),
                "size": str(tokenizer.size),
                "ids": str(ids),
                "text": tokenizer.decode(ids),
            }
        )

    return make, read


def _files(*leave_out: str) -> Callable[[Path], list[str]]:
    """All files in the folder and below but those whose path starts with one of `leave_out`."""

    def parts(folder: Path) -> list[str]:
        paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
        return [str(path) for path in paths if not str(path).startswith(leave_out)]

    return parts


# What a run's folder holds for people to look at, and what training resumes from.
_NOT_OF_THE_MODEL = ("data/", "run/checkpoints", "run/history.csv", "run/report", "run/charts")

SUBJECTS: dict[str, Subject] = {
    "csv": Subject(
        fuzz_texts.make_csv,
        _only("table.csv"),
        fuzz_texts.read_csv,
        plain=fuzz_texts.plain_csv,
    ),
    "parquet": Subject(_make_parquet, _only("table.parquet"), _read_parquet, tells=_cut),
    "wav": Subject(_sound("wav")[0], _only("sound.wav"), _sound("wav")[1], tells=_cut),
    "flac": Subject(_sound("flac")[0], _only("sound.flac"), _sound("flac")[1], tells=_always),
    "mp3": Subject(_sound("mp3")[0], _only("sound.mp3"), _sound("mp3")[1], tells=_cut),
    "manifest-csv": Subject(
        fuzz_texts.make_manifest_csv,
        _only("list.csv"),
        fuzz_texts.read_manifest_csv,
        plain=fuzz_texts.plain_manifest_csv,
    ),
    "manifest-jsonl": Subject(
        fuzz_texts.make_manifest_jsonl,
        _only("list.jsonl"),
        fuzz_texts.read_manifest_jsonl,
        plain=fuzz_texts.plain_manifest_jsonl,
    ),
    "pairs-aligned": Subject(
        fuzz_texts.make_aligned,
        _only("pairs.en", "pairs.de"),
        fuzz_texts.read_aligned,
        plain=fuzz_texts.plain_aligned,
    ),
    "pairs-tsv": Subject(
        fuzz_texts.make_tsv,
        _only("pairs.tsv"),
        fuzz_texts.read_tsv,
        plain=fuzz_texts.plain_tsv,
    ),
    "pairs-tmx": Subject(
        fuzz_texts.make_tmx,
        _only("pairs.tmx"),
        fuzz_texts.read_tmx,
        plain=fuzz_texts.plain_tmx,
    ),
    **{
        f"tokenizer-{kind}": Subject(
            _tokenizer(kind)[0], _files(), _tokenizer(kind)[1], tells=_broken_json
        )
        for kind in ("characters", "words", "subwords")
    },
    "keras": Subject(
        fuzz_models.make_keras, _only("model.keras"), fuzz_models.read_keras, tells=_always
    ),
    "tflite": Subject(
        fuzz_models.make_tflite, _only("model.tflite"), fuzz_models.read_tflite, tells=_cut
    ),
    **{
        f"run-{name}": Subject(make, _files(*_NOT_OF_THE_MODEL), read, tells=_of_a_run)
        for name, (make, read) in fuzz_models.RUNS.items()
    },
}
