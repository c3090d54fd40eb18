"""The script that counts the structure of the source, on small trees whose counts are known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.structure import (
    argument_texts,
    circles,
    count,
    imports_of,
    is_fragment,
    source_files,
)
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.translation.config import TranslationConfig


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_circles_are_found_wherever_the_import_stands(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "pipelines/first.py": "from pipelines.second import x\n",
            "pipelines/second.py": "def f():\n    import pipelines.third\n",
            "pipelines/third.py": (
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
                "    from pipelines import first\n"
            ),
            "rnn_apps/apart.py": "import pipelines.first\n",
        },
    )
    figures = count(root)
    assert figures["circles"] == [["pipelines.first", "pipelines.second", "pipelines.third"]]
    assert figures["files per folder"] == {"pipelines": 3, "rnn_apps": 1}
    assert figures["tiny files"] == figures["files"] == 4


def test_two_circles_that_share_no_file_are_two() -> None:
    graph = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}, "e": {"a"}}
    assert circles(graph) == [["a", "b"], ["c", "d"]]


def test_argument_texts_are_whole_with_their_continuation_lines(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text(
        'def f(units, rate, seed):\n    """Does it.\n\n    Args:\n'
        "        units: size of the\n            state, at least 1.\n"
        "        rate, seed: of the draws.\n\n    Returns:\n        depth: the depth.\n"
        '    """\n',
        encoding="utf-8",
    )
    assert list(argument_texts(file)) == [
        ("units", "size of the state, at least 1."),
        ("rate, seed", "of the draws."),
    ]


def test_a_fragment_starts_with_no_noun_or_has_hardly_a_word() -> None:
    assert is_fragment("of the draws.") and is_fragment("by gzip.") and is_fragment("rows.")
    assert not is_fragment("number of worker processes; 0 for one per core.")


def test_no_modules_import_one_another_in_a_circle() -> None:
    modules = source_files()
    graph = {name: imports_of(name, path, modules) for name, path in modules.items()}
    assert len(graph) > 400 and circles(graph) == []


@pytest.mark.parametrize(
    "config_type",
    [ForecastingConfig, LanguageModellingConfig, SpeechConfig, TranslationConfig],
)
def test_the_text_of_each_option_is_a_whole_thought(config_type: type) -> None:
    texts = {field.name: field.metadata["help"] for field in dataclasses.fields(config_type)}
    assert len(texts) > 40
    # A switch says whether something is so.
    fragments = {
        name: text
        for name, text in texts.items()
        if is_fragment(text) and not text.startswith("whether ")
    }
    assert fragments == {}


def test_no_argument_text_of_pipelines_is_a_fragment() -> None:
    texts = [
        (name, *text)
        for name, path in source_files().items()
        if name.startswith("pipelines")
        for text in argument_texts(path)
    ]
    assert len(texts) > 300
    assert [entry for entry in texts if is_fragment(entry[-1])] == []
