"""Text outside the vocabulary: named and counted, refused or accepted, scored with and without."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from language_setup import untrained_run

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers import train_tokenizer
from pipelines.tokenizers.unknown_text import encode_checked, unknown_text
from rnn_apps.application.command_line import main
from rnn_apps.edge.sampling import SamplingConfig
from rnn_apps.language_modelling import Run
from rnn_apps.language_modelling.writing import WritingConfig

TEXT = "the dog sat on the mat\nthe cat ran to the dog\n" * 40


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return untrained_run(tmp_path_factory.mktemp("unknown"), TEXT, kind="words")


def test_words_and_characters_are_named_with_their_number() -> None:
    words = train_tokenizer("words", [TEXT])
    found = unknown_text(words, ["the ship sat", "the dog", "a ship <unk>"])
    assert found.pieces == (("ship", 2), ("a", 1)) and found.texts == (1, 3) and found.count == 3
    assert str(found) == "3 words that the model does not know: 'ship' (2 times), 'a'"
    characters = train_tokenizer("characters", [TEXT])
    assert str(unknown_text(characters, ["Ω"])) == (
        "1 character that the model does not know: U+03A9 'Ω'"
    )
    many = unknown_text(characters, ["BCDEFGH"])
    assert str(many).endswith("and 2 more")
    assert not unknown_text(train_tokenizer("bytes", [TEXT]), ["Ω"])


def test_refusal_names_the_character_and_the_other_way() -> None:
    tokenizer = train_tokenizer("characters", [TEXT])
    with pytest.raises(DataError, match=r"U\+0416 'Ж' at character 4.*unknown = accept"):
        encode_checked(tokenizer, "the Ж", "the prompt")
    assert encode_checked(tokenizer, "the Ж", "the prompt", "accept")[-1] == tokenizer.unknown_id
    with pytest.raises(ConfigurationError, match="choose one of refuse, accept"):
        encode_checked(tokenizer, "the", "the prompt", "keep")
    with pytest.raises(ConfigurationError, match="unknown = 'skip'"):
        WritingConfig(unknown="skip")


def test_a_score_counts_unknown_tokens_and_has_both_perplexities(run: Run) -> None:
    scored = run.score("the ship sat on", unknown="accept")
    same = run.score("the <unk> sat on")
    assert [one.log_probability for one in scored] == [one.log_probability for one in same]
    assert [one.unknown for one in scored] == [False, True, False, False]
    assert scored.unknown.pieces == (("ship", 1),) and not same.unknown
    logs = [one.log_probability or 0.0 for one in scored[1:]]
    assert scored.perplexity == pytest.approx(math.exp(-sum(logs) / 3))
    assert scored.perplexity_of_known_tokens == pytest.approx(math.exp(-sum(logs[1:]) / 2))
    assert run.score("the ship", unknown="accept").perplexity_of_known_tokens is None
    with pytest.raises(DataError, match="'ship' at character 4"):
        run.score("the ship sat on")


def test_lines_are_scored_with_and_without_unknown_words(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("the dog sat\nthe ship sat on\n")
    to = tmp_path / "out.csv"
    arguments = ["language", "score", "--run", str(run.folder.path), "--lines", str(lines)]
    assert main([*arguments, "--to", str(to), "--json"]) == 0
    printed = capfd.readouterr()
    assert "1 word that the model does not know: 'ship'" in " ".join(printed.err.split())
    totals = json.loads(printed.out)
    rows = list(csv.DictReader(to.read_text().splitlines()))
    assert [row["unknown text"] for row in rows] == ["", "ship"]
    alone = run.score("the ship sat on", unknown="accept")
    known = alone.perplexity_of_known_tokens
    assert known and float(rows[1]["nats per known token"]) == pytest.approx(math.log(known))
    assert float(rows[0]["nats per token"]) == pytest.approx(float(rows[0]["nats per known token"]))
    assert (totals["tokens"], totals["unknown tokens"]) == (5, 1)
    assert totals["perplexity"] != totals["perplexity of known tokens"]
    assert main([*arguments, "--unknown", "refuse"]) == 2
    refused = " ".join(capfd.readouterr().err.split())
    assert f"{lines}, row 2: 1 word that the model does not know: 'ship'" in refused


def test_generate_says_it_before_it_writes(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    common = ["language", "generate", "--run", str(run.folder.path), "--most-tokens", "4"]
    asked = [*common, "--temperature", "0", "--prompt", "the ship"]
    assert main(asked) == 2
    assert "Or have it read as <unk>" in " ".join(capfd.readouterr().err.split())
    assert main([*asked, "--unknown", "accept", "--top-p", "0.5"]) == 0
    printed = capfd.readouterr()
    said = " ".join(printed.err.split())
    assert "The prompt holds 1 word that the model does not know: 'ship'" in said
    assert "--top-p without effect: --temperature 0 takes the most probable" in said
    searched = [*common, "--prompt", "the dog", "--beam", "2", "--seed", "1"]
    assert main([*searched, "--repetition-penalty", "2"]) == 2
    assert "goes with drawing: beam = 2" in " ".join(capfd.readouterr().err.split())
    assert main(searched) == 0
    assert "--seed without effect: --beam searches" in " ".join(capfd.readouterr().err.split())
    config = WritingConfig(4, SamplingConfig(temperature=0))
    [same] = run.generate("the <unk>", config)
    assert printed.out == f"the ship{same}\n"


def test_evaluate_states_both_perplexities_or_refuses(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("the ship sat on the mat\n" * 6)
    found = run.evaluate(f"file:{other}")
    [note] = found["notes"]
    assert found["unknown_tokens"] == 6 and "(6 of 41)" in note and "'ship'" in note
    assert f"{found['perplexity']:.4g}; it is {found['perplexity_of_known_tokens']:.4g}" in note
    records = tmp_path / "other.jsonl"
    records.write_text('{"verse": "the dog sat on the mat", "note": "the"}\n' * 3)
    found = run.evaluate(f"file:{records}", text_column="verse")
    assert found["tokens"] == 20 and found["unknown_tokens"] == 0
    with pytest.raises(UserError, match="text_column goes with other data"):
        run.evaluate(text_column="verse")
    with pytest.raises(DataError, match="6 of 42 tokens are words that the model does not know"):
        run.evaluate(f"file:{other}", unknown="refuse")
