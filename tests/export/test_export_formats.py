"""Exports of several formats: what fails costs only itself, and nothing is half there."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.application.console import show
from rnn_apps.export.formats import (
    assembled_folder,
    chosen_formats,
    require_all,
    write_formats,
)
from rnn_apps.export.results import ExportError


def write(name: str) -> list[Any]:
    if name == "refused":
        raise ExportError("layer 'gru' has no form for int8")
    if name == "faulty":
        raise IndexError("shape mismatch\nand a long dump")
    return [f"{name}.tflite", 1.5]


def test_a_format_that_fails_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    names = ("a", "refused", "faulty", "b")
    written = write_formats(names, write)
    told = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert told == [f"Writing and proving {name} ..." for name in names]
    result = written.result(tmp_path, "contract.json", "Proven", ["file", "KiB"])
    assert result["files"] == [str(tmp_path / "a.tflite"), str(tmp_path / "b.tflite")]
    assert result["not written"]["rows"] == [
        ["refused", "layer 'gru' has no form for int8"],
        ["faulty", "unexpected IndexError: shape mismatch"],
    ]
    with pytest.raises(ExportError, match="refused was not written: layer 'gru'"):
        require_all(result)
    show(result)
    shown = capsys.readouterr().out
    assert "Not written" in shown and "layer 'gru' has no form for int8" in shown
    assert "not written" not in write_formats(("a",), write).result(tmp_path, "c", "", [])


def test_an_export_of_nothing_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"^layer 'gru' has no form"):
        write_formats(("refused",), write)
    with pytest.raises(IndexError):
        write_formats(("faulty",), write)
    with pytest.raises(ExportError, match=r"refused: layer 'gru'.*\nfaulty: unexpected IndexError"):
        write_formats(("refused", "faulty"), write)


def test_formats_are_chosen_by_name() -> None:
    assert chosen_formats(None, ("a", "b")) == ("a", "b")
    assert chosen_formats("b", ("a", "b")) == ("b",)
    assert chosen_formats(["b", "a", "b"], ("a", "b")) == ("b", "a")
    for wrong in ([], "onnx", ["a", "onnx"]):
        with pytest.raises(ConfigurationError, match="choose from a, b"):
            chosen_formats(wrong, ("a", "b"))


def test_a_folder_is_as_it_was_or_whole(tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    (folder / "saved_model").mkdir(parents=True)
    (folder / "saved_model" / "old").write_text("old")
    (folder / "contract.json").write_text("old")
    (folder / "notes.txt").write_text("mine")
    with contextlib.suppress(ExportError), assembled_folder(folder, "contract.json") as beside:
        (beside / "contract.json").write_text("new")
        raise ExportError("no format could be written")
    assert (folder / "contract.json").read_text() == "old"
    with assembled_folder(folder, "contract.json") as beside:
        (beside / "contract.json").write_text("new")
        (beside / "saved_model").mkdir()
        (beside / "saved_model" / "new").write_text("new")
        assert (folder / "contract.json").read_text() == "old"
    assert (folder / "contract.json").read_text() == "new"
    assert [path.name for path in (folder / "saved_model").iterdir()] == ["new"]
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]
    with pytest.raises(UserError, match="is a file"), assembled_folder(folder / "notes.txt", ""):
        pass
