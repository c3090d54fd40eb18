"""A translation run, from sentence pairs to figures, translations and scores."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.tokenizers import train_tokenizer
from rnn_apps import translation
from rnn_apps.application.command_line import main
from rnn_apps.application.run_parts import record_parts
from rnn_apps.translation import Run, SearchOptions, TranslationConfig
from rnn_apps.translation.trained import SOURCE_TOKENIZER

ENGLISH = ("one", "two", "three", "four", "five", "six")
GERMAN = ("eins", "zwei", "drei", "vier", "fünf", "sechs")


def write_pairs(folder: Path, count: int, seed: int) -> str:
    """Numbers one by one: word for word."""
    generator = np.random.default_rng(seed)
    rows = [generator.integers(0, 6, generator.integers(1, 5)) for _ in range(count)]
    paths = []
    for language, words in (("en", ENGLISH), ("de", GERMAN)):
        path = folder / f"{seed}.{language}"
        lines = (" ".join(words[n] for n in row) for row in rows)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths.append(str(path))
    return f"file:{','.join(paths)}"


def config_for(folder: Path, **changes: object) -> TranslationConfig:
    settings: dict[str, object] = {
        "data": write_pairs(folder, 400, 0),
        "validation": write_pairs(folder, 40, 1),
        "test": write_pairs(folder, 30, 2),
        "run": str(folder / "run"),
        "tokenizer": "words",
        "joint_vocabulary": False,
        "units": 24,
        "embedding_size": 16,
        "attention": "general",
        "decoder": "plain",
        "embedding_dropout": 0.0,
        "annotation_dropout": 0.0,
        "output_dropout": 0.0,
        "label_smoothing": 0.0,
        "batch_size": 32,
        "token_budget": 512,
        "epochs": 20,
        "learning_rate": 2e-2,
        "beam_width": 2,
        "gradient_flow": False,
        "monitor": "val_bleu",
    }
    return TranslationConfig(**{**settings, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return translation.train(config_for(tmp_path_factory.mktemp("translation")))


def test_a_run_is_judged_on_its_test_pairs_beside_a_baseline(run: Run) -> None:
    found = run.metrics["test"]
    assert found["pairs"] == 30
    figures = found["translated_by"]
    assert list(figures) == ["beam 2", "greedy", "nearest training sentence"]
    assert figures["beam 2"]["exact"] > 0.8
    assert figures["beam 2"]["chrf"] > 90
    assert 0 <= figures["nearest training sentence"]["exact"] < 1
    assert found["signatures"]["BLEU"].startswith("nrefs:1|case:mixed|eff:no|tok:13a")
    assert 1.0 <= found["perplexity"] < 2.0
    assert sum(row["sentences"] for row in found["by_length"]) == 30
    page = run.folder.report.read_text(encoding="utf-8")
    for words in (
        "Sentences, best to worst",
        "Where the model looks",
        "Signatures",
        "Learning curves",
    ):
        assert words in page
    history = run.folder.history.read_text(encoding="utf-8").splitlines()
    assert "val_bleu" in history[0] and len(history) == 21


def test_loaded_again_it_translates_the_same(run: Run) -> None:
    again = translation.load(run.folder.path)
    sentences = ["one two", "", "six", "five four three two"]
    first, second = run.translate(sentences), again.translate(sentences)
    assert [best[0].text for best in first] == [best[0].text for best in second]
    assert first[1][0].text == ""
    assert run.translate("one two")[0][0].text == first[0][0].text


def test_a_right_translation_is_more_probable_than_a_wrong_one(run: Run) -> None:
    right, wrong = run.score([("one two", "eins zwei"), ("one two", "vier zwei")])
    assert right.log_probability > wrong.log_probability + 1


def test_other_pairs_are_judged_whole_and_leave_the_runs_own_figures(
    run: Run, tmp_path: Path
) -> None:
    before = run.metrics["table"]
    found = run.evaluate(write_pairs(tmp_path, 10, 7))
    assert run.metrics["table"] == before
    assert run.metrics["other_data"]["pairs"] == 10
    assert Path(found["report"]).name == "report-other_data.html"
    with pytest.raises(UserError, match="of the run's own pairs"):
        run.evaluate(write_pairs(tmp_path, 10, 7), "train")
    with pytest.raises(UserError, match="choose from train, validation, test"):
        run.evaluate(part="dev")


def test_the_command_line_translates_and_scores(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(run.folder.path)
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo three\n"))
    greedy = ["--beam-width", "1"]
    assert main(["translate", "translate", "--run", folder, "--text", "-", *greedy]) == 0
    lines = capfd.readouterr().out.splitlines()
    options = SearchOptions(beam_width=1)
    assert lines == [best[0].text for best in run.translate(["one", "two three"], options)]
    arguments = ["--source", "one", "--target", "eins", "--json"]
    assert main(["translate", "score", "--run", folder, *arguments]) == 0
    scored = json.loads(capfd.readouterr().out)
    assert scored["pairs"] == 1 and scored["nats"] > 0
    assert main(["translate", "score", "--run", folder, "--source", "one"]) == 2
    assert "--source and --target go together" in capfd.readouterr().err
    assert main(["translate", "translate", "--run", folder, "--file", str(tmp_path / "no")]) == 2
    assert "does not exist" in capfd.readouterr().err


def test_an_ensemble_needs_one_vocabulary(run: Run, tmp_path: Path) -> None:
    alike = translation.load(run.folder.path)
    both = run.with_others([alike]).translate(["one two"], run.search_options)
    assert both[0][0].text == run.translate("one two")[0][0].text
    alike.source_tokenizer = train_tokenizer("words", ["a b c d e f"])
    with pytest.raises(DataError, match="another vocabulary"):
        run.with_others([alike])


def test_another_models_vocabulary_is_refused(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.folder.path, copy)
    train_tokenizer("words", ["too few words"]).save(copy / SOURCE_TOKENIZER)
    with pytest.raises(UserError, match=r"tokenizer\.json is not the file that training wrote"):
        translation.load(copy)
    record_parts(copy)
    with pytest.raises(UserError, match="it is another model's"):
        translation.load(copy)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tied": "all"}, "joint_vocabulary"),
        ({"attention": "none", "decoder": "conditional"}, "needs attention"),
        ({"input_feeding": True, "attention": "bahdanau"}, "input_feeding"),
        ({"coverage": True}, "coverage needs"),
        ({"subword_sampling": 0.1}, "needs tokenizer = 'subwords'"),
        ({"monitor": "val_bleu", "dev_bleu": False}, "dev_bleu = true"),
        ({"jit_compile": True}, "many shapes"),
        ({"average_epochs": 2, "average_decay": 0.9}, "both average"),
    ],
)
def test_settings_that_exclude_each_other_are_refused_before_there_is_a_run(
    tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        translation.train(config_for(tmp_path, **changes))
    assert not (tmp_path / "run").exists()


def test_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--data file:SOURCE,TARGET"):
        translation.train(config_for(tmp_path, data=""))
    with pytest.raises(UserError, match="--run FOLDER"):
        translation.train(config_for(tmp_path, run=""))


def test_a_resumed_run_wants_the_same_pairs(run: Run) -> None:
    other = SentencePairs(("one",) * 50, ("eins",) * 50, "others")
    with pytest.raises(DataError, match="was started with"):
        translation.train(run.config, resume=True, data=other)


def test_a_refused_resume_changes_nothing_and_changed_pairs_are_not_judged(
    run: Run, tmp_path: Path
) -> None:
    def contents() -> dict[Path, bytes]:
        files = (path for path in run.folder.path.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    before = contents()
    other = replace(run.config, data=write_pairs(tmp_path, 50, 3))
    settings = "cannot be resumed with other settings"
    for changed, message in (
        (replace(run.config, units=17), settings),
        (replace(run.config, epochs=99, seed=5), settings),
        (other, "does not hold the data that the run in"),
    ):
        with pytest.raises(UserError, match=message):
            translation.train(changed, resume=True)
        assert contents() == before
    changed_pairs = translation.load(run.folder.path, other.data)
    with pytest.raises(UserError, match="is no longer what the run in"):
        changed_pairs.evaluate()
    with pytest.raises(UserError, match="is no longer what the run in"):
        changed_pairs.compare([run])
    notes = changed_pairs.compare([run], run.config.data, samples=2)["notes"]
    known = [note for note in notes if str(run.folder.path) in note]
    assert "is not known" in known[0] and "was trained on" in known[1]
    assert contents() == before
