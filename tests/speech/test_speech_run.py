"""A recogniser from recordings to text: train, judge, transcribe, resume, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sound_files import bad_files, speech_like, three_hours, write_sound
from speech_setup import small_config, spoken, write_recordings
from threadpoolctl import threadpool_info, threadpool_limits

from pipelines.base.errors import ConfigurationError, DataError, UserError
from rnn_apps import speech
from rnn_apps.application.command_line import main
from rnn_apps.speech import transcription
from rnn_apps.speech.run_data import (
    load_other,
    load_parts,
    prepare,
    train_labels,
    training_batches,
)
from rnn_apps.speech.streaming import recognition_stream
from rnn_apps.speech.training_run import fit_run

# Quick rather than good: what it writes is judged by the same rules.
QUICK: dict[str, Any] = {
    "filters": (8,), "time_strides": (4,), "frequency_strides": (2,), "layers": 1, "units": 16,
    "lookahead": 2, "epochs": 12, "learning_rate": 0.02, "gradient_flow": False,
    "split": "0.8,0.2,0",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("speech")
    write_recordings(found / "recordings", 48)
    manifest = found / "recordings" / "manifest.csv"
    header, *rows = manifest.read_text(encoding="utf-8").splitlines()
    for number, row in enumerate(rows):
        part = "test" if number % 3 == 2 else "train"
        rows[number] = f"{row.rpartition(',')[0]},{part}"
    manifest.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def run(folder: Path) -> speech.Run:
    return speech.train(small_config(folder, **QUICK))


def test_training_leaves_a_judged_run(run: speech.Run) -> None:
    path = run.folder.path
    names = {"config.toml", "model.keras", "metrics.json", "history.csv", "report.html"}
    assert names <= {file.name for file in path.iterdir()}
    history = (path / "history.csv").read_text().splitlines()
    assert {"val_loss", "val_wer", "val_cer"} <= set(history[0].split(","))
    losses = [float(line.split(",")[2]) for line in history[1:]]
    assert losses[-1] < 0.6 * losses[0]
    metrics = run.metrics
    assert metrics["test"]["utterances"] == 16
    greedy = metrics["test"]["decoding"]["greedy"]["words"]
    assert greedy["reference"] == 32
    [row] = [row for row in metrics["table"]["rows"] if row[0] == "greedy"]
    assert row[1] == pytest.approx(100 * greedy["rate"])
    assert {one["speaker"] for one in metrics["test"]["by_speaker"]} == {"s0", "s1"}
    page = (path / "report.html").read_text()
    for text in ("<audio", "data:audio/wav", "Where the errors lie", "Worst: said", "40 ms"):
        assert text in page


def test_word_model_of_a_run(
    run: speech.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It knows the transcripts and the further text, and decoding takes it."""
    from rnn_apps.edge.speech.word_model import perplexity, read_arpa

    text, arpa = tmp_path / "more.txt", tmp_path / "words.arpa"
    text.write_text("Fade a bed\n\nfade a cab", encoding="utf-8")
    command = ["speech", "word-model", "--run", str(run.folder.path), "--to", str(arpa), "--json"]
    assert main([*command, "--text", str(text), "--order", "2"]) == 0
    result = json.loads(capfd.readouterr().out)
    model = read_arpa(arpa)
    assert model.order == 2
    assert model.knows("fade") and not model.knows("Fade")
    said = [one.transcript for one in run.recordings("test")]
    assert result["held_out"] == "test"
    assert result["perplexity"] == pytest.approx(perplexity(model, said), rel=1e-4)
    assert [row[1] for row in result["table"]["rows"]] == [len(table) for table in model.tables]
    decoding = speech.DecodingConfig(beam_width=4, word_model=str(arpa))
    assert run.transcribe(run.recordings("test")[0].path, decoding)[0]
    assert main([*command, "--text", str(tmp_path / "missing.txt")]) == 2
    assert "missing.txt" in capfd.readouterr().err


