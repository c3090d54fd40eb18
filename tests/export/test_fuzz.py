"""The fuzz campaign: inputs are determined by their number, and every fault is counted as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz import DAMAGES, Input, campaign, damaged, verdict
from benchmarks.fuzz_reading import Reading
from benchmarks.fuzz_subjects import SUBJECTS

ORIGINAL = Reading({"values": "1"})


def test_inputs_are_determined_by_seed_and_number(tmp_path: Path) -> None:
    subject = SUBJECTS["pairs-aligned"]
    subject.make(tmp_path)
    inputs = [damaged("pairs-aligned", tmp_path, ["pairs.en", "pairs.de"], 1, n) for n in range(60)]
    again = [damaged("pairs-aligned", tmp_path, ["pairs.en", "pairs.de"], 1, n) for n in range(60)]
    assert inputs == again
    assert {item.damage for item in inputs} == set(DAMAGES)
    assert {item.part for item in inputs} == {"pairs.en", "pairs.de"}
    assert inputs[0] != damaged("pairs-aligned", tmp_path, ["pairs.en", "pairs.de"], 2, 0)


@pytest.mark.parametrize(
    ("name", "damage", "meaning", "findings", "expected"),
    [
        ("flac", "changed", "1", "", "right"),
        ("flac", "changed", "2", "", "silent"),
        ("flac", "changed", "2", "one frame damaged", "refused"),
        ("wav", "changed", "2", "", "other"),
        ("wav", "cut", "2", "", "silent"),
    ],
)
def test_another_meaning_is_judged_by_what_the_format_tells(
    tmp_path: Path, name: str, damage: str, meaning: str, findings: str, expected: str
) -> None:
    reply = {"outcome": "read", "meaning": {"values": meaning}, "findings": findings}
    item = Input(0, f"sound.{name}", damage, b"")
    assert verdict(SUBJECTS[name], tmp_path, item, reply, ORIGINAL) == expected


def test_a_text_is_judged_by_a_plain_reading(tmp_path: Path) -> None:
    subject = SUBJECTS["pairs-tsv"]
    item = Input(0, "pairs.tsv", "changed", b"")
    reply = {"outcome": "read", "meaning": {"0": repr(("a", "b"))}, "findings": ""}
    for text, expected in (("a\tb\n", "right"), ("a\tc\n", "silent"), ("a\tb\tc\n", "silent")):
        (tmp_path / "pairs.tsv").write_text(text)
        assert verdict(subject, tmp_path, item, reply, ORIGINAL) == expected


def test_a_small_campaign_finds_no_fault() -> None:
    verdicts, faults, told = campaign("pairs-tsv", 12, seed=5)
    assert faults == []
    assert sum(verdicts.values()) == sum(told.values()) == 12
