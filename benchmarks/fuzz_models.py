"""Originals of the fuzz campaign that hold models: .keras, .tflite, a trained run per application.

TensorFlow is imported by the functions that need it, so that the text subjects start at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fuzz_reading import Meaning, Reading, digest

if TYPE_CHECKING:
    import keras

TIMESTEPS, FEATURES = 6, 3
# What the configuration of a run says about places, which differ from folder to folder.
_PLACES = ("run", "data", "test", "validation", "cache_dir", "data_dir")


def make_keras(folder: Path) -> None:
    """`model.keras`: a GRU and a dense layer."""
    _small_model().save(folder / "model.keras")


def read_keras(folder: Path) -> Reading:
    """The model as `rnn-apps export` loads it."""
    _forget_names()
    from rnn_apps.export.model_files import open_model

    return Reading(_model_meaning(open_model(folder / "model.keras")))


def make_tflite(folder: Path) -> None:
    """`model.tflite`: the same model, one row, converted by TensorFlow's own converter."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(_small_model(batch_size=1, unroll=True))
    (folder / "model.tflite").write_bytes(converter.convert())


def read_tflite(folder: Path) -> Reading:
    """What `inspect` says, and what the file computes on LiteRT."""
    from rnn_apps.edge import load
    from rnn_apps.export.flatbuffers.inspection import inspect

    path = folder / "model.tflite"
    found = inspect(path).as_dict()
    # The file's own digest differs for every damaged byte, whatever it means.
    kept = {key: value for key, value in found.items() if key not in ("path", "sha256", "bytes")}
    model = load(path)
    values = np.linspace(-1, 1, TIMESTEPS * FEATURES, dtype=np.float32)
    outputs = model(values.reshape(1, TIMESTEPS, FEATURES))
    meaning = {key: repr(value) for key, value in kept.items()}
    return Reading(meaning | {f"output {name}": digest(value) for name, value in outputs.items()})


def _small_model(**options: Any) -> keras.Model:
    import keras

    batch_size = options.pop("batch_size", None)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((TIMESTEPS, FEATURES), batch_size=batch_size, name="features")
    hidden = keras.layers.GRU(5, name="gru", **options)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, name="output")(hidden), name="small")


def _model_meaning(model: keras.Model) -> Meaning:
    """Architecture and weights; what is computed from them is thereby the same."""
    config = json.dumps(model.get_config(), sort_keys=True, default=repr)
    weights = {f"weight {one.path}": digest(np.asarray(one)) for one in model.weights}
    return {"architecture": config, **weights}


def _run_meaning(run: Any, **parts: Any) -> Reading:
    """Everything that a run's verbs work with."""
    config = {key: value for key, value in vars(run.config).items() if key not in _PLACES}
    metrics = json.dumps(run.metrics, sort_keys=True)
    return Reading(
        {
            "config": repr(config),
            "metrics": metrics,
            **{name: repr(part) for name, part in parts.items()},
            **_model_meaning(run.model),
        }
    )


def _make_forecast_run(folder: Path) -> None:
    import pandas as pd

    from rnn_apps import forecasting
    from rnn_apps.forecasting.config import ForecastingConfig

    hours = np.arange(240)
    noise = np.random.default_rng(0).normal(size=len(hours))
    index = pd.date_range("2024-03-01", periods=len(hours), freq="h", name="time")
    frame = pd.DataFrame({"load": 50 + 10 * np.sin(hours / 4) + noise}, index=index)
    config = ForecastingConfig(
        run=str(folder / "run"), lookback=24, horizon=6, units=4, epochs=1, split="160,40,40"
    )
    forecasting.train(config, data=frame)


def _read_forecast_run(folder: Path) -> Reading:
    _forget_names()
    from rnn_apps import forecasting

    run = forecasting.load(folder / "run")
    yardsticks = {name: _plain(value) for name, value in vars(run.yardsticks).items()}
    return _run_meaning(run, description=run.description, yardsticks=yardsticks)


