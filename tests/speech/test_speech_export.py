"""What a recogniser leaves with: files that write what Keras writes, whole or as a stream."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soxr
import tensorflow as tf
from sound_files import write_sound
from speech_setup import spoken, tone_run

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers import train_tokenizer
from rnn_apps.edge import DecodingConfig, EdgeRecogniser, EndpointConfig
from rnn_apps.edge.speech import recogniser
from rnn_apps.export import device_files, export_tflite
from rnn_apps.export.results import ExportError, ExportResult
from rnn_apps.speech.device import exporting
from rnn_apps.speech.device.export_recordings import judged_recordings
from rnn_apps.speech.device.exporting import export
from rnn_apps.speech.device.step_model import whole_model

GREEDY = DecodingConfig(method="greedy")
FORMATS = ("saved_model", "streaming", "streaming_int8")
WHOLE = exporting.FILES["tflite"].file


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tone_run(tmp_path_factory.mktemp("speech"), layers=1, dropout=0.0)


@pytest.fixture(scope="module")
def exported(run):
    to = run.folder.path.parent / "exported"
    found = export(run, to, FORMATS)
    # As `export` writes it, but for the choice among several forms, which takes long.
    export_tflite(whole_model(run.model, run.config), to / WHOLE, form="loop")
    return to, found


def test_every_file_is_judged_beside_keras(exported):
    to, found = exported
    rows = {row[0]: dict(zip(exporting.HEADER, row, strict=True)) for row in found["table"]["rows"]}
    assert [*rows] == ["saved_model", "streaming.tflite", "streaming_int8.tflite"]
    assert found["files"] == [str(to / name) for name in rows]
    exact = [row["word error rate"] for name, row in rows.items() if "int8" not in name]
    assert len(set(exact)) == 1 and exact[0] < 0.3
    assert rows["streaming_int8.tflite"]["word error rate"] <= exact[0] + 0.05
    for name, row in rows.items():
        if name != "saved_model":
            assert 0 < row["real-time factor"] < 1 and row["ms per call"] > 0
            assert row["memory in KiB"] is None or row["memory in KiB"] > 0
    # Half a transform of 256 samples, a chunk of 4 frames and 2 output frames ahead.
    assert rows["streaming.tflite"]["delay in ms"] == 16 + 40 + 80


def test_a_card_tells_the_word_error_rate(exported):
    to, _ = exported
    card = json.loads((to / "streaming_int8.tflite.json").read_text(encoding="utf-8"))
    metric = card["task_metric"]
    assert metric["name"] == "word error rate" and "test recordings" in metric["measured_on"]
    assert abs(metric["file"] - metric["keras"]) < 0.05
    assert "word error rate" in (to / "streaming_int8.tflite.md").read_text(encoding="utf-8")


def same_outputs(run, device):
    judged = judged_recordings(run)
    for samples, wanted in zip(judged.samples[:2], judged.log_probabilities(run)[:2], strict=True):
        logits = device.logits(samples)
        found = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(found, wanted, atol=2e-4)


@pytest.mark.parametrize("file", [WHOLE, "streaming.tflite"])
def test_a_device_gives_the_outputs_of_keras(run, exported, file):
    device = EdgeRecogniser(exported[0], file, decoding=GREEDY)
    assert device.can_stream == (file != WHOLE)
    same_outputs(run, device)


@pytest.mark.slow
def test_all_formats_recognise_what_keras_does(run, tmp_path):
    found = export(run, tmp_path)
    rows = {row[0]: row for row in found["table"]["rows"]}
    assert {exporting.FILES[name].file for name in exporting.FILES if name != "tflite_int8"} < {
        *rows
    }
    assert rows[WHOLE][7] is None
    rates = [row[3] for row in rows.values()]
    assert max(rates) - min(rates) < 0.05
    same_outputs(run, EdgeRecogniser(tmp_path, WHOLE, decoding=GREEDY))
    same_outputs(run, EdgeRecogniser(tmp_path, "streaming_tflm.tflite", "tflm", GREEDY))


@pytest.mark.parametrize("chunk", [77, 8000])
def test_a_stream_on_the_device_is_the_whole(run, exported, chunk):
    judged = judged_recordings(run)
    device = EdgeRecogniser(exported[0])
    for samples in judged.samples[:2]:
        (whole,) = device.transcribe(samples)
        stream = device.stream()
        for at in range(0, len(samples), chunk):
            assert stream.push(samples[at : at + chunk]) == []
            stream.partial()
        assert stream.finish().text == whole.text
    # Pauses part the text into utterances and change nothing of it.
    long = np.concatenate([judged.samples[0], spoken("", 9, 12000), judged.samples[1]])
    pieces = [long[at : at + chunk] for at in range(0, len(long), chunk)]
    first, second = device.stream(EndpointConfig(pause_seconds=0.9)).recognise(pieces)
    whole = device.transcribe(long)[0].text
    assert first.text and (first.text + second.text).replace(" ", "") == whole.replace(" ", "")
    assert first.end == second.start and second.end == pytest.approx(len(long) / 8000)


def test_each_of_several_streams_hears_its_own(run, exported):
    device = EdgeRecogniser(exported[0], decoding=GREEDY)
    recordings = judged_recordings(run).samples[:3]
    wanted = [device.transcribe(samples)[0].text for samples in recordings]
    assert len(set(wanted)) == 3
    streams = [device.stream() for _ in recordings]
    for at in range(0, len(recordings[0]), 200):
        for stream, samples in zip(streams, recordings, strict=True):
            stream.push(samples[at : at + 200])
        if at == 2000:
            # Nor does a whole recording in between leave a trace.
            assert device.transcribe(recordings[0])[0].text == wanted[0]
    assert [stream.finish().text for stream in streams] == wanted
    # A second end of a stream is an empty one, and after it a new stream begins.
    assert streams[0].finish().text == ""
    streams[0].push(recordings[1])
    assert streams[0].finish().text == wanted[1]


@pytest.mark.parametrize("share", [False, True])
def test_streams_in_threads_hear_their_own(run, exported, share):
    """More streams than threads, each thread with several of them in turns."""
    device = EdgeRecogniser(exported[0], decoding=GREEDY, share_runtime=share)
    recordings = judged_recordings(run).samples[:6]
    wanted = [device.transcribe(samples) for samples in recordings]
    assert len({found[0].text for found in wanted}) > 3
    streams = [device.stream() for _ in recordings]

    def heard(transcripts):
        return [(one.text, [(word.start, word.end) for word in one.words]) for one in transcripts]

    def listen(numbers):
        for at in range(0, max(map(len, recordings)), 160):
            for number in numbers:
                streams[number].push(recordings[number][at : at + 160])
        return {number: heard(streams[number].finish().transcripts) for number in numbers}

    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(listen, [(0, 3), (1, 4), (2, 5)]))
        again = list(pool.map(lambda samples: device.transcribe(samples), recordings))
    found = {number: one for part in parts for number, one in part.items()}
    assert [found[number] for number in range(6)] == [heard(one) for one in wanted]
    assert again == wanted


def test_streams_share_a_runtime_only_without_variables(exported, monkeypatch):
    session = SimpleNamespace(has_variables=True)
    monkeypatch.setattr(recogniser, "StreamingSession", lambda model: session)
    with pytest.raises(UserError, match=r"streaming\.tflite: .*Leave share_runtime out"):
        EdgeRecogniser(exported[0], share_runtime=True)


def test_every_type_of_samples_is_the_same_sound_in_keras_and_on_the_device(run, exported):
    device = EdgeRecogniser(exported[0], decoding=GREEDY)
    samples = spoken("ab cd", 1)
    wanted = device.transcribe(samples)[0].text
    assert wanted
    integers = np.round(samples * 2**15).astype(np.int16)
    twice = soxr.resample(samples, 8000, 16_000)
    for given, rate in (
        (integers, None), (integers[:, None], 8000), (samples.tolist(), None), (twice, 16_000),
        (np.round(twice * 2**15).astype(np.int16), 16_000),
    ):  # fmt: skip
        stream = device.stream(sample_rate=rate)
        stream.push(given)
        assert stream.finish().text == wanted
        assert device.transcribe(given, rate)[0].text == wanted
        assert run.transcribe(given, GREEDY, sample_rate=rate)[0][0].text == wanted
    for wrong, message in (
        (samples * 2**15, "divide them by 32768"),
        (integers.tobytes(), "frombuffer"),
        (np.stack([samples, samples], 1), "2 channels"),
    ):
        for call in (device.transcribe, device.stream().push, run.transcribe):
            with pytest.raises(UserError, match=message):
                call(wrong)
    with pytest.raises(UserError, match="give it as sample_rate = 8000"):
        run.transcribe((samples, 8000))


def test_recordings_are_read_from_files(run, exported, tmp_path):
    device = EdgeRecogniser(exported[0], decoding=GREEDY)
    samples = spoken("ab cd", 1)
    (wanted,) = device.transcribe(samples)
    plain = write_sound(tmp_path / "plain.wav", samples, 8000)
    stereo = write_sound(tmp_path / "stereo.wav", np.stack([samples] * 2, 1), 8000)
    flac = write_sound(tmp_path / "other.flac", samples, 8000)
    for path in (plain, stereo, flac):
        assert device.transcribe(path)[0].text == wanted.text
    # Another rate is resampled.
    twice = np.repeat(samples, 2)
    assert device.transcribe(twice, 16000)[0].text == wanted.text
    for wrong, message in (
        (tmp_path / "missing.wav", "does not exist"),
        (np.zeros(0), "no samples"),
        (np.full(800, np.nan), "NaN"),
    ):
        with pytest.raises(UserError, match=message):
            device.transcribe(wrong)
    (tmp_path / "cut.wav").write_bytes(plain.read_bytes()[:9000])
    with pytest.raises(UserError, match="announces"):
        device.transcribe(tmp_path / "cut.wav")


def test_a_saved_model_takes_padded_batches_and_refuses_nan(run, exported):
    loaded = tf.saved_model.load(str(exported[0] / "saved_model"))
    recognise = loaded.signatures["recognise"]
    judged = judged_recordings(run)
    first = judged.samples[0]
    batch = np.full((2, len(first) + 500), 0.7, np.float32)
    batch[0, : len(first)] = first
    batch[1, :4000] = first[:4000]
    lengths = np.array([len(first), 4000], np.int32)
    found = recognise(samples=tf.constant(batch), sample_lengths=tf.constant(lengths))
    device = EdgeRecogniser(exported[0], decoding=GREEDY)
    for row, samples in enumerate((first, first[:4000])):
        (wanted,) = device.transcribe(samples)
        assert found["text"].numpy()[row].decode() == wanted.text
        assert found["confidence"].numpy()[row] == pytest.approx(wanted.confidence, abs=2e-3)
    for samples, length, message in (
        (batch * np.nan, lengths, "NaN"),
        (batch * 2**15, lengths, "from -1 to 1"),
        (batch, np.array([0, 5], np.int32), "no samples"),
        (batch, np.array([10**6, 5], np.int32), "exceed"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            recognise(samples=tf.constant(samples), sample_lengths=tf.constant(length))


def test_a_device_needs_neither_tensorflow_nor_keras(exported):
    program = (
        "import sys, numpy as np\n"
        "from rnn_apps.edge import EdgeRecogniser, EndpointConfig\n"
        f"device = EdgeRecogniser({str(exported[0])!r})\n"
        "device.transcribe(np.zeros(4000, np.float32))\n"
        "stream = device.stream(EndpointConfig())\n"
        "stream.push(np.zeros(4000, np.float32)); stream.finish()\n"
        "heavy = {'tensorflow', 'keras', 'librosa', 'soundfile', 'soxr', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_folder_that_is_no_recogniser_is_refused(exported, tmp_path):
    with pytest.raises(UserError, match="Give the folder that exporting a recogniser wrote"):
        EdgeRecogniser(tmp_path)
    (tmp_path / "contract.json").write_text("{}")
    with pytest.raises(UserError, match="holds no vocabulary_sha256"):
        EdgeRecogniser(tmp_path)
    content = json.loads((exported[0] / "contract.json").read_text(encoding="utf-8"))
    (tmp_path / "contract.json").write_text(json.dumps(content | {"features": {"kind": "ear"}}))
    with pytest.raises(DataError, match="features: kind = 'ear'"):
        EdgeRecogniser(tmp_path)
    (tmp_path / "contract.json").write_text(json.dumps(content))
    train_tokenizer("characters", ["other"]).save(tmp_path / "tokenizer")
    with pytest.raises(DataError, match="another vocabulary"):
        EdgeRecogniser(tmp_path)
    with pytest.raises(UserError, match="takes whole utterances"):
        EdgeRecogniser(exported[0], WHOLE).stream()


def test_formats_that_cannot_be_are_refused(run, tmp_path):
    with pytest.raises(ConfigurationError, match="formats = onnx: choose from saved_model"):
        export(run, tmp_path, ("onnx",))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        export(run, tmp_path / "file", ("tflite",))


def test_a_file_that_writes_something_else_is_not_left(run, exported, tmp_path, monkeypatch):
    """Both are put in by hand: a file that is right, and a trial that heard something else."""

    def written(model, path, **options):
        for ending in ("", ".json", ".md"):
            source = exported[0] / f"streaming.tflite{ending}"
            shutil.copy(source, path.with_name(path.name + ending))
        return ExportResult(path, "litert", "streaming", None, (), {}, (), (), 1)

    def heard(folder: Path, file: str, target: str, recordings):
        return exporting.Trial(("zz",) * len(recordings), 0.1, 1, None)

    monkeypatch.setattr(device_files, "export_tflite", written)
    monkeypatch.setattr(exporting, "try_recogniser", heard)
    for name, message in (("streaming", "writes 'zz' where"), ("streaming_int8", "quantised")):
        with pytest.raises(ExportError, match=message):
            export(run, tmp_path, (name,))
        assert not list(tmp_path.glob("*.tflite*"))
