"""Every snippet of docs/edge.md works, in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "edge.md"


@pytest.mark.slow
def test_every_snippet_of_the_page_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(snippets) >= 5
    exec("\n".join(snippets), {})
    for name in ("gru.tflite", "gru.tflite.md", "step.tflite", "micro_model.h", "micro_example.cc"):
        assert (tmp_path / "device" / name).is_file()
    assert (tmp_path / "device" / "saved_model").is_dir()
