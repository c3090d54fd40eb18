"""The HTML report is one file, whole, and shows any text as text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rnn_apps.application.report import Report, format_cell


def make_report() -> Report:
    from matplotlib.figure import Figure

    report = Report("Run <7>", footer="made by & for tests")
    report.section("Curves")
    report.text("loss < 1 & falling")
    report.table("metrics", ["model", "MAE"], [["a<b>", 0.123456], ["b", None]], marked=[0])
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2, 3])
    report.figure(figure, "learning curve")
    report.sound(b"RIFF....", "a sound")
    return report


def test_report_is_self_contained_and_escaped(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    make_report().write(path)
    page = path.read_text(encoding="utf-8")
    assert "Run &lt;7&gt;" in page and "<b>" not in page
    assert "loss &lt; 1 &amp; falling" in page
    assert "0.1235" in page and "–" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources and all(s.startswith(("data:", "#")) for s in sources)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells in a table of 1"):
        Report("x").table("", ["only"], [["one", "two"]])


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.float32(0.5), "0.5"), (float("nan"), "–"), (True, "yes"), (12345, "12345"), ("x", "x")],
)
def test_cells(value: object, text: str) -> None:
    assert format_cell(value) == text
