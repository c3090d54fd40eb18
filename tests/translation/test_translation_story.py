"""The story of docs/translation-story.md: its files and its commands, as they stand there."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from documented_story import Story

from rnn_apps.application.command_line import main


@pytest.mark.slow
def test_the_story_works_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    story = Story("translation-story.md")
    names = "appointments.tsv", "new.en", "new.de", "second.de"
    story.write_files(tmp_path, *names)
    train, evaluate, compare = story.commands()
    assert main(train) == 0
    assert "columns that hold licences" in " ".join(capfd.readouterr().err.split())
    assert (tmp_path / "runs/appointments/origin.json").is_file()

    assert main(evaluate) == 0
    rows = list(csv.DictReader((tmp_path / "hypotheses.csv").read_text("utf-8").splitlines()))
    english, german, second = (
        (tmp_path / name).read_text("utf-8").split("\n")[:4] for name in names[1:]
    )
    assert [row["source"] for row in rows] == english
    assert [row["reference"] for row in rows] == german
    assert [row["reference 2"] for row in rows] == second
    assert all(row["hypothesis"] for row in rows)

    capfd.readouterr()
    assert main(compare) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "4 pairs, 200 samples" in shown and "runs/appointments" in shown
