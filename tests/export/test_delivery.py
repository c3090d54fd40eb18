"""What `deliver` leaves in a folder that held another export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipelines.base.errors import UserError
from rnn_apps.edge.contract import read_contract, require_described
from rnn_apps.export.delivery import Delivery, DeviceFile, deliver


class WrittenTexts(Delivery):
    """Files that hold a text each, and a folder of sources."""

    # Files of C code need no converter.
    files: ClassVar[Mapping[str, DeviceFile]] = {
        "first": DeviceFile("first.bin", target="c"),
        "second": DeviceFile("second.bin", target="c"),
        "code": DeviceFile("code", target="c"),
    }
    header = ("file",)
    title = "Files"

    def __init__(self, text: str) -> None:
        self.text = text

    def prepare(self, formats: Sequence[str]) -> None:
        """Nothing is judged."""

    def contract(self, formats: Sequence[str]) -> Mapping[str, Any]:
        return {"text": self.text, "formats": list(formats)}

    def save_companions(self, folder: Path) -> None:
        """There are none."""

    def saved_model(self, path: Path) -> list[Any]:
        raise AssertionError("it is not asked for")

    def device_file(self, wanted: DeviceFile, folder: Path) -> list[Any]:
        path = folder / wanted.file
        if wanted.file == "code":
            path = path / "src" / "code.c"
            path.parent.mkdir(parents=True)
        path.write_text(self.text)
        return [wanted.file]


def written(folder: Path, text: str, *formats: str) -> None:
    model = folder.parent / f"{text}.keras"
    model.write_text(text)
    deliver(WrittenTexts(text), folder, formats, model=model)


def opened(folder: Path, file: str) -> None:
    require_described(folder, read_contract(folder, "texts"), file)


def test_the_contract_holds_for_the_files_of_its_model_alone(tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    written(folder, "one", "first", "code")
    written(folder, "one", "second")
    for file in ("first.bin", "second.bin", "code", "code/", "./first.bin", str(folder / "code")):
        opened(folder, file)
    assert read_contract(folder, "texts")["formats"] == ["first", "second", "code"]
    (folder / "first.bin").rename(folder / "english.bin")
    (folder / "code" / "src" / ".DS_Store").write_text("")
    for file in ("english.bin", "code"):
        opened(folder, file)
    (folder / "english.bin").rename(folder / "first.bin")
    # Another model leaves the files of other names, which are not its own.
    written(folder, "two", "second")
    opened(folder, "second.bin")
    for file in ("first.bin", "code"):
        with pytest.raises(UserError, match="is not of the export that wrote"):
            opened(folder, file)


@pytest.mark.parametrize("changed", ["first.bin", "code/src/code.c"])
def test_a_file_that_was_exchanged_is_refused(tmp_path: Path, changed: str) -> None:
    folder = tmp_path / "exported"
    written(folder, "one", "first", "code")
    (folder / changed).write_text("another")
    with pytest.raises(UserError, match="is not the file that"):
        opened(folder, changed.split("/")[0])
    # It is not taken over as the model's either; one of a name of its own is the user's affair.
    written(folder, "one", "second")
    (folder / "mine.bin").write_text("mine")
    opened(folder, "mine.bin")
    with pytest.raises(UserError, match="is not of the export"):
        opened(folder, changed.split("/")[0])


def test_a_contract_of_an_earlier_version_has_no_checksums(tmp_path: Path) -> None:
    (tmp_path / "contract.json").write_text(json.dumps({"files": ["first.bin"]}))
    (tmp_path / "second.bin").write_text("text")
    opened(tmp_path, "second.bin")
