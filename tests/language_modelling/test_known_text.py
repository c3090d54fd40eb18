"""Judged texts that the run has met before: nothing is tuned on them, and notes say so."""

from __future__ import annotations

import numpy as np
import pytest
from language_setup import untrained_run

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import DataError, UserError
from pipelines.text.loading import load_text
from rnn_apps.language_modelling import Run, trained
from rnn_apps.language_modelling.judging.figures import TextSize
from rnn_apps.language_modelling.judging.judgement import Evaluated, _add_baseline
from rnn_apps.language_modelling.judging.known_text import notes_on_known_text, tuning_text
from rnn_apps.language_modelling.run_data import TEXT

LETTERS = [*"abcdefghij "]


def lines(count: int, seed: int) -> str:
    generator = np.random.default_rng(seed)
    return "".join("".join(generator.choice(LETTERS, 24)) + "\n" for _ in range(count))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with its parts, which also lie as files of their own next to it."""
    folder = tmp_path_factory.mktemp("known")
    found = untrained_run(folder, lines(40, 0), split="0.8,0.2,0", cell="simple", units=4)
    parts = load_text(f"file:{folder / 'text.txt'}", split="0.8,0.2,0")
    for name in ("train", "validation"):
        (folder / f"{name}.txt").write_text("".join(getattr(parts, name).chunks()), "utf-8")
    known = {part: found.text.tokens(part).sha256 for part in ("train", "validation")}
    about = {"sha256": known["train"], "validation_sha256": known["validation"]}
    write_json(found.folder.path / TEXT, about)
    (folder / "new.txt").write_text(lines(8, 1), encoding="utf-8")
    return found


def test_settings_are_not_chosen_on_the_judged_text_under_another_name(run: Run) -> None:
    folder = run.folder.path.parent
    for name, part in (("new", "validation"), ("train", "validation"), ("validation", "train")):
        judged = run.text.encode(run.text.other(f"file:{folder / name}.txt"))
        told, tokens = tuning_text(run, judged)
        assert told.endswith(f"of the {part} part")
        np.testing.assert_array_equal(tokens, run.text.tokens(part).ids)
    told, _ = tuning_text(run, run.text.tokens("validation"))
    assert told.endswith("of the train part")


def test_where_every_part_is_judged_nothing_is_tuned(run: Run) -> None:
    with pytest.raises(UserError, match=r"text\.txt holds every one that the run has \(train, val"):
        run.evaluate(f"file:{run.folder.path.parent / 'text.txt'}", dynamic=True)


def test_a_judged_text_that_training_had_is_said(run: Run) -> None:
    folder = run.folder.path.parent
    # With a line of its own, so that it is another text.
    more = (folder / "train.txt").read_text("utf-8") + "ab\n"
    (folder / "more.txt").write_text(more, "utf-8")
    known = (
        ("train", ["the run was trained on this very text: figures on it are too good"]),
        ("validation", ["the run's weights were chosen on this very text: figures"]),
        ("more", ["100% of the lines of the text are also in the training text: figures"]),
        ("new", []),
    )
    for name, said in known:
        text = run.text.other(f"file:{folder / name}.txt")
        notes = notes_on_known_text(run, text, run.text.encode(text))
        assert [note[: len(start)] for note, start in zip(notes, said, strict=True)] == said


def test_a_training_text_that_has_changed_is_no_baseline(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold the judged text, which would then be counted, and taken for known."""
    monkeypatch.delitem(run.__dict__, "unchanged", raising=False)
    record = run.folder.path / TEXT
    monkeypatch.setattr(trained, "TEXT", "changed.json")
    write_json(run.folder.path / "changed.json", {"sha256": "of another text"})
    judged = run.text.other(f"file:{run.folder.path.parent / 'new.txt'}")
    assert record.exists() and notes_on_known_text(run, judged, run.text.encode(judged)) == []
    with pytest.raises(DataError, match="is no longer what the run in"):
        tuning_text(run, run.text.encode(judged))
    figures = Evaluated("new", np.zeros(2, np.int32), TextSize(1, 1, 1, 0), None, {})  # type: ignore[arg-type]
    _add_baseline(run, figures)
    assert figures.rows == {} and "is no longer what the run in" in figures.notes[0]
