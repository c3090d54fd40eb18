"""The HTML report is one file, whole, and shows any text as text."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest

from rnn_apps.application.reporting.report import Report
from rnn_apps.application.reporting.shown_values import format_cell


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


def test_columns_of_numbers_are_right_aligned_and_text_is_not() -> None:
    report = Report("x")
    report.table("", ["model", "MAE", "note"], [["a", np.float32(1), "3"], ["b", None, "four"]])
    page = report.html()
    assert '<th scope="col" class="number">MAE</th>' in page
    assert '<td class="number">–</td>' in page
    assert '<th scope="col">note</th>' in page and "<td>3</td>" in page


def test_nested_figures_are_rows_and_lists_are_read_as_text() -> None:
    report = Report("x")
    training = {"best": {"loss": 0.10625, "val_loss": 0.25}, "stopped": "", "sizes": (3, 4)}
    report.figures({**training, "layers": [{"units": 8}, {"units": 16}]})
    report.settings({"embedding_size": None, "quantiles": (0.1, 0.9), "shares": {"val_a": 1}})
    cells = re.findall(r"<td>([^<]*)</td>", report.html())
    assert list(zip(cells[::2], cells[1::2], strict=True)) == [
        ("best loss", "0.1062"),
        ("best validation loss", "0.25"),
        ("stopped", "–"),
        ("sizes", "3, 4"),
        ("layers 1 units", "8"),
        ("layers 2 units", "16"),
        ("embedding_size", "–"),
        ("quantiles", "0.1, 0.9"),
        ("shares", "validation a 1"),
    ]


def test_all_charts_of_a_page_are_equally_wide() -> None:
    from matplotlib.figure import Figure

    report = Report("x")
    for width in (3, 7, 12):
        figure = Figure(figsize=(width, 2))
        figure.subplots().plot([1, 2, 3])
        report.figure(figure)
    encoded = re.findall(r'svg\+xml;base64,([^"]*)"', report.html())
    charts = [base64.b64decode(text).decode("utf-8") for text in encoded]
    assert [re.search(r'<svg [^>]*width="(\w+)pt"', chart)[1] for chart in charts] == ["576"] * 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.float32(0.5), "0.5"), (float("nan"), "–"), (True, "yes"), (12345, "12345"), ("x", "x")],
)
def test_cells(value: object, text: str) -> None:
    assert format_cell(value) == text
