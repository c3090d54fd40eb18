"""The demo's page shows what every run has to show: charts, texts and recordings."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from rnn_apps.application import demo
from rnn_apps.application.definition import Application, DemoResult, Picture
from rnn_apps.application.demo import run_demo


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    """An application whose demo trains nothing."""
    from matplotlib.figure import Figure

    def shown(folder: Path) -> DemoResult:
        folder.mkdir()
        (folder / "report.html").write_text("the run's own page", encoding="utf-8")
        figure = Figure()
        figure.subplots().plot([1, 2])
        return DemoResult(
            "builtin:digits", "error", 0.5, {"nothing": 1.0}, "equal", "It was used.",
            folder / "report.html", {"delay": 3.0},
            (
                Picture("A text", text="first line\nsecond <line>"),
                Picture("A chart", figure),
                Picture("A chart and its sound", figure, sound=b"RIFF1"),
                Picture("A sound", sound=b"RIFF2"),
            ),
        )  # fmt: skip

    module = types.ModuleType("toy_application.demo")
    module.SOURCE, module.demo = "builtin:digits", shown
    monkeypatch.setitem(sys.modules, "toy_application", types.ModuleType("toy_application"))
    monkeypatch.setitem(sys.modules, "toy_application.demo", module)
    return Application("toy", "shows what it has", "toy_application", "", ())


def test_a_text_that_is_quoted_is_not_told_twice(tmp_path: Path) -> None:
    result = DemoResult(
        "data", "error", 0.5, {}, "equal", "Written: once upon a time", tmp_path / "report.html",
        pictures=(Picture("What it wrote", text="once upon a time"),),
    )  # fmt: skip
    page = tmp_path / "index.html"
    demo.write_page(page, [], {"toy": result})
    assert page.read_text(encoding="utf-8").count("once upon a time") == 1


def test_the_page_has_the_pictures_of_every_run(application: Application, tmp_path: Path) -> None:
    result = run_demo((application,), tmp_path / "demo")
    page = Path(result["page"]).read_text(encoding="utf-8")
    assert "<blockquote>first line\nsecond &lt;line&gt;</blockquote>" in page
    assert page.count("data:image/svg+xml;base64,") == 2
    assert page.count('<audio controls src="data:audio/wav;base64,') == 2
    assert "<p>It was used.</p>" in page
    captions = re.findall(r"<figcaption>([^<]*)</figcaption>", page)
    assert captions == ["A chart", "A chart and its sound", "A sound"]
    assert 'href="toy/report.html"' in page
    # What programs read of a demo stays free of pictures.
    [details] = result["details"]
    assert details["application"] == "toy" and "pictures" not in details
