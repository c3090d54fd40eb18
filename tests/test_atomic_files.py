"""What is written is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.atomic_files import atomic_folder, atomic_path, write_json, write_text


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
