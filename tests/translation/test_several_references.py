"""Several references per sentence: files of them, columns, lists; figures by sacrebleu with all."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import pytest
import sacrebleu
from translation_setup import digit_pairs, made_run, wild_model

from pipelines.base.errors import DataError
from pipelines.pairs.loading import load_all
from pipelines.pairs.sentence_pairs import SentencePairs
from rnn_apps.application.command_line import main
from rnn_apps.translation.config import TranslationConfig
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics, reference_streams
from rnn_apps.translation.run import Run
from rnn_apps.translation.run_data import JudgedAs, RunData

# The last pair has a character on each side that the vocabulary does not have.
PAIRS = [*digit_pairs(11, seed=7), ("1Ω", "x1")]
# What a second and a third translator wrote; the third did not know every sentence.
SECOND = [target[::-1] for _, target in PAIRS]
THIRD = ["" if number % 3 else "3" for number in range(len(PAIRS))]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made_run(tmp_path_factory.mktemp("run"), wild_model(), PAIRS)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Paths of the sources, the first references and two further files."""
    columns = [[a for a, _ in PAIRS], [b for _, b in PAIRS], SECOND, THIRD]
    paths = [tmp_path / f"{name}.txt" for name in ("source", "first", "second", "third")]
    for path, lines in zip(paths, columns, strict=True):
        path.write_text("".join(f"{line}\n" for line in lines))
    return [str(path) for path in paths]


def all_references() -> list[list[str]]:
    rows = zip((b for _, b in PAIRS), SECOND, THIRD, strict=True)
    return [[one for one in row if one] for row in rows]


def test_figures_are_those_of_sacrebleu_with_all_references() -> None:
    texts = ["the cat sat on the mat today", "a dog barks loudly at night"]
    references = [
        ["a cat sat on the mat today", "the cat sat on a rug today"],
        ["a dog barks at night"],
    ]
    streams = [[one[0] for one in references], [references[0][1], None]]
    assert reference_streams(references) == streams
    metrics = CorpusMetrics()
    figures = metrics.figures(texts, references)
    assert figures.bleu == pytest.approx(sacrebleu.BLEU().corpus_score(texts, streams).score)
    assert figures.chrf == pytest.approx(sacrebleu.CHRF().corpus_score(texts, streams).score)
    assert figures.ter == pytest.approx(sacrebleu.TER().corpus_score(texts, streams).score)
    assert figures.bleu > metrics.figures(texts, [one[0] for one in references]).bleu
    metrics.figures(texts, references)
    assert "nrefs:var" in metrics.signatures()["BLEU"]
    assert metrics.figures([references[0][1], "x"], references).exact == 0.5


def test_evaluate_reads_files_of_references(
    run: Run, files: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, first, *further = files
    table = tmp_path / "out.csv"
    arguments = ["translate", "evaluate", "--run", str(run.folder.path), "--json"]
    arguments += ["--data", f"file:{source},{first}", "--references", *further]
    assert main([*arguments, "--hypotheses", str(table)]) == 0
    result = json.loads(capfd.readouterr().out)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["reference"] for row in rows] == [b for _, b in PAIRS]
    assert [row["reference 2"] for row in rows] == SECOND
    assert [row["reference 3"] for row in rows] == THIRD
    texts = [row["hypothesis"] for row in rows]
    streams = reference_streams(all_references())
    expected = sacrebleu.CHRF().corpus_score(texts, streams).score
    assert result["chrf"] == pytest.approx(expected)
    assert expected > sacrebleu.CHRF().corpus_score(texts, streams[:1]).score
    assert "nrefs:var" in result["signatures"]["BLEU"]
    notes = " ".join(result["notes"])
    assert "2 to 3 references" in notes and "the perplexity with them is" in notes
    assert "The sources hold 1 character that the model does not know: U+03A9 'Ω'" in notes
    page = Path(result["report"]).read_text(encoding="utf-8")
    assert "with 2 to 3 references per sentence" in page and f"{PAIRS[0][1]} | " in page


def test_compare_takes_all_references(run: Run, files: list[str]) -> None:
    source, first, second, _ = files
    found = run.compare([run], f"file:{source},{first}", samples=20, references=second)
    assert "nrefs:2" in found["signatures"]["chrF"]
    texts = [best[0].text for best in run.translate([a for a, _ in PAIRS])]
    expected = sacrebleu.CHRF().corpus_score(texts, [[b for _, b in PAIRS], SECOND]).score
    scores = {metric: score for _, metric, score, *_ in found["table"]["rows"]}
    assert scores["chrF"] == pytest.approx(expected)


def test_further_target_columns_keep_the_source_column_of_the_training(tmp_path: Path) -> None:
    table = tmp_path / "odd.tsv"
    rows = ["sent\ttrans\ttrans2", *(f"{a}\t{b}\t{b}{b}" for a, b in PAIRS)]
    table.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    trained = RunData(TranslationConfig(source_column="sent", target_column="trans"))
    found = trained.other(f"file:{table}", JudgedAs(target_column="trans,trans2"))
    assert found.references == [(b, b + b) for _, b in PAIRS]
    assert not trained.other(f"file:{table}").further
    with pytest.raises(DataError, match="go together"):
        RunData(TranslationConfig()).other(f"file:{table}", JudgedAs(target_column="trans,trans2"))


