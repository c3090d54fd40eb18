"""Models from anywhere, and places that files go to: what cannot be is said before work begins."""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.base.errors import UserError
from rnn_apps.export import ExportError, export_saved_model, export_tflite, saved_model
from rnn_apps.export.commands import VERBS, read_examples
from rnn_apps.export.forms.choice import best_of
from rnn_apps.export.model_files import open_model

BY_NAME = {verb.name: verb for verb in VERBS}
OWN_LAYER = """
import keras
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs
"""


def run(name: str, *words: object) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    BY_NAME[name].add_arguments(parser)
    return BY_NAME[name].run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = keras.Sequential([keras.Input((None, 2), name="series"), keras.layers.GRU(3)])
    path = tmp_path_factory.mktemp("models") / "model.keras"
    model.save(path)
    return path


def changed(saved: Path, path: Path, change: Any) -> Path:
    """The same .keras file with its configuration changed."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for item in source.namelist():
            content = source.read(item)
            if item == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            target.writestr(item, content)
    return path


def test_layers_of_the_models_own_are_imported_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_layers_of_a_test.py").write_text(OWN_LAYER)
    scope: dict[str, Any] = {}
    exec(compile(OWN_LAYER, "own", "exec"), scope)
    model = keras.Sequential([keras.Input((3,)), scope["Doubled"]()])
    model.save(tmp_path / "m.keras")
    with pytest.raises(UserError, match=r"does not know its class .Doubled..*--import MODULE"):
        open_model(tmp_path / "m.keras")
    with pytest.raises(UserError, match="--import absent_module: ModuleNotFoundError"):
        open_model(tmp_path / "m.keras", ["absent_module"])
    monkeypatch.chdir(tmp_path)
    for module in ("own_layers_of_a_test", str(tmp_path / "own_layers_of_a_test.py")):
        opened = open_model(tmp_path / "m.keras", [module])
        np.testing.assert_array_equal(opened(np.ones((1, 3))), np.full((1, 3), 2.0))


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)])
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        with pytest.raises(UserError, match=r"never run from a file.*--import"):
            open_model(tmp_path / name)


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(UserError, match=r"weights alone \(save_weights\)"):
        open_model(tmp_path / "m.weights.h5")


def test_an_h5_file_that_keras_reads_is_a_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((None, 2)), keras.layers.GRU(3)])
    model.save(tmp_path / "m.h5")
    np.testing.assert_allclose(
        open_model(tmp_path / "m.h5")(np.ones((1, 4, 2))), model(np.ones((1, 4, 2)))
    )
    (tmp_path / "bad.h5").write_bytes((tmp_path / "m.h5").read_bytes()[:3000])
    with pytest.raises(UserError, match="Keras 3 reads some"):
        open_model(tmp_path / "bad.h5")


def test_other_files_are_told_apart(saved: Path, tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "saved"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.onnx").write_bytes(b"")
    for name, message in {
        "saved": "is a SavedModel",
        "empty": "is a folder",
        "m.onnx": "is not a .keras file",
        "absent.keras": "no such file",
    }.items():
        with pytest.raises(UserError, match=message):
            open_model(tmp_path / name)
    for size in (0, 10, 3000):
        (tmp_path / "cut.keras").write_bytes(saved.read_bytes()[:size])
        with pytest.raises(UserError, match=r"cut\.keras: .*(damaged|not a \.keras)"):
            open_model(tmp_path / "cut.keras")


NESTED = keras.Sequential(
    [
        keras.Input((None, 2)),
        keras.layers.Conv1D(7, 2),
        keras.Sequential([keras.layers.Bidirectional(keras.layers.LSTM(3)), keras.layers.Dense(5)]),
    ]
)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize(
    ("setting", "layer"),
    [
        ('"filters": 7', r"conv1d\w*' \(Conv1D\)"),
        ('"units": 3', r"lstm_cell\w*' \(LSTMCell\)"),
        ('"units": 5', r"dense\w*' \(Dense\)"),
    ],
)
def test_weights_are_counted_before_they_are_made(
    tmp_path: Path, ending: str, setting: str, layer: str
) -> None:
    NESTED.save(tmp_path / f"m.{ending}")

    def larger(config: str) -> str:
        assert setting in config
        return config.replace(setting, setting + "00000")

    if ending == "keras":
        file = changed(tmp_path / "m.keras", tmp_path / "large.keras", lambda config: json.loads(
            larger(json.dumps(config))
        ))  # fmt: skip
    else:
        file = tmp_path / "m.h5"
        with h5py.File(file, "r+") as opened:
            opened.attrs["model_config"] = larger(opened.attrs["model_config"])
    with pytest.raises(
        UserError, match=rf"{file}: .* at least \d+ weights with those of .*{layer}"
    ):
        open_model(file)


def test_content_that_is_larger_than_it_should_be_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(2**20))
    (tmp_path / "bomb.keras").write_bytes(content.getvalue())
    monkeypatch.setattr("rnn_apps.export.model_files.LARGEST_CONTENT", 2**19)
    with pytest.raises(UserError, match="far more than the file"):
        open_model(tmp_path / "bomb.keras")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "m.lite"], "ends in .tflite"),
        (["--to", "saved", "--timesteps", 4, "--chunk", 2], "takes no --timesteps, --chunk"),
        (["--to", "m.tflite", "--chunk", 2], "chunk= is for"),
        (["--to", "m.tflite", "--mode", "streaming", "--timesteps", 4], "leave out timesteps"),
        (["--to", "m.tflite", "--batch-size", 0], "batch_size = 0"),
        (["--to", "m.tflite", "--tolerance", -1], "tolerance = -1"),
        (["--to", "taken"], "taken holds other files"),
        (["--to", "taken.tflite"], "is a folder. Name a file"),
        (["--to", "m.tflite", "--data", "wrong.npz"], r"wrong.npz: has the names 'x', 'y'"),
        (["--to", "m.tflite", "--data", "cut.npz"], "cut.npz: cannot be read"),
    ],
    ids=str,
)
def test_what_is_given_is_used_or_refused(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("taken", "taken.tflite"):
        Path(folder).mkdir()
        Path(folder, "mine.txt").write_text("mine")
    data = np.zeros((1, 4, 2), np.float32)
    np.savez("wrong.npz", x=data, y=data)
    Path("cut.npz").write_bytes(Path("wrong.npz").read_bytes()[:200])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=message):
        run("export", saved, *words)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_single_array_without_a_name_is_the_only_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", np.ones(3))
    found = read_examples(str(tmp_path / "one.npz"))
    np.testing.assert_array_equal(np.asarray(found), np.ones(3))


def test_forms_are_of_layers_that_are_there(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"form= names 'lstm'; .*recurrent layers are 'gru"):
        export_tflite(open_model(saved), tmp_path / "m.tflite", form={"lstm": "loop"})


def test_a_saved_model_replaces_only_one_of_its_kind(saved: Path, tmp_path: Path) -> None:
    model = open_model(saved)
    export_saved_model(model, tmp_path / "saved")
    export_saved_model(model, tmp_path / "saved")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        export_saved_model(model, tmp_path / "file")


def test_a_saved_model_is_compared_on_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = saved_model._call

    def wrong_in_row_2(function: Any, example: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {n: v + (example["x"] == 2.0) for n, v in called(function, example).items()}

    monkeypatch.setattr(saved_model, "_call", wrong_in_row_2)
    inputs = keras.Input((1,), name="x")
    model = keras.Model(inputs, keras.layers.Rescaling(2.0)(inputs))
    rows = np.arange(10.0)[:, None]
    with pytest.raises(ExportError, match="reloaded SavedModel differs"):
        export_saved_model(model, tmp_path / "saved", representative_data=rows)
    monkeypatch.setattr(saved_model, "_call", called)
    _, compared = saved_model.proven_saved_model(model, tmp_path / "saved", rows)
    assert str(compared) == "10 sequences"


def test_a_file_must_earn_its_size() -> None:
    kib = 2**10
    assert best_of([1.0, 0.9], [100 * kib, 300 * kib]) == 0
    assert best_of([1.0, 0.5], [100 * kib, 300 * kib]) == 1
    # Below a certain size only time counts.
    assert best_of([1.0, 0.9], [4 * kib, 60 * kib]) == 1
