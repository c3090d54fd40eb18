"""The story of the documentation: its commands work on tables as it describes them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnn_apps.application.command_line import main

PAGE = (Path(__file__).parents[2] / "docs/forecasting-story.md").read_text(encoding="utf-8")
WEEK = np.array([0.0, 1.0, 2.0, 3.0, 6.0, 9.0, -4.0])


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in fenced("bash") for line in block.replace("\\\n", "").splitlines()]
    return [shlex.split(line) for line in lines]


def write_tables(folder: Path) -> None:
    """The two tables, with the columns and the notation that the page shows."""
    random = np.random.default_rng(7)
    chain, branch = fenced("text")
    days = pd.date_range("2024-01-01", periods=280, freq="D")
    lines = [chain.splitlines()[0]]
    for number, (shop, item) in enumerate([("north", "tea"), ("north", "milk"), ("south", "tea")]):
        sold = 20 + 10 * number + WEEK[days.dayofweek] + random.normal(size=len(days))
        lines += [
            f"{day:%Y-%m-%d};{shop};{item};{value:.1f};Ada".replace(".", ",")
            for day, value in zip(days, sold, strict=True)
        ]
    (folder / "history.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    naming, first = branch.splitlines()[0].split(";")[:2]
    days = pd.date_range(first, periods=63, freq="D")
    lines = [";".join([naming, *days.strftime("%Y-%m-%d")])]
    for number, item in enumerate(["cocoa", "coffee"]):
        sold = 12 + 5 * number + WEEK[days.dayofweek] + random.normal(size=len(days))
        lines.append(";".join([item, *(f"{value:.0f}" for value in sold)]))
    (folder / "branch.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_story_ends_with_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    story = commands()
    assert [words[2] for words in story] == ["train", "train", "evaluate", "predict"]
    for words in story:
        assert words[0] == "rnn-apps"
        assert main(words[1:]) == 0
    backtest = pd.read_csv(tmp_path / "backtest.csv")
    assert set(backtest["series"]) == {"cocoa", "coffee"} and backtest["truth"].notna().all()
    week = pd.read_csv(tmp_path / "next-week.csv")
    assert list(week.columns[:3]) == ["series", "time", "forecast"]
    assert week["time"].min() == "2026-11-03" and len(week) == 2 * 7
    assert set(week.columns) == set(backtest.columns) - {"origin", "step", "truth"}
