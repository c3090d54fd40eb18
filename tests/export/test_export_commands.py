"""The verbs `export`, `verify` and `inspect` as the command line calls them."""

from __future__ import annotations

import argparse
import inspect
import json

import numpy as np
import pytest
from edge_files import folder

from pipelines.base.errors import UserError
from rnn_apps.export import export_saved_model, export_tflite, verify
from rnn_apps.export.c import export_c
from rnn_apps.export.commands import VERBS, read_examples

BY_NAME = {verb.name: verb for verb in VERBS}


def run(name, *words):
    verb = BY_NAME[name]
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    found = verb.run(parser.parse_args([str(word) for word in words]))
    json.dumps(found)
    return found


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6, 3)), keras.layers.GRU(4, return_sequences=True), keras.layers.Dense(2)]
    )
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return path


def test_inspect_shows_signatures_as_a_table():
    found = run("inspect", folder() / "step_int8.tflite")
    assert found["quantization"] == "int8"
    rows = {(row[1], row[2]): row for row in found["table"]["rows"]}
    assert rows["input", "h"][3:5] == ["[1, 6]", "int8"]
    assert {("input", "x"), ("output", "y"), ("output", "h_out")} <= set(rows)


def test_export_writes_a_file_that_verify_confirms(model_path, tmp_path):
    data = tmp_path / "examples.npy"
    np.save(data, np.random.default_rng(0).normal(size=(12, 6, 3)).astype(np.float32))
    target = tmp_path / "model.tflite"
    found = run("export", model_path, "--to", target, "--data", data)
    assert found["compared_on"] == "12 sequences"
    assert target.is_file()
    assert found["error"] < 1e-5
    assert (tmp_path / "model.tflite.md").is_file()
    verified = run("verify", target, "--model", model_path, "--data", data)
    assert verified["compared_on"] == "12 sequences"
    assert verified["table"]["rows"][0][1] < 1e-5
    with pytest.raises(UserError, match="differs"):
        run("verify", target, "--model", model_path, "--data", data, "--tolerance", "0")


def test_a_kept_reference_stands_for_the_model(model_path, tmp_path):
    target = tmp_path / "model.tflite"
    run(
        "export",
        model_path,
        "--to",
        target,
        "--batch-size",
        2,
        "--form",
        "loop",
        "--keep-reference",
        "--no-card",
        "--time-limit",
        90,
    )
    assert not (tmp_path / "model.tflite.md").exists()
    assert run("inspect", target)["signatures"]["serving_default"]["inputs"]
    reference = tmp_path / "model.tflite.reference.npz"
    verified = run("verify", target, "--model", reference)
    assert verified["table"]["rows"][0][1] < 1e-5
    with np.load(reference) as stored:
        assert all(stored[key].shape[0] == 2 for key in stored.files)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.keras", "--to", "model.tflite"], "no such file"),
        (["MODEL", "--to", "model.tflite", "--c-files", "c"], "--target tflm"),
        (["MODEL", "--to", "folder", "--quantize", "int8"], "SavedModel"),
        (["MODEL", "--to", "model.tflite", "--data", "absent.npy"], "absent.npy"),
        (["MODEL", "--to", "model.tflite", "--time-limit", "0"], "--time-limit 0: it must be"),
        (["MODEL", "--to", "folder", "--no-card"], "takes no --no-card"),
        (["MODEL", "--to", "folder", "--target", "c", "--no-card"], "takes no --no-card"),
    ],
)
def test_what_the_user_got_wrong_is_said(model_path, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run("export", *[str(model_path) if word == "MODEL" else word for word in words])
    assert list(tmp_path.iterdir()) == []


def test_every_choice_of_python_has_a_flag():
    """Names that differ, and a metric, which is a function."""
    called = {"path": "to", "folder": "to", "representative_data": "data"}
    for verb, function in (
        ("export", export_tflite), ("export", export_saved_model), ("export", export_c),
        ("verify", verify),
    ):  # fmt: skip
        parser = argparse.ArgumentParser()
        BY_NAME[verb].add_arguments(parser)
        flags = {action.dest: action.default for action in parser._actions}
        called["path"] = "file" if verb == "verify" else "to"
        for name, parameter in inspect.signature(function).parameters.items():
            if name == "metric":
                continue
            assert called.get(name, name) in flags, (function.__name__, name)
            if name in ("time_limit", "card", "examples", "chunk"):
                assert flags[name] == parameter.default
    # Whether an int8 file takes integers depends on its target where nothing is said.
    assert inspect.signature(export_tflite).parameters["integer_io"].default is None
    parser = argparse.ArgumentParser()
    BY_NAME["export"].add_arguments(parser)
    parsed = parser.parse_args(["m.keras", "--to", "m.tflite"])
    assert parsed.integer_io is None
    assert parser.parse_args(["m.keras", "--to", "f", "--integer-io"]).integer_io is True


def test_a_file_that_numpy_takes_for_a_pickle_is_called_what_it_is(tmp_path):
    (tmp_path / "table.csv").write_text("1,2,3\n")
    with pytest.raises(UserError, match=r"table.csv: is not a .npy or .npz file"):
        read_examples(str(tmp_path / "table.csv"))


def test_examples_are_never_unpickled(tmp_path):
    path = tmp_path / "pickled.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read"):
        read_examples(str(path))
    np.savez(tmp_path / "named.npz", a=np.zeros(2), b=np.ones(3))
    assert set(read_examples(str(tmp_path / "named.npz"))) == {"a", "b"}
