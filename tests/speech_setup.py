"""A small speech recogniser for tests: a trained one would do no more for what is tested here."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from sound_files import speech_like, write_sound

from pipelines.speech import load_recordings
from pipelines.speech.labels import LabelSet
from pipelines.tokenizers import train_tokenizer
from rnn_apps.run_folder import create_run
from rnn_apps.speech.build import build_model
from rnn_apps.speech.config import APPLICATION, SpeechConfig
from rnn_apps.speech.run import TOKENIZER, Run, load

WORDS = ("one", "two", "three", "four", "five")


def small_config(folder: Path, **options) -> SpeechConfig:
    small = {
        "run": str(folder / "run"),
        "data": f"file:{folder / 'recordings' / 'manifest.csv'}",
        "cache_dir": str(folder / "cache"),
        "processes": 1,
        "sample_rate": 8000,
        "bands": 20,
        "cell": "gru",
        "units": 12,
        "layers": 2,
        "filters": (4, 4),
        "time_kernel": 3,
        "frequency_kernel": 3,
        "lookahead": 2,
    }
    return SpeechConfig(**{**small, **options})


def small_model(config: SpeechConfig, labels: int) -> keras.Model:
    """With weights that make the outputs change from frame to frame and from label to label."""
    keras.utils.set_random_seed(3)
    size = config.feature_config().size
    statistics = (np.full(size, -12.0, np.float32), np.full(size, 4.0, np.float32))
    model = build_model(config, size, labels, statistics)
    generator = np.random.default_rng(5)
    for weight in model.trainable_weights:
        scale = 1.5 if weight.path.startswith("output") else 0.2
        weight.assign(weight + scale * generator.normal(size=weight.shape).astype("float32"))
    return model


def write_recordings(folder: Path, count: int = 6) -> None:
    rows = ["path,transcript,speaker,part"]
    for number in range(count):
        text = " ".join(WORDS[(number + place) % len(WORDS)] for place in range(1 + number % 3))
        write_sound(folder / f"{number}.wav", speech_like(0.8 + 0.2 * number, 8000, number), 8000)
        part = ("train", "train", "test")[number % 3]
        rows.append(f"{number}.wav,{text},s{number % 2},{part}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def untrained_run(folder: Path, **options) -> Run:
    """A run with recordings, whose model was never trained."""
    write_recordings(folder / "recordings")
    config = small_config(folder, **options)
    texts = [one.transcript for one in load_recordings(config.data)]
    labels = LabelSet(train_tokenizer("characters", texts))
    found = create_run(config.run, APPLICATION, config, resume=False)
    labels.tokenizer.save(found.path / TOKENIZER)
    small_model(config, labels.size).save(found.model)
    found.write_metrics(training={})
    return load(found.path)
