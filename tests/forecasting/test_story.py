"""The story of the documentation: its commands work on tables as it describes them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from rnn_apps import forecasting
from rnn_apps.application.command_line import main

PAGE = (Path(__file__).parents[2] / "docs/forecasting-story.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in fenced("bash") for line in block.replace("\\\n", "").splitlines()]
    return [shlex.split(line) for line in lines]


def write_tables(folder: Path) -> None:
    """The two tables, written by the page's own lines, which have the layouts that it shows."""
    [program] = fenced("py")
    exec(compile(program, "docs/forecasting-story.md", "exec"), {})
    for name, shown in zip(("history.csv", "branch.csv"), fenced("text"), strict=True):
        written = (folder / name).read_text(encoding="utf-8").splitlines()
        for line, wanted in zip(written, shown.splitlines(), strict=False):
            assert line.startswith(wanted.removesuffix("...")), name


@pytest.mark.slow
def test_the_story_ends_with_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    story = commands()
    assert [words[2] for words in story] == ["train", "train", "evaluate", "predict"]
    for words in story:
        assert words[0] == "rnn-apps"
        assert main(words[1:]) == 0
    judged = forecasting.load("runs/chain").metrics["test"]["forecasters"]
    assert judged["segment GRU"]["overall"]["mase"] < judged["seasonal naive"]["overall"]["mase"]
    backtest = pd.read_csv(tmp_path / "backtest.csv")
    assert set(backtest["series"]) == {"cocoa", "coffee"} and backtest["truth"].notna().all()
    week = pd.read_csv(tmp_path / "next-week.csv")
    assert list(week.columns[:3]) == ["series", "time", "forecast"]
    assert week["time"].min() == "2026-11-03" and len(week) == 2 * 7
    assert set(week.columns) == set(backtest.columns) - {"origin", "step", "truth"}