def _make_language_run(folder: Path) -> None:
    from rnn_apps import language_modelling
    from rnn_apps.language_modelling import LanguageModellingConfig

    words = np.random.default_rng(0).choice(["the", "cat", "sat", "on", "a", "mat"], 900)
    lines = [" ".join(words[start : start + 6]) for start in range(0, len(words), 6)]
    _data(folder, "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    language_modelling.train(
        LanguageModellingConfig(
            data=f"file:{folder / 'data' / 'text.txt'}", run=str(folder / "run"), cell="gru",
            split="0.8,0.1,0.1", units=6, layers=1, batch_size=4, timesteps=16, epochs=1,
        )
    )  # fmt: skip


def _read_language_run(folder: Path) -> Reading:
    _forget_names()
    from rnn_apps import language_modelling

    run = language_modelling.load(folder / "run")
    return _run_meaning(run, tokens=run.tokenizer.tokens)


def _make_speech_run(folder: Path) -> None:
    import soundfile

    from rnn_apps import speech
    from rnn_apps.speech.config import SpeechConfig

    rows = ["path,transcript,speaker,part"]
    time = np.arange(4000) / 8000
    for number in range(24):
        letter = "abc"[number % 3]
        sound = 0.2 * np.sin(2 * np.pi * (300 + 200 * (number % 3)) * time)
        sound += 0.01 * np.random.default_rng(number).normal(size=len(time))
        soundfile.write(_data(folder, f"{number}.wav"), sound.astype(np.float32), 8000)
        part = "validation" if number < 3 else "test" if number < 6 else "train"
        rows.append(f"{number}.wav,{letter} {letter},s{number % 2},{part}")
    _data(folder, "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    speech.train(
        SpeechConfig(
            data=f"file:{folder / 'data' / 'list.csv'}", run=str(folder / "run"), sample_rate=8000,
            cache_dir=str(folder / "data" / "cache"), processes=1, bands=20, cell="gru", units=6,
            layers=1, filters=(2, 2), time_kernel=3, frequency_kernel=3, epochs=1,
        )
    )  # fmt: skip


def _read_speech_run(folder: Path) -> Reading:
    _forget_names()
    from rnn_apps import speech

    run = speech.load(folder / "run")
    return _run_meaning(run, labels=run.labels.tokenizer.tokens)


def _make_translate_run(folder: Path) -> None:
    from rnn_apps import translation
    from rnn_apps.translation.config import TranslationConfig

    generator = np.random.default_rng(0)
    words = ["".join(generator.choice(list("abcdef"), 4)) for _ in range(120)]
    lines = "".join(f"{word}\t{word[::-1]}\n" for word in words)
    _data(folder, "pairs.tsv").write_text(lines, encoding="utf-8")
    translation.train(
        TranslationConfig(
            data=f"file:{folder / 'data' / 'pairs.tsv'}", run=str(folder / "run"),
            split="0.8,0.1,0.1", tokenizer="characters", cell="gru", units=6, embedding_size=6,
            epochs=1,
        )
    )  # fmt: skip


def _read_translate_run(folder: Path) -> Reading:
    _forget_names()
    from rnn_apps import translation

    run = translation.load(folder / "run")
    return _run_meaning(run, source=run.source_tokenizer.tokens, target=run.target_tokenizer.tokens)


def _forget_names() -> None:
    """Keras numbers layers without a name through the whole process; a model starts at 1 again."""
    import keras

    keras.backend.clear_session()


def _data(folder: Path, name: str) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    return folder / "data" / name


def _plain(value: Any) -> Any:
    """Arrays as digests, at any depth of dictionaries."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return digest(value) if isinstance(value, np.ndarray) else value


RUNS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Reading]]] = {
    "forecast": (_make_forecast_run, _read_forecast_run),
    "language": (_make_language_run, _read_language_run),
    "speech": (_make_speech_run, _read_speech_run),
    "translate": (_make_translate_run, _read_translate_run),
}
