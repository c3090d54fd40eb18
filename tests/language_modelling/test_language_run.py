"""A language model's run, from a text file to figures, text and scores."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.text.corpus import MemoryText
from pipelines.tokenizers import train_tokenizer
from rnn_apps import language_modelling
from rnn_apps.application.command_line import main
from rnn_apps.application.run_parts import record_parts
from rnn_apps.edge.sampling import SamplingConfig
from rnn_apps.language_modelling import LanguageModellingConfig, Run
from rnn_apps.language_modelling.writing import WritingConfig

WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "ate", "naïve", "cakes")


def text(words: int, seed: int) -> str:
    generator = np.random.default_rng(seed)
    lines = [" ".join(generator.choice(WORDS, 6)) for _ in range(words // 6)]
    return "\n".join(lines) + "\n"


def config_for(folder: Path, **changes: object) -> LanguageModellingConfig:
    (folder / "train.txt").write_text(text(1800, 0), encoding="utf-8")
    (folder / "test.txt").write_text(text(300, 1), encoding="utf-8")
    settings = {
        "data": f"file:{folder / 'train.txt'}",
        "test": f"file:{folder / 'test.txt'}",
        "run": str(folder / "run"),
        "split": "0.9,0.1,0",
        "cell": "gru",
        "units": 32,
        "layers": 1,
        "batch_size": 8,
        "timesteps": 32,
        "epochs": 4,
        "learning_rate": 1e-2,
        "hidden_dropout": 0.0,
        "output_dropout": 0.0,
    }
    return LanguageModellingConfig(**{**settings, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return language_modelling.train(config_for(tmp_path_factory.mktemp("language")))


def test_a_run_is_judged_on_its_whole_test_text(run: Run) -> None:
    found = run.metrics["test"]
    assert found["tokens"] == len(text(300, 1)) - 1
    model, baseline = found["models"]["model"], found["models"]["Kneser-Ney 5-gram"]
    assert model["bits_per_character"] == pytest.approx(model["nats"] / np.log(2))
    assert model["bits_per_byte"] < model["bits_per_character"]
    assert 0.3 < model["nats"] < 2.0
    assert 0.3 < baseline["nats"] < 1.0
    assert found["unknown_rate"] == 0
    assert sum(row["share_of_cost"] for row in found["by_class"]) == pytest.approx(1.0)
    page = run.folder.report.read_text(encoding="utf-8")
    for words in ("Where the cost lies", "Calibration", "What it writes", "Learning curves"):
        assert words in page


def test_loaded_again_it_scores_the_same(run: Run) -> None:
    again = language_modelling.load(run.folder.path)
    scored = again.score(text(300, 1))
    assert scored[0].log_probability is None
    total = sum(one.log_probability for one in scored[1:])
    assert -total / (len(scored) - 1) == pytest.approx(
        run.metrics["test"]["models"]["model"]["nats"], rel=1e-5
    )
    assert "".join(one.token for one in scored[:3]) == text(300, 1)[:3].replace(" ", "␣")


def test_windows_without_earlier_context_are_a_row_of_their_own(run: Run) -> None:
    found = run.evaluate(part="validation", window=16)
    [whole, windows] = found["table"]["rows"][:2]
    assert windows[0] == "model, windows of 16 tokens without earlier context"
    assert windows[1] > whole[1]
    with pytest.raises(ConfigurationError, match="window = -1 must be at least 0"):
        run.evaluate(part="validation", window=-1)


def test_dynamic_evaluation_and_cache_are_reported_apart(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_apps.language_modelling.judging.known_text.MOST_TUNING_TOKENS", 400)
    found = run.evaluate(part="validation", dynamic=True, cache=True)
    names = [row[0] for row in found["table"]["rows"]]
    assert names[0] == "model"
    assert "dynamic evaluation" in names[1]
    assert "neural cache" in names[2]
    assert any("settings chosen on" in n and "train part" in n for n in found["notes"])
    assert Path(found["report"]).name == "report-validation.html"
    # The run's own figures stay those of its test part.
    assert "test.txt" in run.metrics["table"]["title"]


def test_unknown_characters_in_other_text_are_counted_and_not_hidden(
    run: Run, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    known = text(6, 0)
    other.write_text("the cat sat on a ΩΩ mat\n" * 5 + known, encoding="utf-8")
    found = run.evaluate(f"file:{other}")
    assert found["bits_per_character"] is None
    assert found["bits_per_byte"] is None
    note, shared = found["notes"]
    assert "'Ω'" in note
    assert note.startswith(f"{100 * 10 / (119 + len(known)):.3g} %")
    assert "50% of the lines of the text are also in the training text" in shared


def test_a_text_is_written_as_it_comes(run: Run) -> None:
    config = WritingConfig(60, SamplingConfig(seed=3))
    [whole] = run.generate("the cat ", config)
    pieces = list(run.stream("the cat ", config))
    assert "".join(pieces) == whole
    assert len(pieces) == len(whole) == 60
    alone = run.generate(["the cat ", "na", ""], config)
    assert alone[0] == whole
    [stopped] = run.generate("the cat ", WritingConfig(400, SamplingConfig(seed=3), stop=" a"))
    assert stopped.endswith(" a")
    assert stopped.count(" a") == 1
    assert "".join(run.stream("the cat ", WritingConfig(400, SamplingConfig(seed=3), stop=" a"))) \
        == stopped  # fmt: skip


def test_a_prompt_longer_than_the_training_context_is_read_whole(run: Run) -> None:
    long = text(900, 5)
    greedy = WritingConfig(5, SamplingConfig(temperature=0))
    [found] = run.generate(long, greedy)
    scored = run.score(long + found)
    assert [one.rank for one in scored[-5:]] == [0] * 5


def test_beams_are_at_least_as_probable_as_greedy_text(run: Run) -> None:
    def cost(written: str) -> float:
        return -sum(one.log_probability or 0.0 for one in run.score("the c" + written)[5:])

    [greedy] = run.generate("the c", WritingConfig(12, SamplingConfig(temperature=0)))
    [beam] = run.generate("the c", WritingConfig(12, beam=4))
    assert cost(beam) <= cost(greedy) + 1e-4
    [line] = run.generate("the c", WritingConfig(60, beam=2, stop="\n"))
    assert line.count("\n") <= 1
    with pytest.raises(ConfigurationError, match="2 tokens: beam search ends a text at one"):
        run.generate("the c", WritingConfig(60, beam=2, stop="at"))


def test_prompts_that_cannot_be_used_are_refused(run: Run) -> None:
    with pytest.raises(DataError, match=r"'Ж' at character 4"):
        run.generate("the Жcat")
    with pytest.raises(DataError, match="the text is empty"):
        run.score("")
    with pytest.raises(DataError, match="the text has 1 token; at least two"):
        run.score("a")
    # An empty prompt begins as a line does.
    config = WritingConfig(5, SamplingConfig(temperature=0))
    assert run.generate("", config) == run.generate("\n", config)


def test_a_text_in_memory_can_be_trained_on_and_judged(tmp_path: Path) -> None:
    config = config_for(
        tmp_path, data="", test="", tokenizer="words", epochs=1, split="0.8,0.1,0.1"
    )
    own = language_modelling.train(config, data=MemoryText(text(1500, 0), "memory"))
    found = own.metrics["test"]
    assert found["source"].startswith("memory")
    assert found["models"]["model"]["perplexity"] < 12
    words = own.generate("the cat", WritingConfig(4, SamplingConfig(seed=0)))[0].split()
    assert set(words) <= set(WORDS)
    with pytest.raises(UserError, match="not kept"):
        language_modelling.load(own.folder.path).evaluate()


def test_another_models_vocabulary_is_refused(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run.folder.path, copy)
    train_tokenizer("characters", ["abc"]).save(copy / "tokenizer")
    with pytest.raises(UserError, match=r"tokenizer\.json is not the file that training wrote"):
        language_modelling.load(copy)
    record_parts(copy)
    with pytest.raises(UserError, match=r"another model's"):
        language_modelling.load(copy)


def test_the_command_line_does_all_of_it(
    run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(run.folder.path)
    common = ["language", "generate", "--run", folder, "--most-tokens", "8", "--seed", "1"]
    assert main([*common, "--prompt", "the "]) == 0
    printed = capfd.readouterr().out
    assert main([*common, "--prompt", "the ", "--prompt", "a ", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["table"]["rows"]
    assert printed == f"the {rows[0][1]}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("the cat"))
    assert main(["language", "score", "--run", folder, "--text", "-", "--json"]) == 0
    scored = json.loads(capfd.readouterr().out)
    assert [row[0] for row in scored["table"]["rows"]] == [*"the", "␣", *"cat"]
    assert main([*common, "--prompt", "Ж"]) == 2
    assert "not in the model's vocabulary" in capfd.readouterr().err
