"""Lines of a file scored many at a time, each with its own start, as a table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from language_setup import untrained_run

from rnn_apps.application.command_line import main
from rnn_apps.language_modelling import Run

TEXT = "the dog sat on the mat\nthe cat ran to the dog\n" * 40


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return untrained_run(tmp_path_factory.mktemp("lines"), TEXT)


def test_each_line_has_the_score_that_it_has_alone(run: Run) -> None:
    lines = ["the dog", "", "a", "the mat sat " * 20, *(f"{'the cat ' * n}ran" for n in range(70))]
    scores = run.score_lines(lines)
    assert [one.log_probability for one in scores[1:3]] == [None, None]
    for line, one in list(zip(lines, scores, strict=True))[:8:3]:
        alone = [token.log_probability or 0.0 for token in run.score(line)[1:]]
        assert one.tokens == len(alone)
        assert one.log_probability == pytest.approx(sum(alone), abs=1e-3)


def test_several_processes_give_the_bits_of_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["", "the Dog", *(f"{'the cat ran ' * (n % 37)}to" for n in range(200))]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    expected = run.score_lines(lines)
    command = ["language", "score", "--run", str(run.folder.path), "--processes", "2"]
    to = tmp_path / "out.csv"
    assert main([*command, "--lines", str(tmp_path / "in.txt"), "--to", str(to)]) == 0
    rows = list(csv.DictReader(to.read_text().splitlines()))
    found = [row["log probability"] for row in rows]
    assert found == ["" if one.log_probability is None else str(one.log_probability)
                     for one in expected]  # fmt: skip
    assert "scored as the unknown" in capsys.readouterr().err


def test_the_table_has_a_row_for_each_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.txt").write_text("the dog\nthe Dog!\n")
    folder, given = str(run.folder.path), str(tmp_path / "in.txt")
    to = tmp_path / "out.csv"
    arguments = ["language", "score", "--run", folder]
    assert main([*arguments, "--lines", given, "--to", str(to)]) == 0
    assert "1 of 2 lines hold characters that the model does not know" in capsys.readouterr().err
    rows = list(csv.DictReader(to.read_text().splitlines()))
    assert [row["line"] for row in rows] == ["1", "2"]
    assert [row["unknown"] for row in rows] == ["0", "2"] and rows[0]["text"] == "the dog"
    for wrong, named in (
        ([*arguments, "--lines", given, "--to", str(tmp_path / "a.xls")], ".csv, .tsv, .jsonl"),
        ([*arguments, "--lines", str(tmp_path / "none.txt")], "does not exist"),
        ([*arguments, "--text", "the", "--to", str(to)], "--to goes with --lines"),
        ([*arguments, "--text", "the", "--processes", "2"], "--processes share lines"),
        ([*arguments, "--lines", given, "--processes", "-1"], "processes = -1: name at least 1"),
    ):
        assert main(wrong) == 2
        assert named in capsys.readouterr().err
