"""The story of docs/language-story.md: its files and its commands, as they stand there."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from documented_story import Story

from rnn_apps.application.command_line import main


def test_the_story_works_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    story = Story("language-story.md")
    story.write_files(tmp_path, "poems.jsonl", "candidates.txt")
    train, score, generate = story.commands()
    assert main(train) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "Going on from language/world-english-bible: the weights of embedding" in said
    assert "the column 'poem': 1, read as the text" in said and "title" in said
    assert (tmp_path / "runs/poems/origin.json").is_file()
    assert (tmp_path / "runs/poems/report.html").is_file()

    assert main(score) == 0
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text("utf-8").splitlines()))
    lines = (tmp_path / "candidates.txt").read_text("utf-8").splitlines()
    assert [row["text"] for row in rows] == lines
    costs = [float(row["nats per token"]) for row in rows]
    assert max(costs[:2]) < min(costs[2:])
    assert rows[3]["unknown text"] == "ä ü"

    capfd.readouterr()
    assert main(generate) == 0
    written = capfd.readouterr().out
    assert written.startswith("The road is ") and len(written) == len("The road is ") + 60 + 1
