"""The snippet of docs/text-data.md works, and its table names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.text.folders import SUFFIXES
from pipelines.tokenizers import TOKENIZER_KINDS

PAGE = (Path(__file__).parents[3] / "docs" / "text-data.md").read_text(encoding="utf-8")


def test_the_snippet_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(snippet, {})
    counts, shapes = capsys.readouterr().out.splitlines()
    assert counts.startswith("3758564 77 0 ")
    assert shapes == "(64, 128) (64, 128)"


def test_every_kind_and_suffix_is_named() -> None:
    for kind in TOKENIZER_KINDS:
        assert f"| `{kind}` |" in PAGE
    for suffix in SUFFIXES:
        assert f"`{suffix.removesuffix('.gz')}`" in PAGE
