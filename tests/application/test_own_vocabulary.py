"""`--vocabulary`: the vocabulary of another run, or one that was made elsewhere."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from language_setup import untrained_run

from pipelines.tokenizers import load_tokenizer
from rnn_apps import language_modelling, translation
from rnn_apps.application.command_line import main
from rnn_apps.application.going_on import inherited_settings
from rnn_apps.edge.language_model import EdgeLanguageModel

TEXT = "the cat sat on a mat and ate cakes\n" * 30
SMALL = [
    "--epochs", "1", "--batch-size", "2", "--no-gradient-flow", "--split", "0.9,0.1,0",
]  # fmt: skip


@pytest.fixture(scope="module")
def words_run(tmp_path_factory: pytest.TempPathFactory) -> language_modelling.Run:
    return untrained_run(tmp_path_factory.mktemp("words"), TEXT, "words")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return f"file:{path}"


def _language(text: str, folder: Path, *flags: str) -> list[str]:
    return [
        "language", "train", "--data", text, "--run", str(folder), "--units", "8", "--layers", "1",
        "--timesteps", "8", *SMALL, *flags,
    ]  # fmt: skip


def test_words_of_a_file_and_of_another_run(
    words_run: language_modelling.Run, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("the\ncat\nsat\nzebra\n", encoding="utf-8")
    named = ["--tokenizer", "words", "--vocabulary"]
    assert main(_language(text, tmp_path / "file", *named, str(vocabulary))) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "Vocabulary: 6 words" in said and "Unknown: " in said
    run = language_modelling.load(tmp_path / "file")
    assert run.tokenizer.tokens[2:] == ("the", "cat", "sat", "zebra")
    other = str(words_run.folder.path)
    assert main(_language(text, tmp_path / "run", *named, other)) == 0
    run = language_modelling.load(tmp_path / "run")
    assert run.tokenizer.fingerprint == words_run.tokenizer.fingerprint
    # The vocabulary is the run's own by now: the file need not be there to continue.
    vocabulary.unlink()
    again = _language(text, tmp_path / "file", *named, str(vocabulary), "--resume")
    assert main(again) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--vocabulary", "RUN"], "has words, and tokenizer = 'characters'. Set tokenizer to word"),
        (["--vocabulary", "RUN,RUN"], "a language model has one"),
        (["--vocabulary", "none.txt"], "there is no such vocabulary"),
        (["--vocabulary", "EMPTY"], "holds no vocabulary"),
        (["--vocabulary", "language/none"], "no saved model 'language/none'"),
        (["--vocabulary", "RUN", "--vocabulary-size", "9"], "vocabulary_size = 9 is for a vocab"),
        (["--vocabulary", "RUN", "--minimum-count", "2"], "minimum_count = 2 is for a vocabulary"),
        (["--vocabulary", "RUN", "--from", "RUN"], "keeps its vocabulary. Add new_vocabulary"),
        (
            ["--from", "RUN", "--minimum-count", "2"],
            "settings: minimum_count = 2 (there 0)",
        ),
        (["--from", "RUN", "--vocabulary-size", "9"], "vocabulary_size = 9 (there 0)"),
        (["--tokenizer", "bytes", "--vocabulary", "x.txt"], "bytes are all known"),
    ],
)
def test_what_cannot_be_a_vocabulary_is_refused(
    words_run: language_modelling.Run,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"RUN": str(words_run.folder.path), "EMPTY": str(tmp_path / "empty")}
    for name, place in places.items():
        flags = [flag.replace(name, place) for flag in flags]
    assert main(_language(text, tmp_path / "new", *flags)) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()


def test_how_a_vocabulary_was_learnt_is_not_taken_over_where_one_is_named(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learnt = untrained_run(tmp_path, TEXT, "words", vocabulary_size=9, minimum_count=2)
    origin = str(learnt.folder.path)
    anew = language_modelling.config_from(origin, new_vocabulary=True)
    assert (anew.vocabulary_size, anew.minimum_count) == (9, 2)
    named = language_modelling.config_from(origin, new_vocabulary=True, vocabulary=("w.txt",))
    assert (named.vocabulary_size, named.minimum_count, named.units) == (0, 0, learnt.config.units)
    flags = ["language", "train", "--from", origin, "--data", text, "--run", str(tmp_path / "new")]
    assert main([*flags, "--new-vocabulary", "--vocabulary", "w.txt"]) == 2
    assert "w.txt: there is no such vocabulary" in capsys.readouterr().err
    twice = ["--new-vocabulary", "--vocabulary", "w.txt", "--vocabulary-size", "9"]
    assert main([*flags, *twice]) == 2
    assert "vocabulary_size = 9 is for a vocabulary" in capsys.readouterr().err


def test_the_average_of_epochs_is_the_new_training_s_own() -> None:
    settings = inherited_settings(
        translation.TranslationConfig, "translate", "translate/localised-phrases"
    )
    assert "units" in settings and "average_epochs" not in settings


def _pairs(folder: Path) -> str:
    path = folder / "pairs.tsv"
    rows = [f"the {a} {b}\tla {b} {a}\n" for a in ("cat", "mat", "hat") for b in ("sat", "ran")]
    path.write_text("".join(rows * 4), encoding="utf-8")
    return f"file:{path}"


def _translation(folder: Path, *flags: str) -> list[str]:
    return [
        "translate", "train", "--data", _pairs(folder), "--run", str(folder / "run"),
        "--tokenizer", "words", "--units", "4", "--embedding-size", "4", "--beam-width", "1",
        *SMALL, *flags,
    ]  # fmt: skip


def test_a_vocabulary_for_each_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = []
    for name, words in (("source", "the cat mat hat"), ("target", "la sat ran")):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(words.split()), encoding="utf-8")
        names.append(str(path))
    both = ",".join(names)
    assert main(_translation(tmp_path, "--vocabulary", both)) == 2
    assert "names 2 vocabularies, and joint_vocabulary = True" in capsys.readouterr().err
    separate = ["--no-joint-vocabulary", "--tied", "none"]
    assert main(_translation(tmp_path, "--vocabulary", names[0], *separate)) == 2
    assert "names one vocabulary for both languages" in capsys.readouterr().err
    assert main(_translation(tmp_path, "--vocabulary", both, *separate)) == 0
    run = translation.load(tmp_path / "run")
    assert run.source_tokenizer.tokens[2:] == ("the", "cat", "mat", "hat")
    assert run.target_tokenizer.tokens[2:] == ("la", "sat", "ran")
    assert run.config.vocabulary == tuple(names)


@pytest.mark.slow
def test_a_foreign_sentencepiece_model_goes_to_the_device(text: str, tmp_path: Path) -> None:
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(TEXT.split("\n")), model_writer=content, vocab_size=30,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    model = tmp_path / "spm.model"
    model.write_bytes(content.getvalue())
    flags = ["--tokenizer", "subwords", "--vocabulary", str(model)]
    assert main(_language(text, tmp_path / "run", *flags)) == 0
    run = language_modelling.load(tmp_path / "run")
    formats: tuple[Any, ...] = ("saved_model", "tflite")
    run.export(tmp_path / "device", formats=formats)
    assert load_tokenizer(tmp_path / "device" / "tokenizer").fingerprint == (
        run.tokenizer.fingerprint
    )
    contract = json.loads((tmp_path / "device" / "contract.json").read_text(encoding="utf-8"))
    assert contract["unknown_id"] == run.tokenizer.unknown_id == 0
    device = EdgeLanguageModel(tmp_path / "device")
    written = "".join(device.write("the cat", 10))
    assert written and "\ufffd" not in written
