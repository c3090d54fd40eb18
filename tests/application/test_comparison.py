"""docs/comparison.md: its cells about this toolkit name tests that are there; sources are cited."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def rows() -> list[list[str]]:
    """The cells of the tables, without headings."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if not line.startswith("| feature ")
    ]


def missing(page: str) -> list[str]:
    """The tests that a page names and that are not there."""
    return [
        f"{file}::{name}"
        for file, name in TEST.findall(page)
        if not (ROOT / "tests" / file).is_file()
        or f"\ndef {name}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8")
    ]


def test_every_test_that_is_named_is_there() -> None:
    assert len(TEST.findall(PAGE)) > 30
    assert missing(PAGE) == []
    assert missing("`translation/test_translation_run.py::test_of_nothing`") != []
    assert missing("`translation/test_nothing.py::test_of_nothing`") != []


def test_what_is_said_of_this_toolkit_is_a_plain_no_or_names_a_test() -> None:
    for feature, ours, *_ in rows():
        assert ours.startswith("no") or TEST.search(ours), feature


def test_sources_are_numbered_one_after_the_other_and_all_are_cited() -> None:
    listed = [int(number) for number in re.findall(r"^(\d+)\. ", PAGE, re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    cited = {int(number) for number in re.findall(r"\[(\d+)\](?!\()", PAGE)}
    assert cited == set(listed)