def test_what_is_judged_is_what_is_transcribed(run: speech.Run, folder: Path) -> None:
    """The same text from a file, from samples, and in the evaluation."""
    from rnn_apps.speech.judging.judgement import judge

    found = judge(run, run.recordings("test"), "test", speech.DecodingConfig(beam_width=4))
    assert list(found.rows) == ["beam of 4", "greedy"]
    recordings = found.utterances.store.recordings
    files = [one.path for one in recordings[:3]]
    decoding = speech.DecodingConfig(beam_width=4, n_best=2)
    texts = [transcripts[0].text for transcripts in run.transcribe(files, decoding)]
    assert texts == [one.text for one in found.first.transcripts[:3]]
    number = int(files[0].stem)
    said = found.utterances.transcripts[0]
    [[*several]] = run.transcribe(spoken(said, number).round(4), decoding)
    assert len(several) == 2 and several[0].score >= several[1].score


def test_other_recordings_and_strange_letters_count(run: speech.Run, folder: Path) -> None:
    """A word that the alphabet cannot write is an error, not left out."""
    other = folder / "other"
    write_sound(other / "1.wav", spoken("ab cd", 100), 8000)
    write_sound(other / "2.wav", spoken("ef", 101), 8000)
    manifest = other / "manifest.csv"
    manifest.write_text("path,transcript\n1.wav,ab xyz\n2.wav,EF\n", encoding="utf-8")
    found = run.evaluate(f"file:{manifest}")
    table = {row[0]: row for row in found["table"]["rows"]}
    assert table["greedy"][6:8] == [3, 2]
    assert any("alphabet does not have" in note for note in found["notes"])
    assert Path(found["report"]).name == "report-other_data.html"
    assert "other_data" in run.metrics and run.metrics["test"]["utterances"] == 16