def test_a_file_of_references_may_lie_in_an_archive(files: list[str], tmp_path: Path) -> None:
    source, first, second, _ = files
    archive = tmp_path / "references.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(second, "others/second.txt")
    pairs = load_all(f"file:{source},{first}", references=[f"{archive}/others/second.txt"])
    assert [further for _, further in pairs.references] == SECOND
    with pytest.raises(DataError, match=r"holds no file 'third\.txt'"):
        load_all(f"file:{source},{first}", references=[f"{archive}/third.txt"])


def test_columns_and_lists_hold_several_references(tmp_path: Path) -> None:
    rows = [("eins", "one", "a one"), ("zwei", "two", "")]
    table = tmp_path / "a.csv"
    table.write_text("de,en,en2\n" + "".join(f"{','.join(row)}\n" for row in rows))
    by_name = load_all(f"file:{table}", source_column="de", target_column="en,en2")
    by_number = load_all(f"file:{table}", source_column="1", target_column="2,3")
    assert by_name.references == by_number.references[-2:] == [("one", "a one"), ("two",)]
    lists = tmp_path / "a.jsonl"
    objects = [{"translation": {"de": a, "en": [b, *([c] if c else [])]}} for a, b, c in rows]
    lists.write_text("".join(f"{json.dumps(one)}\n" for one in objects))
    found = load_all(f"file:{lists}", source_language="de", target_language="en")
    assert found.references == by_name.references
    assert found.report.count("pairs with several translations") == 1
    # What training reads is the first one.
    assert found.target == ("one", "two")
    lists.write_text('{"source": "eins", "references": ["one", "a one"]}\n')
    assert load_all(f"file:{lists}").references == [("one", "a one")]
    # Our own table of hypotheses, and a header with one language twice.
    table.write_text("id,source,reference,reference 2\n1,eins,one,a one\n")
    assert load_all(f"file:{table}").references == [("one", "a one")]
    for name, tab in (("b.csv", ","), ("b.tsv", "\t")):
        (tmp_path / name).write_text("de,en,en\neins,one,a one\n".replace(",", tab))
        assert load_all(f"file:{tmp_path / name}").references == [("one", "a one")]
    named = tmp_path / "named.csv"
    named.write_text('de,"en,en2",x\neins,one,y\n')
    assert load_all(f"file:{named}", source_column="de", target_column="en,en2").further == ()


def test_pairs_left_out_take_their_references_with_them() -> None:
    pairs = SentencePairs(("a", "", "c"), ("A", "B", "C"), further=(("aa",), ("bb",), ()))
    kept = load_all(pairs)
    assert kept.references == [("A", "aa"), ("C",)]
    assert kept.fingerprint != load_all(SentencePairs(("a", "c"), ("A", "C"))).fingerprint
    with pytest.raises(ValueError, match="3 pairs and further references of 1"):
        SentencePairs(("a",) * 3, ("b",) * 3, further=((),))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("1\n2\n", "has 2 lines, but {data} has 12 pairs: they do not align"),
        ("\n" * 12, "has no line with a reference"),
        ("1\t2\n" * 12, "has tabs on its lines"),
        ("<html>\n" * 12, "markup"),
        (None, "the file does not exist"),
        ("same", "is named twice"),
        ("other", "the file's name says fr, but the references are in de"),
    ],
)
def test_files_that_are_not_references(
    files: list[str], tmp_path: Path, content: str | None, named: str
) -> None:
    source, first, *_ = files
    path = tmp_path / ("wrong.fr" if content == "other" else "wrong.txt")
    if content == "same":
        path = Path(first)
    elif content is not None:
        path.write_text(content)
    languages = {"source_language": "en", "target_language": "de"}
    with pytest.raises(DataError) as refused:
        load_all(f"file:{source},{first}", references=[path], **languages)
    assert named.format(data=f"{source}, {first}") in str(refused.value)
    assert str(path) in str(refused.value)


def test_references_that_have_nothing_to_belong_to(
    run: Run, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["translate", "evaluate", "--run", str(run.folder.path)]
    assert main([*own, "--data", "builtin:phrases", "--references", files[2]]) == 2
    assert "has no lines that files of references" in " ".join(capsys.readouterr().err.split())
    bad = tmp_path / "a.jsonl"
    bad.write_text('{"source": "a", "target": ["b", 3]}\n')
    assert main([*own, "--data", f"file:{bad}"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert str(bad) in error and "row 1" in error and "holds a number here" in error
    table = tmp_path / "a.csv"
    table.write_text("de,en,en2\neins,one,a one\n")
    columns = ["--source-column", "de", "--target-column"]
    for wrong, cause in (
        ("en,none", "has no column 'none'"),
        ("en,en", "named as target twice"),
        ("en,de", "named as source and as target"),
        ("en,9", "there is no column 9"),
        (",", "target_column names no column"),
    ):
        assert main([*own, "--data", f"file:{table}", *columns, wrong]) == 2
        assert cause in " ".join(capsys.readouterr().err.split())
