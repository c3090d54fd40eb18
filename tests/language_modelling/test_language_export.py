"""What a language model leaves with: files that score and write as Keras does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from language_setup import untrained_run

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers import train_tokenizer
from rnn_apps.application.going_on import write_origin
from rnn_apps.edge import EdgeLanguageModel, SamplingConfig
from rnn_apps.language_modelling import Run
from rnn_apps.language_modelling.writing import WritingConfig

TEXT = "The cat sat on the mat, naïve as it was.\nIt ate 12 cakes; the dog: none!\n" * 40
GREEDY = SamplingConfig(temperature=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return untrained_run(tmp_path_factory.mktemp("export"), TEXT, cell="lstm", tied=True)


@pytest.fixture(scope="module")
def exported(run: Run) -> Path:
    to = run.folder.path.parent / "exported"
    write_origin(run.folder.path, {"from": "runs/first", "sha256": 64 * "a", "understood": []})
    found = run.export(to, ("tflite", "tflm", "tflite_int8"))
    rows = {row[0]: row for row in found["table"]["rows"]}
    assert [rows[name][4] for name in ("model.tflite", "model_tflm.tflite")] == [True, True]
    return to


@pytest.mark.parametrize(
    ("file", "target"), [("model.tflite", "litert"), ("model_tflm.tflite", "tflm")]
)
def test_a_device_writes_and_scores_as_keras(
    run: Run, exported: Path, file: str, target: str
) -> None:
    device = EdgeLanguageModel(exported, file, target)
    prompt = TEXT[:150]
    [expected] = run.generate(prompt, WritingConfig(120, GREEDY))
    assert "".join(device.write(prompt, 120, GREEDY)) == expected
    # Twice: each text begins anew.
    assert "".join(device.write(prompt, 20, GREEDY)) == expected[:20]
    scores = [one.log_probability for one in run.score(prompt)[1:]]
    np.testing.assert_allclose(device.log_probabilities(prompt), scores, atol=1e-4)


def test_a_seed_gives_the_text_that_keras_gives(run: Run, exported: Path) -> None:
    device = EdgeLanguageModel(exported)
    config = SamplingConfig(temperature=0.9, top_k=20, top_p=0.95, repetition_penalty=1.2, seed=5)
    [expected] = run.generate("The cat", WritingConfig(60, config))
    assert "".join(device.write("The cat", 60, config)) == expected


def test_the_card_says_what_quantisation_costs(exported: Path) -> None:
    card = json.loads((exported / "model_int8.tflite.json").read_text(encoding="utf-8"))
    metric = card["task_metric"]
    assert metric["name"] == "bits per token"
    assert 0 < abs(metric["file"] - metric["keras"]) < 0.5
    assert "bits per token" in (exported / "model_int8.tflite.md").read_text(encoding="utf-8")
    exact = json.loads((exported / "model.tflite.json").read_text(encoding="utf-8"))
    assert exact["task_metric"]["file"] == pytest.approx(metric["keras"], abs=1e-4)


def test_every_card_names_the_run_that_training_went_on_from(exported: Path) -> None:
    for file in ("model.tflite", "model_tflm.tflite", "model_int8.tflite"):
        card = json.loads((exported / f"{file}.json").read_text(encoding="utf-8"))
        assert card["went_on_from"] == {"run": "runs/first", "sha256": 64 * "a"}
        page = (exported / f"{file}.md").read_text(encoding="utf-8")
        line = f"`runs/first`, whose model.keras has the SHA-256 `{64 * 'a'}`"
        assert f"| training went on from | {line} |" in page


def test_the_device_refuses_what_it_cannot_use(exported: Path, tmp_path: Path) -> None:
    device = EdgeLanguageModel(exported)
    with pytest.raises(DataError, match="'Ω' at character 4"):
        next(device.write("The Ω"))
    with pytest.raises(UserError, match="2 tokens; the device knows one only"):
        next(device.write("The", stop="at"))
    assert "\n" not in "".join(device.write("The", 200, GREEDY, stop="\n"))
    with pytest.raises(DataError, match="no tokenizer"):
        EdgeLanguageModel(tmp_path)
    train_tokenizer("characters", ["other"]).save(tmp_path / "tokenizer")
    with pytest.raises(UserError, match="Give the folder that exporting a language model"):
        EdgeLanguageModel(tmp_path)
    (tmp_path / "contract.json").write_text((exported / "contract.json").read_text())
    with pytest.raises(DataError, match="another vocabulary"):
        EdgeLanguageModel(tmp_path)


def test_a_device_needs_neither_tensorflow_nor_keras(exported: Path) -> None:
    program = (
        "import sys\n"
        "from rnn_apps.edge import EdgeLanguageModel, SamplingConfig\n"
        f"model = EdgeLanguageModel({str(exported)!r})\n"
        "text = ''.join(model.write('The cat', 10, SamplingConfig(temperature=0)))\n"
        "assert len(text) == 10\n"
        "print(sorted({'tensorflow', 'keras', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_formats_that_do_not_exist_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="formats = onnx: choose from saved_model"):
        run.export(tmp_path, ("onnx",))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run.export(tmp_path / "file", ("tflite",))
