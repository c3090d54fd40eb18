"""What is written is there whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base.atomic_files import (
    atomic_folder,
    atomic_path,
    check_writable,
    write_json,
    write_text,
)
from pipelines.base.errors import FileError


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_text(target, "old")

    def fail() -> None:
        with atomic_path(target) as beside:
            beside.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for names in (["a", "b"], ["c"]):
        with atomic_folder(target) as beside:
            for name in names:
                (beside / name).write_text(name)
    assert [p.name for p in target.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [target]


def test_failed_folder_keeps_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with atomic_folder(target) as beside:
        (beside / "a").write_text("a")

    def fail() -> None:
        with atomic_folder(target) as beside:
            (beside / "b").write_text("b")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail()
    assert [p.name for p in target.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [target]


def test_files_have_the_users_mode(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


def test_json_refuses_what_other_readers_cannot_parse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


FULL = """
import resource, sys
from pipelines.base.atomic_files import write_text
from pipelines.base.errors import UserError
# A file that may grow no more fails as on a full disk: while it is written.
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_text(sys.argv[1], "x" * 5000)
except UserError as error:
    print(error)
"""


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.txt")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert f"{tmp_path / 'a.txt'}: cannot be written: File too large" in done.stdout
    assert (tmp_path / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    for write in (
        lambda: write_text(file / "a.txt", "x"),
        lambda: write_text(file / "deep" / "a.txt", "x"),
        lambda: atomic_folder(file / "folder").__enter__(),
        lambda: atomic_folder(file).__enter__(),
        lambda: check_writable(file / "folder"),
    ):
        with pytest.raises(FileError, match="name another path"):
            write()
    assert file.read_text() == "here"
    with pytest.raises(FileError, match="There is a folder of this name"):
        write_text(tmp_path, "x")


def test_an_error_about_another_file_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing, atomic_path(tmp_path / "a"):
        Path("/no/such/input").read_text()
    assert not isinstance(missing.value, FileError)
