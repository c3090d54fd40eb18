"""The command line: cheap help, honest exit codes, clean JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_apps.application.command_line import build_parser, main
from rnn_apps.application.configuration import write_toml
from rnn_apps.application.console import plain, results_only, show
from rnn_apps.application.definition import Application
from rnn_apps.application.registry import applications


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(
        [sys.executable, "-m", "rnn_apps", *arguments],
        capture_output=True, text=True, cwd=cwd, env=environment, timeout=300, check=False,
    )  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, rnn_apps.application.command_line as c\n"
        "try: c.main(['forecast', 'train', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'pandas', 'matplotlib', 'librosa', 'jinja2'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=root,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"--help imports {done.stderr}"
    assert "--learning-rate" in done.stdout


def test_every_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = [[tool] for tool in ("demo", "models", "export", "verify", "inspect")]
    for application in applications():
        own = [verb.name for verb in application.verbs]
        verbs += [[application.name, verb] for verb in ("train", "evaluate", "export", *own)]
    for words in verbs:
        with pytest.raises(SystemExit) as caught:
            build_parser().parse_args([*words, "--help"])
        assert caught.value.code == 0
        assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forcast"], "invalid choice: 'forcast'"),
        (["forecast", "train", "--epochs", "x"], "'x' is not a whole number"),
        (["forecast", "train", "--no-such-flag"], "unrecognized arguments: --no-such-flag"),
        (["forecast", "train", "--epoch-s", "3"], "Did you mean --epochs"),
        (["speech", "export", "--rum", "x", "--run", "a", "--to", "b"], "Did you mean --run"),
        (["forecast", "evaluate", "--run", "a", "--run", "b"], "given twice, as a and as b"),
    ],
)
def test_usage_errors(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_users_mistake_is_a_message_and_exit_code_2(tmp_path: Path) -> None:
    done = run("forecast", "train", "--data", "file:absent.csv", "--run", "r", cwd=tmp_path)
    assert done.returncode == 2
    assert "absent.csv" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == [], "a mistake in the data must not leave a run behind"


@pytest.mark.parametrize(
    "arguments",
    [
        ["forecast", "evaluate", "--run", "nowhere"],
        ["forecast", "train", "--config", "nowhere.toml"],
        ["inspect", "nowhere.tflite"],
        ["models", "no/such"],
    ],
)
def test_missing_things_are_named(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capfd.readouterr().err
    assert "rnn-apps: error:" in error and arguments[-1] in error


def test_the_configuration_of_another_application_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toml(applications()[1].config_type()(), tmp_path / "config.toml")
    assert main(["forecast", "train", "--config", str(tmp_path / "config.toml")]) == 2
    assert "has the settings of language, not of forecast" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "goes_on"), [(["language", "train", "--run", "x"], True), (["models"], False)]
)
def test_only_a_training_is_told_to_go_on(
    arguments: list[str], goes_on: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Application, "module", interrupted)
    monkeypatch.setattr("rnn_apps.application.model_zoo.saved_models", interrupted)
    assert main(arguments) == 130
    error = capsys.readouterr().err
    assert "stopped" in error and ("--resume" in error) == goes_on


def test_json_is_all_that_standard_output_holds(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["table"]["header"][0] == "model"


def test_what_others_print_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with results_only(True) as stream:
        os.write(1, b"from C\n")
        print("from Python")
        stream.write("{}\n")
    captured = capfd.readouterr()
    assert captured.out == "{}\n"
    assert "from C" in captured.err and "from Python" in captured.err


def test_json_has_no_nan() -> None:
    numpy = pytest.importorskip("numpy")
    value = {"a": numpy.float32(1.5), "b": float("nan"), "c": (numpy.arange(2), Path("x"))}
    assert plain(value) == {"a": 1.5, "b": None, "c": [[0, 1], "x"]}


def test_results_are_shown_without_raw_dictionaries(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        {
            "table": {"title": "", "header": ["model", "MAE"], "rows": [["ours", 0.5]]},
            "training": {"best_epoch": 2, "best": {"val_loss": 0.123456}, "stopped": ""},
            "notes": [],
            "findings": ["two rows are missing", "one is double"],
            "windows": [{"name": "a", "count": 3}, {"name": "b"}],
            "error": 1e-7,
            "details": {"never": "shown"},
        }
    )
    printed = capsys.readouterr().out
    assert "{" not in printed and "[" not in printed and "never" not in printed
    for line in (
        "training:\n  best epoch            2\n  best validation loss  0.1235\n",
        "notes: none\n",
        "findings:\n  two rows are missing\n  one is double\n",
        "error: 1e-07\n",
    ):
        assert line in printed
    assert re.search(r"│ a +│ +3 │", printed) and re.search(r"│ b +│ +– │", printed)


def test_standard_error_of_a_training_has_our_lines_only(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    lines = [f"the number {number} comes after {number - 1}\n" for number in range(400)]
    text.write_text("".join(lines))
    environment = {n: v for n, v in os.environ.items() if n != "TF_CPP_MIN_LOG_LEVEL"}
    arguments = (
        f"language train --data file:{text} --run {tmp_path / 'run'} --tokenizer characters "
        "--units 8 --layers 1 --embedding-size 4 --epochs 1 --batch-size 32 --timesteps 16 "
        "--no-gradient-flow"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rnn_apps", *arguments.split()],
        capture_output=True, text=True, env=environment, timeout=600, check=False,
    )  # fmt: skip
    ours = ("Text, file:", "Vocabulary: ", "epoch 1/1  ", "Scoring file:")
    unexpected = [line for line in done.stderr.splitlines() if not line.startswith(ours)]
    assert done.returncode == 0 and not unexpected
    assert "Vocabulary: " in done.stderr and "val_loss" in done.stderr
    assert "bits" in done.stdout and "{" not in done.stdout
