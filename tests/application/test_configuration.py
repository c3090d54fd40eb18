"""Configuration: the same dataclass as Python, as flags and as TOML."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.series.options import SeriesOptions
from rnn_apps.application.configuration import (
    add_flags,
    check,
    from_flags,
    option,
    read_toml,
    write_toml,
)
from rnn_apps.application.flags import refuse_repetition
from rnn_apps.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Example(TrainingConfig):
    cell: str = option("lstm", "the cell", choices=("lstm", "gru"))
    quantiles: tuple[float, ...] = option((0.1, 0.9), "levels", above=0.0, below=1.0)
    columns: tuple[str, ...] = option((), "columns")
    lag: int | None = option(None, "season", minimum=1)


def parse(*flags: str) -> Example:
    parser = argparse.ArgumentParser()
    refuse_repetition(parser)
    add_flags(parser, Example)
    return from_flags(Example, parser.parse_args(flags))


def test_every_field_is_a_flag() -> None:
    config = parse(
        "--cell", "gru", "--quantiles", "0.2,0.5", "--columns", "a,b", "--lag", "7",
        "--learning-rate", "0.1", "--no-gradient-flow", "--tensorboard",
    )  # fmt: skip
    assert config == Example(
        cell="gru",
        quantiles=(0.2, 0.5),
        columns=("a", "b"),
        lag=7,
        learning_rate=0.1,
        gradient_flow=False,
        tensorboard=True,
    )


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('cell = "gru"\nepochs = 3\nlearning_rate = 1\nquantiles = [0.3]\n')
    config = parse("--config", str(file), "--epochs", "5")
    assert (config.cell, config.epochs, config.learning_rate) == ("gru", 5, 1.0)
    assert config.quantiles == (0.3,) and config.seed == 0


def test_toml_round_trip(tmp_path: Path) -> None:
    config = Example(quantiles=(0.25, 0.75), columns=("α", 'b"c'), lag=24, run="x/y")
    write_toml(config, tmp_path / "config.toml")
    assert Example(**read_toml(Example, tmp_path / "config.toml")) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "rnn"}, "cell = 'rnn': choose from lstm, gru"),
        ({"epochs": 0}, "epochs = 0 must be at least 1"),
        ({"epochs": 1.5}, "epochs = 1.5 is not a whole number"),
        ({"epochs": True}, "epochs = True is not a whole number"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0 must be above 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate is not a number"),
        ({"quantiles": (0.5, 1.0)}, "quantiles = 1.0 must be below 1.0"),
        ({"quantiles": 0.5}, "quantiles = 0.5 is not a list, each a number"),
        ({"lag": 0}, "lag = 0 must be at least 1"),
        ({"run": 7}, "run = 7 is not a text"),
        ({"learning_rate": float("inf")}, "learning_rate = inf is not finite"),
        ({"quantiles": (0.5, float("nan"))}, "quantiles is not a number"),
        ({"epochs": 10**20}, "epochs = 100000000000000000000 is beyond 64 bits"),
        ({"seed": 2**32}, "seed = 4294967296 must be at most 4294967295"),
        ({"columns": "y"}, "columns = 'y' is not a list, each a text. For a list of one write"),
        ({"columns": [1]}, "columns = (1,) is not a list, each a text"),
        ({"columns": {"y"}}, "columns = {'y'} is not a list"),
        ({"columns": ("a", 1)}, "is not a list, each a text: 1 is not a text"),
        ({"run": (0.7, 0.1)}, 'run = (0.7, 0.1) is not a text. Write "0.7,0.1"'),
    ],
)
def test_wrong_values_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(replace(Example(), **changes))
    assert message in str(caught.value)


def test_what_python_hands_over_is_taken_as_it_is_meant(tmp_path: Path) -> None:
    """Numbers from NumPy, names from pandas and paths are what programs have."""
    config = Example(
        epochs=np.int64(3), learning_rate=np.float32(0.5), tensorboard=np.bool_(True),
        quantiles=np.array([0.25, 0.75]), columns=pd.Index(["a", "b"]), run=tmp_path,
        max_minutes=np.float64(2.5),
    )  # fmt: skip
    check(config)
    assert config == Example(
        epochs=3, learning_rate=0.5, tensorboard=True, quantiles=(0.25, 0.75),
        columns=("a", "b"), run=str(tmp_path), max_minutes=2.5,
    )  # fmt: skip
    assert type(config.epochs) is int and type(config.max_minutes) is float
    assert Example(quantiles=[np.float64(0.5)]).quantiles == (0.5,)
    write_toml(config, tmp_path / "config.toml")
    assert Example(**read_toml(Example, tmp_path / "config.toml")) == config


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbfepochs = 3\r\n")
    assert read_toml(Example, tmp_path / "config.toml") == {"epochs": 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cel = 1\n", "unknown setting 'cel'"),
        (b"cell = \n", "not valid TOML"),
        (b"cell = '\xff'\n", "not valid TOML"),
        (b"[cell]\nx = 1\n", "cell = {'x': 1} is not a text"),
        (b"learning-rate = 1\n", "unknown setting 'learning-rate'; did you mean learning_rate"),
        (b"accumulated_steps = 1\n", "unknown setting 'accumulated_steps'"),
        (b"MAY_CHANGE_ON_RESUME = ['units']\n", "unknown setting 'MAY_CHANGE_ON_RESUME'"),
        (b"learning_rate = 1e400\n", "learning_rate = inf is not finite"),
        (b"learning_rate = " + b"9" * 400 + b"\n", "learning_rate = inf is not finite"),
        (b"epochs = " + b"9" * 5000 + b"\n", "not valid TOML"),
        (b"epochs = " + b"[" * 5000, "not valid TOML"),
        (b"epochs = 2020-01-01\n", "epochs = datetime.date(2020, 1, 1) is not a whole number"),
        (b"epochs = true\n", "epochs = True is not a whole number"),
        (b"tensorboard = 1\n", "tensorboard = 1 is not true or false"),
        (b"quantiles = 0.5\n", "quantiles = 0.5 is not a list"),
        (b"quantiles = ['0.5']\n", "quantiles = ('0.5',) is not a list, each a number"),
        (b"columns = 'y'\n", "columns = 'y' is not a list, each a text"),
        (b"cell = ['lstm']\n", "cell = ('lstm',) is not a text"),
        (b"epochs = 1\nepochs = 2\n", "not valid TOML"),
        (b"[language]\nepochs = 1\n", "[language] is not a setting"),
        (b"run = 2020-01-01\n", 'is not a text. Write it in quotes: "2020-01-01"'),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        parse("--config", str(file))
    assert message in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: cannot read"):
        parse("--config", str(tmp_path / "nothing.toml"))


def test_text_that_is_no_number_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--epochs", "many")
    assert caught.value.code == 2
    assert "'many' is not a whole number" in capsys.readouterr().err


def test_lists_are_as_welcome_as_tuples() -> None:
    config = Example(columns=["a", "b"], quantiles=[0.5])  # type: ignore[arg-type]
    check(config)
    assert config == Example(columns=("a", "b"), quantiles=(0.5,))
    assert SeriesOptions(targets=["y"]) == SeriesOptions(targets=("y",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--epochs", "3", "--epochs", "5"), "given twice, as 3 and as 5"),
        (("--cell=gru", "--cell", "lstm"), "given twice, as gru and as lstm"),
        (("--tensorboard", "--no-tensorboard"), "given twice, as --tensorboard and"),
    ],
)
def test_a_flag_has_one_value(
    flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(*flags)
    assert message in capsys.readouterr().err
    assert parse("--epochs", "3", "--epochs", "3", "--tensorboard", "--tensorboard").epochs == 3
