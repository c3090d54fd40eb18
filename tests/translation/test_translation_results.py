"""Results of translation as tables: hypotheses, lower case, the comparison of runs."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from translation_setup import digit_pairs, made_run, trained_model, wild_model

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import UserError
from pipelines.pairs.sentence_pairs import SentencePairs
from rnn_apps.application.command_line import main
from rnn_apps.application.run_parts import read_json
from rnn_apps.application.table_files import write_table
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics
from rnn_apps.translation.judging.hypotheses import write_hypotheses
from rnn_apps.translation.judging.judgement import by_length
from rnn_apps.translation.run import Run
from rnn_apps.translation.run_data import PAIRS as PAIRS_RECORD
from rnn_apps.translation.understood import other_direction, trained_languages

PAIRS = digit_pairs(30, seed=99)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, str]:
    """A run with random weights, one that was trained, and pairs that neither has seen."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("wild", "trained"):
        (folder / name).mkdir()
    wild = made_run(folder / "wild", wild_model(), PAIRS)
    trained = made_run(folder / "trained", trained_model(120), PAIRS)
    (folder / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS))
    return wild, trained, f"file:{folder / 'pairs.tsv'}"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_evaluate_writes_a_row_for_each_sentence(
    runs: tuple[Run, Run, str], tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run, data = runs
    path = tmp_path / f"out.{ending}"
    arguments = ["translate", "evaluate", "--run", str(run.folder.path), "--data", data]
    assert main([*arguments, "--hypotheses", str(path), "--lowercase"]) == 0
    assert "beam 3, in lower case" in capsys.readouterr().out
    text = path.read_text(encoding="utf-8")
    if ending == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        rows = list(csv.DictReader(text.splitlines(), delimiter="\t" if ending == "tsv" else ","))
    assert [(row["source"], row["reference"]) for row in rows] == PAIRS
    assert [row["id"] for row in rows] == [f"line {n}" for n in range(1, len(PAIRS) + 1)]
    found = run.translate([a for a, _ in PAIRS])
    assert [row["hypothesis"] for row in rows] == [best[0].text for best in found]
    assert float(rows[0]["log probability"]) == pytest.approx(found[0][0].log_probability, abs=1e-4)
    assert 0 <= float(rows[0]["BLEU"]) <= 100.1


def test_both_figures_of_a_sentence_compare_with_the_same_reference(tmp_path: Path) -> None:
    """With the one that the vocabulary would write, of which the table shows the original."""
    written = "Der Hund läuft am Montag durch den Garten"
    known = written.lower()
    evaluated = SimpleNamespace(
        pairs=SentencePairs(("a dog",), (written,)),
        best=[SimpleNamespace(text=known, score=0.0, log_probability=0.0)],
        references=[(known,)],
        sentence_chrf=[CorpusMetrics().sentence_chrf(known, known)],
    )
    path = tmp_path / "out.jsonl"
    write_hypotheses(path, evaluated, "13a")  # type: ignore[arg-type]
    row = json.loads(path.read_text(encoding="utf-8"))
    assert row["reference"] == written
    assert row["BLEU"] == pytest.approx(100) and row["chrF"] == pytest.approx(100)


def test_the_length_ratio_counts_the_words_of_the_reference_as_it_is_compared() -> None:
    evaluated = SimpleNamespace(
        pairs=SentencePairs(("a dog",), ("un´chien",)),
        best=[SimpleNamespace(text="un chien")],
        references=[("un chien",)],
        sentence_chrf=[100.0],
    )
    [row] = by_length(evaluated)  # type: ignore[arg-type]
    assert row["length_ratio"] == 1.0


def test_a_table_has_a_known_ending_and_a_folder(
    runs: tuple[Run, Run, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, data = runs
    for name, named in (("out.xlsx", ".csv, .tsv, .jsonl"), ("none/out.csv", "does not exist")):
        arguments = ["translate", "evaluate", "--run", str(run.folder.path), "--data", data]
        assert main([*arguments, "--hypotheses", str(tmp_path / name)]) == 2
        assert named in capsys.readouterr().err


def test_cells_of_tables_keep_rows_whole(tmp_path: Path) -> None:
    write_table(tmp_path / "a.tsv", ["a", "b"], [["x\ty\nz", None]])
    assert (tmp_path / "a.tsv").read_text() == "a\tb\nx y z\t\n"
    write_table(tmp_path / "a.csv", ["a", "b"], [["x,y\nz", None]])
    assert (tmp_path / "a.csv").read_text() == 'a,b\n"x,y\nz",\n'
    write_table(tmp_path / "a.jsonl", ["a", "b"], [["é\t", None]])
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"a": "é\\t", "b": null}\n'


def test_lower_case_counts_words_that_differ_in_capitals_alone() -> None:
    texts, references = ["The Dog sat on the mat today"], ["the dog sat on the mat today"]
    assert CorpusMetrics().bleu(texts, references) < 100
    assert CorpusMetrics(lowercase=True).bleu(texts, references) == pytest.approx(100)


def test_compare_tells_a_trained_run_from_luck(
    runs: tuple[Run, Run, str], capsys: pytest.CaptureFixture[str]
) -> None:
    wild, trained, data = runs
    folders = [str(wild.folder.path), str(trained.folder.path), str(wild.folder.path)]
    assert main(["translate", "compare", *folders, "--data", data, "--samples", "200"]) == 0
    assert "200 samples" in capsys.readouterr().out
    found = wild.compare([trained, wild], data, samples=200)
    rows = {(name[0], metric): row for name, metric, *row in found["table"]["rows"]}
    score, mean, interval, p = rows["2", "chrF"]
    assert score > rows["1", "chrF"][0] and mean == pytest.approx(score, rel=0.2)
    assert rows["1", "chrF"][2] > 0 and interval >= 0
    assert p < 0.05 and rows["1", "chrF"][3] is None
    # A run does not differ from itself.
    assert rows["3", "chrF"][0] == rows["1", "chrF"][0] and rows["3", "chrF"][3] > 0.5
    assert "bs:200" in found["signatures"]["BLEU"]


def test_comparisons_that_are_none(
    runs: tuple[Run, Run, str], capsys: pytest.CaptureFixture[str]
) -> None:
    wild, trained, data = runs
    assert main(["translate", "compare", str(wild.folder.path), "--data", data]) == 2
    assert "compare RUN RUN" in capsys.readouterr().err
    with pytest.raises(UserError, match="samples = 0 must be at least 1"):
        wild.compare([trained], data, samples=0)
    with pytest.raises(UserError, match="others are judged whole"):
        wild.compare([trained], data, "test")


def test_glossary_and_longest_source_on_the_command_line(
    runs: tuple[Run, Run, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run, _ = runs
    (tmp_path / "names.tsv").write_text("seven\t7\n")
    arguments = ["translate", "translate", "--run", str(run.folder.path), "--text", "1234"]
    assert main([*arguments, "--glossary", str(tmp_path / "names.tsv")]) == 0
    assert capsys.readouterr().out.strip() == run.translate("1234")[0][0].text
    (tmp_path / "names.tsv").write_text("seven 7\n")
    for wrong, named in (
        (["--glossary", str(tmp_path / "names.tsv")], "a word, a tab and its translation"),
        (["--glossary", str(tmp_path / "none.tsv")], "cannot be read"),
        (["--longest-source", "3"], "3 tokens are translated at once"),
    ):
        assert main([*arguments, *wrong]) == 2
        assert named in capsys.readouterr().err


def test_unknown_text_is_said_before_it_is_translated_or_refused(
    runs: tuple[Run, Run, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run, _ = runs
    sentences = tmp_path / "in.txt"
    sentences.write_text("12\n1Ω2Ω\n")
    arguments = ["translate", "translate", "--run", str(run.folder.path), "--file", str(sentences)]
    assert main([*arguments, "--min-p", "0.1"]) == 0
    said = "In all, 2 characters that the model does not know: U+03A9 'Ω' (2 times)"
    told = " ".join(capsys.readouterr().err.split())
    assert said in told and "--min-p without effect: translations are drawn only with" in told
    assert main([*arguments, "--unknown", "refuse"]) == 2
    assert f"{sentences}, row 2: 2 characters" in " ".join(capsys.readouterr().err.split())


def test_scores_count_unknown_tokens(
    runs: tuple[Run, Run, str], capfd: pytest.CaptureFixture[str]
) -> None:
    _, run, _ = runs
    [scored] = run.score([("1Ω2", "2x")])
    assert scored.unknown == (False, True, False) and scored.unknown_source == 1
    assert scored.known_log_probabilities.tolist() == [
        scored.token_log_probabilities[0],
        scored.token_log_probabilities[2],
    ]
    arguments = ["translate", "score", "--run", str(run.folder.path), "--json"]
    assert main([*arguments, "--source", "1Ω2", "--target", "2x"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["unknown source tokens"], found["unknown target tokens"]) == (1, 1)
    assert found["perplexity"] == pytest.approx(scored.perplexity)
    mean = float(scored.known_log_probabilities.mean())
    assert found["perplexity of known tokens"] == pytest.approx(math.exp(-mean))


@pytest.mark.parametrize(
    ("languages", "said"),
    [(("de", "en"), True), (("en", "fr"), True), (("en_US", "German"), False), (("", ""), False)],
)
def test_going_on_in_another_direction_is_said(languages: tuple[str, str], said: bool) -> None:
    lines = other_direction(("en", "de"), languages, "runs/before")
    assert bool(lines) == said
    assert not said or "runs/before was trained from en to de" in lines[0]
    assert other_direction(("", ""), languages, "runs/before") == []


def test_the_languages_of_a_run_are_those_of_its_settings_or_of_its_data(
    runs: tuple[Run, Run, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = runs[0]
    assert trained_languages(wild) == ("", "")
    path = wild.folder.path / PAIRS_RECORD
    record = read_json(path) if path.exists() else {}
    write_json(path, record | {"languages": ["en", "de"]})
    assert trained_languages(wild) == ("en", "de")
    stated = dataclasses.replace(wild.config, source_language="nl")
    monkeypatch.setattr(wild, "config", stated)
    assert trained_languages(wild) == ("nl", "de")
