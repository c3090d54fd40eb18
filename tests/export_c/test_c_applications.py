"""The deployable models of all four applications as C: what a device gets is what Keras gives.

The runs are those of `tests/fixtures/earlier`: a tiny one of each application.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps import forecasting, language_modelling, speech, translation
from rnn_apps.edge import (
    DecodingConfig,
    EdgeForecaster,
    EdgeLanguageModel,
    EdgeRecogniser,
    EdgeTranslator,
    SamplingConfig,
    SearchOptions,
    load,
)
from rnn_apps.forecasting.judging.example_windows import EXAMPLES, read_examples
from rnn_apps.language_modelling.writing import WritingConfig

EARLIER = Path(__file__).parents[1] / "fixtures" / "earlier"
BOTH = ("c", "c_int8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy of the fixtures in which the runs' data is where their configuration says."""
    copy = tmp_path_factory.mktemp("applications") / "earlier"
    shutil.copytree(EARLIER, copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        yield copy


def rows(result: dict[str, Any]) -> dict[str, list[Any]]:
    assert "not written" not in result, result["not written"]
    return {row[0]: row for row in result["table"]["rows"]}


def test_a_forecaster_from_raw_values_to_raw_forecasts(folder: Path) -> None:
    run = forecasting.load(folder / "forecast")

    written = rows(run.export(folder / "forecaster", BOTH))

    windows = read_examples(run.folder.path / EXAMPLES)
    forecaster = EdgeForecaster(load(folder / "forecaster" / "c", "c"))
    given = {name: windows[name][:6] for name in forecaster.signature.inputs}
    found = forecaster(**given)
    expected = run.deployed({name: windows[name][:6] for name in run.deployed.input})
    np.testing.assert_allclose(found["forecast"], expected["forecast"], rtol=1e-5, atol=1e-4)
    # The calibration is inside, as in the .tflite file.
    assert (np.diff(found["quantiles"], axis=-1) >= 0).all()
    assert set(written) == set(BOTH)
    card = json.loads((folder / "forecaster" / "c_int8" / "card.json").read_text())
    assert 0 < card["task_metric"]["file"] < 0.05


def test_a_language_model_writes_and_scores(folder: Path) -> None:
    run = language_modelling.load(folder / "language")

    written = rows(run.export(folder / "writer", BOTH))

    device = EdgeLanguageModel(folder / "writer", "c", "c")
    greedy = SamplingConfig(temperature=0)
    [expected] = run.generate("the old sea", WritingConfig(30, greedy))
    assert "".join(device.write("the old sea", 30, greedy)) == expected
    scores = [one.log_probability for one in run.score("the old sea was green")[1:]]
    np.testing.assert_allclose(device.log_probabilities("the old sea was green"), scores, atol=1e-4)
    integers = EdgeLanguageModel(folder / "writer", "c_int8", "c")
    np.testing.assert_allclose(
        integers.log_probabilities("the old sea was green"), scores, atol=0.3
    )
    assert written["c"][4] is True


@pytest.mark.slow
def test_a_translator_searches_as_on_the_server(folder: Path) -> None:
    run = translation.load(folder / "translate")

    written = rows(run.export(folder / "translator", BOTH, longest_source=12))

    device = EdgeTranslator(folder / "translator", "c", target="c")
    sentences = ["the small dog hears", "the dog sees the old house"]
    options = SearchOptions(beam_width=3, n_best=2, coverage_penalty=0.2)
    found = device.translate(sentences, options)
    expected = run.translate(sentences, options)
    for here, there in zip(found, expected, strict=True):
        assert [one.text for one in here] == [one.text for one in there]
        np.testing.assert_allclose([o.score for o in here], [o.score for o in there], atol=1e-4)
        assert [one.alignment for one in here] == [one.alignment for one in there]
    assert written["c"][5] is True
    with pytest.raises(UserError, match="takes up to 13"):
        device.translate("the dog " * 9)
    contract = json.loads((folder / "translator" / "contract.json").read_text())
    assert contract["c"]["positions"] == 13


def test_a_recogniser_from_samples_to_labels(folder: Path) -> None:
    run = speech.load(folder / "speech")

    written = rows(run.export(folder / "recogniser", BOTH))

    greedy = DecodingConfig(method="greedy")
    device = EdgeRecogniser(folder / "recogniser", "c", "c", greedy)
    for number in (3, 7):
        file = f"data/recordings/{number}.wav"
        [expected] = run.transcribe(file, decoding=greedy)[0]
        assert device.transcribe(file)[0].text == expected.text
    # Two streams share the compiled code and nothing else.
    streams = [device.stream(), device.stream()]
    samples = np.zeros(1600, np.float32)
    assert [stream.push(samples) for stream in streams] == [[], []]
    code = folder / "recogniser" / "c"
    card = json.loads((code / "card.json").read_text())
    assert set(card["functions"]) == {"step", "features"}
    assert card["functions"]["features"]["errors"][0]["maximum_absolute"] < 2e-2
    assert (code / "src" / "recogniser_listener.c").is_file()
    assert written["c"][1] == "a stream"


@pytest.mark.parametrize("name", [pytest.param("translator", marks=pytest.mark.slow), "recogniser"])
def test_a_folder_of_several_functions_compiles_and_its_example_runs(
    name: str, folder: Path
) -> None:
    code = folder / name / "c"
    if not code.is_dir():
        pytest.skip("needs the exports of the tests above")
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", "src"]
    sources = [str(path) for path in sorted((code / "src").glob("*.c"))]

    subprocess.run(
        ["cc", *strict, *sources, "examples/desktop/main.c", "-o", "example"], cwd=code, check=True
    )
    done = subprocess.run([code / "example"], capture_output=True, text=True, check=True)

    if name == "translator":
        assert len([float(line) for line in done.stdout.split()]) == 3
    else:
        # It listens to a second of silence; what the tiny model writes then is its own affair.
        assert done.stdout.endswith("\n")


def test_c_is_written_where_it_is_asked_for() -> None:
    from rnn_apps.forecasting.device.exporting import ForecastDelivery
    from rnn_apps.speech.device.exporting import FORMATS

    assert ForecastDelivery.without_code() == (
        "saved_model", "tflite", "tflite_float16", "tflite_dynamic",
    )  # fmt: skip
    assert {"c", "c_int8"} <= set(FORMATS)


def test_what_cannot_be_is_refused_before_anything_is_written(folder: Path) -> None:
    run = translation.load(folder / "translate")

    with pytest.raises(ConfigurationError, match="longest_source = -1"):
        run.export(folder / "none", ("c",), longest_source=-1)
    with pytest.raises(ConfigurationError, match=r"longest_source = 2: the judged sentences"):
        run.export(folder / "none", ("c",), longest_source=2)
    assert not (folder / "none").exists()
