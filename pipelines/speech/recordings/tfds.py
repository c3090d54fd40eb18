"""TensorFlow datasets of speech (librispeech, speech_commands, common_voice) as recordings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.atomic_files import atomic_folder, write_text
from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.sources import Source
from pipelines.speech.audio.samples import LOUDEST, range_advice
from pipelines.speech.cache import cache_folder
from pipelines.speech.recordings.manifests import read_manifest
from pipelines.speech.recordings.recording import Entry, parse_part
from pipelines.tensorflow_datasets import find_builder, load_prepared, prepared_state

_TEXTS = ("text", "sentence", "transcript", "label")
_SPEAKERS = ("speaker_id", "speaker", "client_id")
_VERSION = 3
USUAL_RATE = 16_000


def dataset_entries(
    source: Source,
    data_dir: str | Path | None = None,
    cache_dir: str | Path = "",
    report: DataReport | None = None,
) -> Iterator[Entry]:
    """Yields the recordings of a prepared TensorFlow dataset.

    Its examples have a fixed order and can only be read in sequence, so they are written once as
    FLAC files into the cache. Without "@SPLIT" all splits are used, and their names state the
    parts. A feature of sound, one of text (or a class label) and, if there is one, the speaker are
    read.

    Args:
        source: name and split of the dataset.
        data_dir: folder of prepared datasets; see `load_prepared`.
        cache_dir: folder that keeps the recordings; "" for the default, see `cache.cache_folder`.
        report: report that receives a note if the dataset does not state its sample rate.

    Raises:
        DataError: the dataset is not prepared, has no sound or no text, or has samples beyond 16
            bits.
    """
    builder = find_builder(source.name, data_dir)
    if not builder.data_path.exists():
        # Raises an error that says what to do about it.
        load_prepared(source.name, source.split or "all", data_dir)
    splits = [source.split] if source.split else list(builder.info.splits)
    state = prepared_state(builder)
    for split in splits:
        key = hashlib.sha256(f"{_VERSION} {state} {split}".encode()).hexdigest()[:16]
        folder = cache_folder(cache_dir) / "speech-tfds" / key
        if not (folder / "manifest.jsonl").is_file():
            with atomic_folder(folder) as beside:
                _write_examples(source, split, data_dir, builder.info.features, beside)
        yield from read_manifest(folder / "manifest.jsonl", DataReport())
    sound, _, _ = _feature_names(builder.info.features, str(source))
    if report is not None and not getattr(builder.info.features[sound], "sample_rate", None):
        report.note(
            "a dataset that does not state its sample rate", f"taken as {USUAL_RATE} Hz",
            str(source),
        )  # fmt: skip


def _write_examples(
    source: Source, split: str, data_dir: str | Path | None, features: Any, folder: Path
) -> None:
    import soundfile

    sound, text, speaker = _feature_names(features, str(source))
    names = getattr(features[text], "int2str", None)
    rate = getattr(features[sound], "sample_rate", None) or USUAL_RATE
    lines = []
    examples = load_prepared(source.name, split, data_dir)
    for number, example in enumerate(examples.as_numpy_iterator()):
        name = f"{number:07d}.flac"
        soundfile.write(
            folder / name, _sixteen_bits(example[sound], str(source)), rate, subtype="PCM_16"
        )
        words = names(int(example[text])) if names else example[text].decode()
        who = example[speaker] if speaker else ""
        who = who.decode() if isinstance(who, bytes) else str(who)
        lines.append(
            json.dumps(
                {"path": name, "transcript": words, "speaker": who, "part": parse_part(split)}
            )
        )
    write_text(folder / "manifest.jsonl", "\n".join(lines) + "\n")


def _sixteen_bits(samples: Any, place: str) -> Any:
    """Samples as int16; TensorFlow datasets have them as int64 or as numbers from -1 to 1.

    Raises:
        DataError: the samples have another range.
    """
    samples = np.asarray(samples)
    loudest = float(np.abs(samples.astype(np.float64)).max(initial=0.0))
    if samples.dtype.kind == "f":
        if not loudest <= LOUDEST:
            raise DataError(f"has samples that reach {loudest:.6g}", file=place,
                            advice=f"Prepare it again: {range_advice(loudest)}.")  # fmt: skip
        samples = np.round(samples * 2.0**15)
    elif loudest > 2**15:
        raise DataError(
            f"has whole numbers that reach {loudest:.6g}, beyond 16 bits", file=place,
            advice="Prepare it again with samples of 16 bits.",
        )  # fmt: skip
    return np.clip(samples, -(2**15), 2**15 - 1).astype(np.int16)


def _feature_names(features: Mapping[str, Any], place: str) -> tuple[str, str, str]:
    """The features of sound, text and speaker ("" if there is none)."""
    import tensorflow_datasets as tfds

    sounds = [name for name in features if isinstance(features[name], tfds.features.Audio)]
    texts = [name for name in _TEXTS if name in features]
    for names, what in ((sounds, "sound"), (texts, "text")):
        if not names:
            raise DataError(
                f"has no feature of {what} among {', '.join(features)}",
                file=place,
                advice="A dataset of recordings with transcripts is needed.",
            )
    return sounds[0], texts[0], next((name for name in _SPEAKERS if name in features), "")
