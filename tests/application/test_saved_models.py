"""Every model that comes with the toolkit loads, is undamaged, and is as good as its card says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from pipelines import WindowBatches, load_series, parse_split
from pipelines.pairs.loading import load_pairs
from pipelines.text.corpus import TextCorpus
from pipelines.text.loading import load_text
from rnn_apps import edge
from rnn_apps.application.command_line import main
from rnn_apps.application.model_zoo import SavedModel, find, named_folder, saved_models


def models() -> list[SavedModel]:
    return list(saved_models())


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_files_are_what_the_card_says(model: SavedModel) -> None:
    assert model.damaged_files() == []
    assert model.card["file"] in model.card["sha256"]
    for key in ("task", "data", "data_licence", "licence", "metric", "metric_command",
                "size_kib", "latency_ms", "contract", "made_by", "versions"):  # fmt: skip
        assert model.card[key], key


def test_a_damaged_file_is_found(tmp_path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"x")
    damaged = SavedModel("a/b", tmp_path, {"sha256": {"model.tflite": "0", "gone": "0"}})
    assert damaged.damaged_files() == ["model.tflite", "gone"]


def test_a_model_is_named_in_the_place_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = models()[0].name
    assert named_folder(name) == models()[0].folder
    assert named_folder("runs/mine") == Path("runs/mine")
    # A folder of this name comes first.
    (tmp_path / name).mkdir(parents=True)
    assert named_folder(name) == Path(name)


def test_models_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = [row[0] for row in json.loads(capfd.readouterr().out)["table"]["rows"]]
    assert {"forecast/electricity-demand", "language/world-english-bible"} <= set(listed)


def test_the_deployed_demand_model_is_as_good_as_its_card_says() -> None:
    model = find("forecast/electricity-demand")
    from rnn_apps import forecasting

    run = forecasting.load(model.folder)
    series_set = run.series()
    config = run.config
    test = WindowBatches(
        series_set, lookback=config.lookback, horizon=config.horizon,
        part=parse_split(config.split).test, batch_size=512,
    )  # fmt: skip
    device = edge.load(model.folder / model.card["file"])
    names = model.card["contract"]["inputs"]
    errors = weights = inside = 0.0
    for inputs, truth, weight in test.epoch(0).as_numpy_iterator():
        outputs = device({name: inputs[name] for name in names})
        errors += np.sum(np.abs(outputs["forecast"] - truth) * weight)
        quantiles = outputs["quantiles"]
        held = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., -1])
        inside += np.sum(held * weight)
        weights += np.sum(weight)
    metrics = model.card["metrics"]
    assert errors / weights == pytest.approx(metrics["mae"], rel=1e-4)
    assert inside / weights == pytest.approx(metrics["coverage_80"], abs=2e-3)
    assert metrics["mase"] < 1


def test_the_demand_models_data_is_still_the_cards() -> None:
    series_set = load_series("builtin:elecdemand")
    assert len(series_set.series[0].target) == 17_520


def test_the_deployed_bible_model_is_as_good_as_its_card_says() -> None:
    model = find("language/world-english-bible")
    assert (model.folder / model.card["file"]).stat().st_size < 2 * 2**20
    device = edge.EdgeLanguageModel(model.folder)
    [_, _, test] = builtin_text_parts()
    text = "".join(test.chunks())
    # The first character is not predicted.
    assert len(text) - 1 == model.card["metrics"]["characters"]
    tokens = device.tokenizer.encode_known(text, "the test text")
    # As many as the file's own card was measured on; the whole takes a minute.
    card = json.loads((model.folder / "model.tflite.json").read_text(encoding="utf-8"))
    metric = card["task_metric"]
    bits = -device.score_tokens(tokens[:4096]).mean() / np.log(2)
    assert bits == pytest.approx(metric["file"], abs=1e-3)
    assert metric["file"] == pytest.approx(metric["keras"], abs=1e-4)
    metrics = model.card["metrics"]
    assert metrics["bits_per_character"] < metrics["baseline_bits_per_character"]
    written = "".join(device.write("In the beginning", 60, edge.SamplingConfig(temperature=0)))
    assert len(written) == 60 and len(set(written)) > 8


def test_the_bible_model_opens_as_a_run() -> None:
    from rnn_apps import language_modelling
    from rnn_apps.language_modelling.writing import WritingConfig

    model = find("language/world-english-bible")
    run = language_modelling.load(model.folder)
    greedy = edge.SamplingConfig(temperature=0)
    [text] = run.generate("God said", WritingConfig(40, greedy))
    device = edge.EdgeLanguageModel(model.folder)
    assert "".join(device.write("God said", 40, greedy)) == text


def test_the_deployed_phrases_model_is_as_good_as_its_card_says() -> None:
    """In every second phrase; values of the test part were never trained on."""
    model = find("translate/localised-phrases")
    assert (model.folder / model.card["file"]).stat().st_size < 3 * 2**20
    pairs = load_pairs("builtin:phrases").test
    assert pairs is not None and len(pairs.source) == 1200
    device = edge.EdgeTranslator(model.folder)
    found = [one[0].text for one in device.translate(pairs.source[::2])]
    right = np.mean([text == target for text, target in zip(found, pairs.target[::2], strict=True)])
    assert right == pytest.approx(model.card["metrics"]["exact"], abs=0.01)
    assert right > 0.95


def builtin_text_parts() -> list[TextCorpus]:
    parts = load_text("builtin:world_english_bible")
    assert parts.validation is not None and parts.test is not None
    return [parts.train, parts.validation, parts.test]


def test_the_recorded_digits_model_hears_on_the_device_what_keras_hears() -> None:
    from rnn_apps import speech

    model = find("speech/recorded-digits")
    assert model.card["data_licence"].startswith("CC BY-SA 4.0")
    assert model.card["metrics"]["word_error_rate"] < 0.01
    assert (model.folder / model.card["file"]).stat().st_size < 2 * 2**20
    run, device = speech.load(model.folder), edge.EdgeRecogniser(model.folder)
    generator = np.random.default_rng(0)
    # Hums of changing pitch are no digits, but the model must not care which runtime hears them.
    time = np.arange(16_000) / 8000
    pitch = np.cumsum(150 + 60 * np.sin(7 * time)) / 8000
    samples = (0.2 * np.sign(np.sin(2 * np.pi * pitch)) * (np.sin(9 * time) > 0)).astype(np.float32)
    samples += 0.01 * generator.standard_normal(len(samples)).astype(np.float32)
    greedy = speech.DecodingConfig(method="greedy")
    [[expected]] = run.transcribe(samples, greedy)
    device.decoding = greedy
    assert device.transcribe(samples)[0].text == expected.text


def test_the_recorded_digits_model_knows_people_s_digits() -> None:
    data = os.environ.get("RNN_APPS_DATA")
    if not data:
        pytest.skip("RNN_APPS_DATA is not set")
    from rnn_apps import speech

    run = speech.load(find("speech/recorded-digits").folder)
    files = [
        path
        for path in sorted(Path(data, "fsdd").glob("*_[jlty]*_?.wav"))
        if 5 <= int(path.stem[-1]) <= 9
    ]
    assert len(files) == 200
    # Without the silence that a digit has around it in a string, and so a little worse.
    heard = [found[0].text for found in run.transcribe(files)]
    right = sum(text == path.name[0] for text, path in zip(heard, files, strict=True))
    assert right / len(files) > 0.9