def test_columns_of_other_recordings_are_named_by_role(
    run: speech.Run, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = folder / "columns"
    write_sound(other / "1.wav", spoken("ab cd", 100), 8000)
    table = other / "said.csv"
    table.write_text("clip,said\n1.wav,ab cd\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column 'path'"):
        run.evaluate(f"file:{table}")
    stated = ["audio=clip", "text=said"]
    assert run.evaluate(f"file:{table}", columns=stated)["data"]["rows"] == 1
    command = ["speech", "evaluate", "--run", str(run.folder.path), "--data", f"file:{table}"]
    assert main([*command, "--column", "audio=clip", "--column", "text=said"]) == 0
    capfd.readouterr()
    assert main([*command, "--column", "text=sad"]) == 2
    assert "no column 'sad'" in capfd.readouterr().err
    for wrong, words in ((["sound=clip"], "The roles are audio"), (["text"], "form ROLE=NAME")):
        with pytest.raises(ConfigurationError, match=words):
            run.evaluate(f"file:{table}", columns=wrong)
    with pytest.raises(UserError, match="name data"):
        run.evaluate(columns=stated)
    # What the training stated holds for other lists, and not for data without columns.
    config = replace(run.config, columns=tuple(stated))
    assert len(load_other(config, f"file:{table}")) == 1
    (other / "1.txt").write_text("ab cd\n", encoding="utf-8")
    assert len(load_other(config, f"file:{other}")) == 1
    with pytest.raises(DataError, match="no columns to name"):
        load_other(config, f"file:{other}", stated)


def test_the_command_line(run: speech.Run, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(run.folder.path)
    file = str(folder / "recordings" / "2.wav")
    assert main(["speech", "transcribe", "--run", path, file, "--greedy", "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    [one] = result["details"]
    assert one["recording"] == file
    assert one["transcripts"][0]["text"] == result["table"]["rows"][0][1]
    for word in one["transcripts"][0]["words"]:
        assert 0 <= word["start"] <= word["end"] <= 1.1 and 0 <= word["confidence"] <= 1
    missing = str(folder / "nowhere.wav")
    both = ["speech", "transcribe", "--run", path, missing, file, "--greedy", "--json"]
    assert main(both) == 2
    printed = capfd.readouterr()
    bad, good = json.loads(printed.out)["details"]
    assert good == one and bad["recording"] == missing and "does not exist" in bad["error"]
    assert "1 of 2 recordings" in printed.err and "nowhere.wav" in printed.err
    assert main(["speech", "evaluate", "--run", path, "--part", "validation", "--json"]) == 0
    judged = json.loads(capfd.readouterr().out)
    assert judged["table"]["header"][1] == "WER %" and judged["report"].endswith(
        "report-validation.html"
    )
    mistakes = (
        (["transcribe", "--run", path], "name sound files to transcribe"),
        (["transcribe", "--run", path, "--beam-width", "0", file], "beam_width = 0"),
        (["transcribe", "--run", path, str(folder / "no.wav")], "no.wav"),
        (["transcribe", "--run", path, "--processes", "-1", file], "processes = -1: name at least"),
        (
            ["transcribe", "--run", path, "--processes", "2", "--microphone"],
            "--processes share sound files",
        ),
        (["evaluate", "--run", path, "--part", "future"], "part = 'future'"),
        (
            ["train", "--run", path, "--data", f"file:{folder / 'recordings'}"],
            "already holds a run",
        ),
        (["train", "--run", str(folder / "new")], "no recordings are named"),
        (["transcribe", "--run", str(folder), file], "no run here"),
        (
            [
                "train",
                "--run",
                str(folder / "new"),
                "--split",
                "1,0,0",
                "--monitor",
                "val_wer",
                "--data",
                f"file:{folder / 'recordings' / '0.wav'}",
            ],
            "is not the ending of a list",
        ),
    )
    for arguments, message in mistakes:
        assert main(["speech", *arguments]) == 2, arguments
        assert message in capfd.readouterr().err, arguments


@pytest.mark.slow
def test_several_processes_write_the_bits_that_one_writes(
    run: speech.Run, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = [str(folder / "recordings" / f"{number}.wav") for number in (3, 1, 4, 5)]
    files.insert(2, str(tmp_path / "missing.wav"))
    command = ["speech", "transcribe", "--run", str(run.folder.path), *files, "--n-best", "3"]
    results = []
    for processes in ("1", "2"):
        assert main([*command, "--json", "--processes", processes]) == 2
        printed = capfd.readouterr()
        assert "1 of 5 recordings" in printed.err and "missing.wav" in printed.err
        results.append(json.loads(printed.out))
    assert results[0] == results[1]
    assert [one["recording"] for one in results[1]["details"]] == files
    assert all(one["transcripts"] for one in results[1]["details"] if "error" not in one)


@pytest.mark.slow
def test_samples_and_a_stream_in_several_processes(run: speech.Run, tmp_path: Path) -> None:
    long = write_sound(tmp_path / "long.wav", np.tile(spoken("ab cd", 1), 70), 8000)
    recordings = [long, spoken("cd ef", 2), spoken("ab", 3)[:0], spoken("fa", 4).astype(np.float64)]
    results, told = [], []
    for processes in (1, 0, 3):
        found = run.transcribe(
            recordings, processes=processes, unusable=lambda number, error: told.append(number)
        )
        results.append(found)
    assert results[0] == results[1] == results[2] and results[0][0][0].words
    assert told == [2, 2, 2]


def test_bad_recordings_are_named_when_transcribed(run: speech.Run, tmp_path: Path) -> None:
    for kind, path in bad_files(tmp_path).items():
        with pytest.raises(DataError, match=path.name):
            run.transcribe(path)
        assert kind
    with pytest.raises(UserError, match="NaN"):
        run.transcribe(np.full(800, np.nan, np.float32))
    with pytest.raises(UserError, match="no sample"):
        run.transcribe(np.zeros(0, np.float32))
    # One that cannot be used takes nothing from the others.
    good, text = write_sound(tmp_path / "said.wav", spoken("ab cd", 1), 8000), tmp_path / "text.wav"
    [[wanted]] = run.transcribe(good)
    with pytest.raises(
        transcription.UnusableRecordingsError, match=r"(?s)1 of 3.*text\.wav"
    ) as caught:
        run.transcribe([good, text, good])
    assert [len(found) for found in caught.value.transcripts] == [1, 0, 1]
    assert caught.value.transcripts[2][0].text == wanted.text and list(caught.value.errors) == [1]
    told: list[int] = []
    found = run.transcribe([text, good], unusable=lambda number, error: told.append(number))
    assert told == [0] and found[0] == [] and found[1][0].text == wanted.text
    # Silence is no mistake: nothing is said in it.
    [[silence]] = run.transcribe(np.zeros(8000, np.float32))
    assert silence.text == "" or silence.confidence < 1
    loud = np.clip(20 * speech_like(0.5, 8000), -1, 1)
    assert run.transcribe(loud)[0]


def test_a_long_recording_is_recognised_as_a_stream(run: speech.Run, tmp_path: Path) -> None:
    pieces = [np.pad(spoken("ab cd", number), (0, 16_000)) for number in range(22)]
    path = write_sound(tmp_path / "long.wav", np.concatenate(pieces), 8000)
    [[found]] = run.transcribe(path)
    starts = [word.start for word in found.words]
    assert starts == sorted(starts) and starts[-1] > 60
    assert found.text == " ".join(word.text for word in found.words)
    assert 0 < found.confidence <= 1
    config = replace(run.config, bidirectional=True, lookahead=0)
    other = speech.Run(run.folder, config, run.labels, run.model)
    with pytest.raises(DataError, match=r"long\.wav: lasts 66 s; a model that reads the whole"):
        other.transcribe(path)


def test_streams_of_a_run_share_their_step_and_not_their_state(run: speech.Run) -> None:
    """Tracing and judging the step takes longer than a minute of speech."""
    samples = spoken("ab cd", 3)
    alone = recognition_stream(run)
    step = run.step_models[1]
    first, second = recognition_stream(run), recognition_stream(run)
    assert run.step_models[1] is step
    expected = [*alone.push(samples), alone.finish()]
    heard = []
    for start in range(0, len(samples), 800):
        heard += first.push(samples[start : start + 800])
        second.push(-samples[::-1][start : start + 800])
    heard.append(first.finish())
    assert [one.text for one in heard] == [one.text for one in expected]
    assert expected[-1].text


def test_bad_recordings_are_left_out_of_training_and_reported(
    run: speech.Run, folder: Path, tmp_path: Path
) -> None:
    """Each reported once, and in sum; what is good trains."""
    rows = ["path,transcript"]
    rows += [f"{path},ab" for path in bad_files(tmp_path).values()]
    rows.append(f"{three_hours(tmp_path / 'long.wav', 4000)},ab")
    rows.append(f"{write_sound(tmp_path / 'silent.wav', np.zeros(8000), 8000)},ab")
    good = folder / "recordings"
    rows += [f"{good / '0.wav'},", f"{good / '1.wav'},{'abcdef' * 30}"]
    wide = np.repeat(spoken("ab", 7)[:, None], 8, axis=1)
    rows.append(f"{write_sound(tmp_path / 'eight.wav', wide, 8000)},ab")
    rows.append(f"{write_sound(tmp_path / 'fast.wav', speech_like(1.0, 192_000), 192_000)},cd ef")
    rows += [f"{good / f'{number}.wav'},ab cd" for number in range(3, 9)]
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
    held_out = tmp_path / "validation.csv"
    lines = [f"{good / '10.wav'},{'abcdef' * 30}", f"{good / '11.wav'},ab cd"]
    held_out.write_text("\n".join(["path,transcript", *lines]) + "\n", encoding="utf-8")
    config = small_config(tmp_path, **{**QUICK, "epochs": 1, "split": "1,0,0"})
    config = replace(config, data=f"file:{manifest}", validation=f"file:{held_out}")
    made = fit_run(config)
    metrics = made.read_metrics()
    [finding] = metrics["data"][1]["findings"]
    assert (finding["kind"], finding["count"]) == ("too short for its transcript", 1)
    counts = {one["kind"]: one["count"] for one in metrics["data"][0]["findings"]}
    assert counts == {
        "missing": 1, "no samples": 2, "truncated": 2, "not audio": 2, "NaN samples": 1,
        "too long": 1, "silent": 1, "empty transcript": 1, "too short for its transcript": 1,
        "several channels": 1, "higher sample rate than the model's": 1,
    }  # fmt: skip
    assert metrics["training"]["utterances"] == 8
    assert metrics["understood"][0].startswith("Recordings: ")
    assert speech.load(made.path).judged_part == "validation"
    # A record of an earlier version, which does not know the parts.
    record = made.path / "recordings.json"
    known = json.loads(record.read_text(encoding="utf-8"))
    del known["list_sha256"]
    record.write_text(json.dumps(known), encoding="utf-8")
    alone = speech.Run(made, replace(config, validation=""), run.labels, run.model)
    with pytest.raises(UserError, match="no recordings were held out"):
        alone.evaluate()


class KilledError(Exception):
    """As if the process was killed."""


@pytest.mark.slow
def test_a_run_that_was_killed_continues_to_the_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With augmented samples, masks and dropout, stopped inside an epoch."""
    import rnn_apps.training.trainer as trainer

    augmented = {
        **QUICK, "epochs": 2, "batch_size": 8, "checkpoint_minutes": 1e-9,
        "speeds": (0.9, 1.0, 1.1),
        "tempo": 0.1, "vocal_tract": 0.1, "noise_probability": 0.5, "gain_decibels": 6.0,
        "consistency": 0.2, "reverberation_probability": 0.5,
        "time_masks": 1, "frequency_masks": 1,
        "layer_normalisation": "batch",
    }  # fmt: skip
    whole = fit_run(replace(small_config(folder, **augmented), run=str(tmp_path / "whole")))
    config = replace(small_config(folder, **augmented), run=str(tmp_path / "killed"))
    saved = trainer._Training._save_checkpoint

    def save_and_die(self: Any) -> None:
        saved(self)
        if self.state.step == 3:
            raise KilledError

    monkeypatch.setattr(trainer._Training, "_save_checkpoint", save_and_die)
    with pytest.raises(KilledError):
        fit_run(config)
    monkeypatch.undo()
    with pytest.raises(UserError, match="units"):
        fit_run(replace(config, units=17), resume=True)
    of_the_earlier_model = [Path(config.run) / f"predictions{part}.csv" for part in ("", "-train")]
    for table in of_the_earlier_model:
        table.write_text("path")
    resumed = fit_run(config, resume=True)
    assert not any(table.exists() for table in of_the_earlier_model)
    for mine, theirs in zip(resumed.load_model().weights, whole.load_model().weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_augmentation_changes_every_epoch_and_never_starves_the_loss(folder: Path) -> None:
    config = small_config(folder, **QUICK, speeds=(0.8, 1.25), tempo=0.2, vocal_tract=0.1,
                          time_masks=1)  # fmt: skip
    parts = load_parts(config)
    labels = train_labels(config, parts["train"])
    utterances = prepare(config, parts["train"], labels)
    batches = training_batches(config, utterances)
    first, again, other = (list(batches.epoch(number)) for number in (0, 0, 1))
    for (mine, targets, _), (theirs, _, _) in zip(first, again, strict=True):
        np.testing.assert_array_equal(mine["features"], theirs["features"])
        outputs = -(-mine["frame_lengths"].numpy() // config.subsampling)
        assert (outputs >= targets["label_lengths"].numpy()).all()
    frames = [int(batch[0]["frame_lengths"].numpy().sum()) for batch in (*first, *other)]
    assert len(set(frames)) > 1


def test_two_copies_differ_in_sound_but_not_in_time(folder: Path) -> None:
    changes = {
        "speeds": (0.8, 1.25), "tempo": 0.2, "vocal_tract": 0.1,
        "gain_decibels": 6.0,
    }  # fmt: skip
    config = small_config(folder, **QUICK, **changes, consistency=0.2)
    parts = load_parts(config)
    utterances = prepare(config, parts["train"], train_labels(config, parts["train"]))
    batches = training_batches(config, utterances)
    seen = 0
    for inputs, targets, weights in batches.epoch(1):
        features, lengths = inputs["features"].numpy(), inputs["frame_lengths"].numpy()
        half = len(lengths) // 2
        seen += half
        np.testing.assert_array_equal(lengths[:half], lengths[half:])
        for name in ("labels", "label_lengths"):
            np.testing.assert_array_equal(targets[name][:half], targets[name][half:])
        np.testing.assert_array_equal(weights[:half], weights[half:])
        for row in range(half):
            assert np.abs(features[row] - features[half + row]).max() > 0.01
            # The same sound at the same time: loud frames are loud in both.
            loudness = features[[row, half + row], : lengths[row]].mean(axis=-1)
            assert np.corrcoef(loudness)[0, 1] > 0.8, np.corrcoef(loudness)
    assert seen == batches.examples


def test_features_are_computed_by_one_thread_in_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that wait for one another beside TensorFlow's made them take three times as long."""
    import rnn_apps.speech.training_run as training_run

    def threads() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    if not threads():
        pytest.skip("NumPy's products have no threads here")
    seen = []
    monkeypatch.setattr(training_run, "train_run", lambda *_, **__: seen.append(threads()))
    with threadpool_limits(limits=2, user_api="blas"):
        fit_run(small_config(folder, **QUICK))
        assert seen == [{1}] and threads() == {2}


def test_consistency_without_any_change_is_refused(folder: Path) -> None:
    config = small_config(folder, **QUICK, consistency=0.2, dropout=0.0)
    with pytest.raises(ConfigurationError, match=r"consistency = 0\.2 compares two copies"):
        fit_run(config)


@pytest.mark.slow
def test_recorded_digits_are_learnt(tmp_path: Path) -> None:
    """Single digits of four speakers, a few minutes: far from the benchmark's budget."""
    import os

    data = os.environ.get("RNN_APPS_DATA", "")
    if not data:
        pytest.skip("RNN_APPS_DATA is not set")
    config = speech.SpeechConfig(
        data=f"file:{data}/fsdd", naming_rule=r"(?P<transcript>\d)_(?P<speaker>[a-z]+)_\d+\.wav",
        run=str(tmp_path / "run"), tokenizer="words", sample_rate=8000, bands=40, units=96,
        layers=1, filters=(16, 32), time_kernel=3, frequency_kernel=3, lookahead=4, epochs=8,
        learning_rate=5e-3, schedule="cosine", gradient_flow=False,
    )  # fmt: skip
    run = speech.train(config)
    assert run.metrics["test"]["decoding"]["greedy"]["words"]["rate"] < 0.15


def test_a_refused_resume_changes_nothing_and_changed_data_are_not_judged(
    run: speech.Run, folder: Path
) -> None:
    def contents() -> dict[Path, bytes]:
        files = (path for path in run.folder.path.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    before = contents()
    with pytest.raises(UserError, match="units"):
        fit_run(replace(run.config, units=17), resume=True)
    assert contents() == before
    manifest = folder / "recordings" / "manifest.csv"
    own = manifest.read_text(encoding="utf-8")
    try:
        # Another row of the test part is trained on.
        manifest.write_text(own.replace(",test", ",train", 1), encoding="utf-8")
        with pytest.raises(UserError, match="does not hold the data that the run in"):
            fit_run(replace(run.config, epochs=13), resume=True)
        assert contents() == before
        with pytest.raises(UserError, match="is no longer what the run in"):
            speech.load(run.folder.path).evaluate()
    finally:
        manifest.write_text(own, encoding="utf-8")
    assert contents() == before
