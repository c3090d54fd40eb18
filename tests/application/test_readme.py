"""Every snippet of the README works as it stands there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from rnn_apps.application.command_line import main

_README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.replace("\\\n", "").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("rnn-apps ")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("index", range(len(blocks("python"))))
def test_python_snippets(index: int, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    exec(compile(blocks("python")[index], f"README snippet {index}", "exec"), {})


@pytest.mark.parametrize("index", range(len(commands())))
def test_commands(
    index: int, workplace: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(workplace)
    arguments = commands()[index]
    assert main(arguments) == 0
    printed = capfd.readouterr().out
    if "--json" in arguments:
        assert json.loads(printed)


def test_the_commands_left_what_the_readme_says(workplace: Path) -> None:
    run = workplace / "runs/demand"
    kept = {p.name for p in run.iterdir()}
    assert kept >= {
        "config.toml", "checkpoints", "model.keras", "metrics.json", "history.csv", "report.html",
    }  # fmt: skip
    assert (workplace / "runs/forecast.csv").exists()
    assert (workplace / "runs/exported/model.tflite").exists()
    assert (workplace / "runs/mine.tflite.md").exists()


def test_both_set_up_commands_are_there() -> None:
    setups = [b for b in blocks("bash") if "pip install" in b]
    assert len(setups) == 2
    assert "rnn-apps demo" in setups[0] and "-m pytest" in setups[1]
    assert "<!-- ci: tests -->" in _README
