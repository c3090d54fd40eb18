"""The example scripts, each run from its command line on a little data that is made here."""

from __future__ import annotations

import importlib.util
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sound_files import write_sound

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_short_and_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    scripts = sorted(EXAMPLES.glob("*.py"))
    assert len(scripts) == 5
    for script in scripts:
        assert f"]({script.name})" in listed
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 60
        assert Path(__file__).read_text(encoding="utf-8").count(f'example("{script.stem}")') == 1


def test_forecast_my_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = datetime(2024, 1, 1)
    rows = ["time,sales"]
    for hour in range(240):
        value = 10 + 3 * np.sin(2 * np.pi * hour / 24) + hour % 7 / 10
        rows.append(f"{start + timedelta(hours=hour)},{value:.3f}")
    table = tmp_path / "sales.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    example("forecast_my_csv").main(
        [str(table), "--horizon", "6", "--lookback", "12", "--units", "4", "--epochs", "1",
         "--to", str(out)]
    )  # fmt: skip
    forecast = (out / "forecast.csv").read_text(encoding="utf-8").splitlines()
    assert len(forecast) == 1 + 6 and "2024-01-11 00:00:00" in forecast[1]
    assert (out / "run/report.html").exists() and (out / "exported/model.tflite").exists()
    assert "MASE" in capsys.readouterr().out


def test_model_my_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "novel.txt"
    text.write_text("It was a dark and stormy night.\n" * 300, encoding="utf-8")
    out = tmp_path / "out"
    example("model_my_text").main(
        [str(text), "--prompt", "It was", "--units", "8", "--batch-size", "2", "--epochs", "1",
         "--to", str(out)]
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "perplexity" in printed.lower() and "\nIt was" in printed
    assert (out / "exported/model.tflite").exists()


@pytest.mark.slow
def test_translate_my_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "five": "fünf"}
    rows = ["en\tde"]
    for first in numbers:
        for second in numbers:
            for third in numbers:
                words = (first, second, third)
                rows.append(f"{' '.join(words)}\t{' '.join(numbers[word] for word in words)}")
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("\n".join(rows) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    example("translate_my_pairs").main(
        [str(pairs), "--text", "two three four", "--vocabulary-size", "300", "--units", "8",
         "--epochs", "1", "--to", str(out)]
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "BLEU" in printed and "two three four -> " in printed
    assert (out / "exported/model.tflite").exists()


@pytest.mark.slow
def test_recognise_my_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    time = np.arange(4000) / 8000
    rows = ["path,transcript"]
    for number in range(30):
        word, pitch = [("low", 400), ("high", 1600)][number % 2]
        samples = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * generator.normal(size=len(time))
        write_sound(tmp_path / f"{number}.wav", samples.astype(np.float32), 8000)
        rows.append(f"{number}.wav,{word}")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    example("recognise_my_recordings").main(
        [str(manifest), "--transcribe", str(tmp_path / "0.wav"), "--tokenizer", "words",
         "--sample-rate", "8000", "--units", "4", "--epochs", "1", "--to", str(out)]
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "WER %" in printed and "0.wav: " in printed
    assert (out / "exported/streaming.tflite").exists()


def test_my_model_to_a_microcontroller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((5, 3)), keras.layers.GRU(4), keras.layers.Dense(2, activation="softmax")]
    )
    model.save(tmp_path / "model.keras")
    data = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    np.save(tmp_path / "examples.npy", data)
    out = tmp_path / "firmware"
    example("my_model_to_a_microcontroller").main(
        [str(tmp_path / "model.keras"), str(tmp_path / "examples.npy"), "--to", str(out)]
    )
    assert {file.name for file in out.iterdir()} >= {
        "model.tflite", "model.tflite.md", "model_model.h", "model_example.cc",
    }  # fmt: skip
    printed = capsys.readouterr().out
    assert "arena" in printed and "Add" in printed
