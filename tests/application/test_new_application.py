"""An application made from test code alone, by CONTRIBUTING's recipe, does all that others do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError
from rnn_apps.application import registry
from rnn_apps.application.command_line import main
from rnn_apps.application.registry import applications, register_application
from rnn_apps.edge import load

ADDRESS = "toy_application.commands:APPLICATION"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_ADDRESSES", dict(registry._ADDRESSES))
    register_application("toy", ADDRESS)
    yield


def write_numbers(path: Path, count: int = 120) -> str:
    """A wave of twelve numbers, over and over."""
    rows = (f"{np.sin(2 * np.pi * row / 12):.4f}\n" for row in range(count))
    path.write_text("".join(rows), encoding="utf-8")
    return f"file:{path}"


def called(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """The result of a verb, as JSON."""
    assert main([*arguments, "--json"]) == 0, capfd.readouterr().err
    return json.loads(capfd.readouterr().out)


def test_it_is_trained_judged_resumed_used_and_exported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, run = write_numbers(tmp_path / "numbers.txt"), tmp_path / "run"
    settings = ["--data", data, "--cell", "lstm", "--batch-size", "16", "--learning-rate", "0.03"]
    trained = called(capfd, "toy", "train", "--run", str(run), *settings, "--epochs", "12")
    assert trained["table"]["rows"][0][0] == "model" and trained["training"]["epochs"] == 12

    # It goes on where it was, with settings that it remembers; those that differ are refused.
    resumed = called(capfd, "toy", "train", "--run", str(run), "--resume", "--epochs", "30")
    assert resumed["training"]["epochs"] == 30
    again = ["toy", "train", "--run", str(run), "--resume"]
    assert main([*again, "--units", "9"]) == 2
    assert "units" in capfd.readouterr().err
    write_numbers(tmp_path / "numbers.txt", 100)
    assert main(again) == 2
    assert "does not hold the data" in capfd.readouterr().err
    write_numbers(tmp_path / "numbers.txt")

    judged = called(capfd, "toy", "evaluate", "--run", str(run))
    errors = dict(judged["table"]["rows"])
    assert 0 < errors["model"] < errors["repeat last"] and Path(judged["report"]).exists()
    guessed = called(capfd, "toy", "guess", "--run", str(run), "--after", "0,0.5,0.866,1")
    assert main(["toy", "guess", "--run", str(run), "--after", "1,2"]) == 2
    assert "the model reads 4" in capfd.readouterr().err

    exported = called(capfd, "toy", "export", "--run", str(run), "--to", str(tmp_path / "out"))
    assert [row[0] for row in exported["table"]["rows"]] == ["saved_model", "model.tflite"]
    contract = json.loads(Path(exported["contract"]).read_text())
    assert contract["outputs"] == {"next": ["batch", 1]}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "saved_model", "model.tflite", "model.tflite.json", "model.tflite.md", "contract.json",
    }  # fmt: skip
    window = np.array([0, 0.5, 0.866, 1], np.float32).reshape(1, 4, 1)
    given = load(tmp_path / "out" / "model.tflite")({"numbers": window})["next"]
    assert abs(float(given[0, 0]) - guessed["next"]) < 1e-5


def test_its_errors_are_a_users_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["toy", "train", "--run", str(run)]) == 2
    assert "no numbers are named. Say what to train on" in capfd.readouterr().err
    (tmp_path / "bad.txt").write_text("1\n2\nthree\n")
    assert main(["toy", "train", "--run", str(run), "--data", f"file:{tmp_path / 'bad.txt'}"]) == 2
    error = capfd.readouterr().err
    assert "bad.txt" in error and "row 3" in error and "'three' is not a number" in error
    assert not run.exists()


def test_names_are_taken_once() -> None:
    register_application("toy", ADDRESS)
    with pytest.raises(ConfigurationError, match="'speech' is taken by"):
        register_application("speech", ADDRESS)
    assert [application.name for application in applications()][-1] == "toy"


def test_an_installed_package_brings_its_application_with_it(tmp_path: Path) -> None:
    support = Path(__file__).parents[1] / "support"
    installed = tmp_path / "toy_application-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-application\nVersion: 1")
    (installed / "entry_points.txt").write_text(
        f"[rnn_apps.applications]\ntoy = {ADDRESS}\nbroken = nowhere.commands:APPLICATION\n"
    )
    paths = [str(Path(__file__).parents[2]), str(support), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "rnn_apps", "toy", "guess", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "--after" in done.stdout
    assert "'broken' of nowhere.commands:APPLICATION is left out" in done.stderr
