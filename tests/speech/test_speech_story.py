"""The story of docs/speech-story.md: somebody's folder in, a table out, by the page's commands."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from pipelines.speech.recordings import synthesis
from rnn_apps import speech
from rnn_apps.application.command_line import main
from rnn_apps.application.model_zoo import find

PAGE = (Path(__file__).parents[2] / "docs/speech-story.md").read_text(encoding="utf-8")
WORDS = "zero one two three four five six seven eight nine"
DIGITS = {word: str(digit) for digit, word in enumerate(WORDS.split(" "))}
RECORDINGS = 30


def commands() -> list[list[str]]:
    [block] = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = block.replace("\\\n", "").splitlines()
    assert all(line.startswith("rnn-apps ") for line in lines)
    return [shlex.split(line)[1:] for line in lines]


def write_folder(folder: Path) -> list[str]:
    """A folder in the layout of LJSpeech, of synthetic speech; the texts in the files' order."""
    pytest.importorskip("espeakng_loader")
    utterances = synthesis.plan("digits")[:RECORDINGS]
    (folder / "wavs").mkdir(parents=True)
    synthesis.synthesise(utterances, folder / "wavs")
    (folder / "wavs" / "manifest.jsonl").unlink()
    lines, texts = [], []
    for one in utterances:
        texts.append(" ".join(DIGITS[word] for word in one.transcript.split()))
        said = f"{one.transcript.capitalize()}."
        lines.append(f"{Path(one.file).stem}|{said}|{texts[-1]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return texts


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_page_s_lines_are_those_of_the_layout() -> None:
    [shown] = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in shown.splitlines():
        _, said, written = line.split("|")
        words = re.sub(r"[^a-z ]", "", said.lower()).split()
        assert written == " ".join(DIGITS[word] for word in words)


@pytest.mark.slow
def test_the_story_works_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = write_folder(tmp_path / "my-recordings")
    train, evaluate, transcribe = commands()
    assert main(train) == 0
    assert "LJSpeech" in capfd.readouterr().err
    origin = json.loads((tmp_path / "runs/mine/origin.json").read_text(encoding="utf-8"))
    assert "recorded-digits" in json.dumps(origin)

    assert main([*evaluate, "--json"]) == 0
    capfd.readouterr()
    predictions = rows(tmp_path / "runs/mine/predictions.csv")
    assert len(predictions) == RECORDINGS // 5
    said = dict(zip((f"{number:04d}" for number in range(RECORDINGS)), texts, strict=True))
    assert all(row["transcript"] == said[Path(row["path"]).stem[-4:]] for row in predictions)
    # These voices are synthetic, which the shipped model knows; it has forgotten nothing of them.
    words = sum(len(row["transcript"].split()) for row in predictions)
    errors = sum(int(row["word_errors"]) for row in predictions)
    assert errors <= 0.15 * words

    assert main(transcribe) == 0
    table = rows(tmp_path / "transcripts.csv")
    assert len(table) == RECORDINGS and not any(row["error"] for row in table)
    heard = sum(row["transcript"] == text for row, text in zip(table, texts, strict=True))
    assert heard >= 0.8 * RECORDINGS
    # The table says what the run writes for a recording.
    run = speech.load(tmp_path / "runs/mine")
    greedy = speech.DecodingConfig(method="greedy")
    [[first]] = run.transcribe(table[0]["path"], greedy)
    assert first.text == table[0]["transcript"]
    assert find("speech/recorded-digits").damaged_files() == []
