"""What a translation model leaves with: files that translate as Keras does."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from translation_setup import DIGITS, digit_pairs, made_run, trained_model, wild_model

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers import CharacterTokenizer
from pipelines.tokenizers.sentence_ids import START, sentence_ids
from rnn_apps.edge import EdgeTranslator, SearchOptions
from rnn_apps.edge.translation.sentences import EMPTY
from rnn_apps.export.results import ExportError
from rnn_apps.translation.device.device_models import decoding_examples, device_models
from rnn_apps.translation.run import Run

PAIRS = digit_pairs(12, seed=21)
SOURCES = [source for source, _ in PAIRS]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made_run(tmp_path_factory.mktemp("translation"), wild_model(tied="all"), PAIRS)


@pytest.fixture(scope="module")
def exported(run: Run) -> Path:
    to = run.folder.path.parent / "exported"
    found = run.export(to, ("saved_model", "tflite"))
    assert [row[5] for row in found["table"]["rows"]] == [True, True]
    assert not list(to.glob(".trial*"))
    return to


def test_ranges_are_measured_on_steps_from_every_place_of_the_sentences(run: Run) -> None:
    encoder, decoder = device_models(run.model)
    sources = [sentence_ids(run.source_tokenizer, source) for source in SOURCES]
    found = decoding_examples(encoder, decoder, sources, len(sources))
    assert len(found) == len(sources)
    first = sum(int(one["token"][0]) == START for one in found)
    assert 1 <= first <= len(found) / 3


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(beam_width=1),
        SearchOptions(beam_width=4, n_best=3, coverage_penalty=0.2),
        SearchOptions(beam_width=3, no_repeat=2, shortest=1.0, length_penalty=0.6),
        SearchOptions(beam_width=4, n_best=3, repetition_penalty=1.7, longest=1.0),
        SearchOptions(beam_width=1, repetition_penalty=3.0),
    ],
    ids=["greedy", "beam", "rules", "repetition", "greedy repetition"],
)
def test_a_device_translates_as_keras(run: Run, exported: Path, options: SearchOptions) -> None:
    device = EdgeTranslator(exported)
    expected = run.translate(SOURCES, options)
    for found, wanted in zip(device.translate(SOURCES, options), expected, strict=True):
        assert [one.text for one in found] == [one.text for one in wanted]
        assert [one.alignment for one in found] == [one.alignment for one in wanted]
        for name in ("score", "log_probability"):
            np.testing.assert_allclose(
                [getattr(one, name) for one in found],
                [getattr(one, name) for one in wanted],
                rtol=1e-3,
            )


def test_a_server_takes_and_gives_strings(run: Run, exported: Path) -> None:
    served = tf.saved_model.load(str(exported / "saved_model")).signatures
    # A server leaves the token for unknown words as it is.
    beam = dataclasses.replace(run.search_options, replace_unknown=False)
    expected = [best.text for [best, *_] in run.translate(SOURCES, beam)]
    texts = served["translate"](source=tf.constant([*SOURCES, "", " \x00", "1\n2"]))
    found = [row[0].decode() for row in texts["text"].numpy()]
    assert found[: len(SOURCES)] == expected
    assert found[len(SOURCES) : len(SOURCES) + 2] == ["", ""]
    assert found[-1] == run.translate("1 2", beam)[0][0].text
    greedy = served["translate_greedily"](source=tf.constant(SOURCES))
    wanted = run.translate(SOURCES, dataclasses.replace(beam, beam_width=1))
    assert [row[0].decode() for row in greedy["text"].numpy()] == [one[0].text for one in wanted]
    scores = served["score"](
        source=tf.constant(SOURCES), target=tf.constant([target for _, target in PAIRS])
    )
    np.testing.assert_allclose(
        scores["log_probability"],
        [one.log_probability for one in run.score(PAIRS)],
        rtol=1e-4,
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="split it"):
        served["translate"](source=tf.constant(["1" * 1001]))


def test_the_card_says_what_the_file_is_for(exported: Path) -> None:
    card = json.loads((exported / "model.tflite.json").read_text(encoding="utf-8"))
    assert card["task_metric"]["name"] == "BLEU"
    assert card["task_metric"]["file"] == pytest.approx(card["task_metric"]["keras"])
    assert set(card["signatures"]) == {"encode", "decode_step"}


def test_a_device_refuses_what_it_cannot_use(exported: Path, tmp_path: Path) -> None:
    device = EdgeTranslator(exported)
    assert device.translate(["", "\n"]) == [[EMPTY], [EMPTY]]
    assert device.translate("Ω漢")[0][0].text
    with pytest.raises(DataError, match="row 1: the sentence has 10,000 words"):
        device.translate("1 " * 10_000)
    with pytest.raises(UserError, match="Give the folder that exporting a translation model"):
        EdgeTranslator(tmp_path)
    (tmp_path / "contract.json").write_text((exported / "contract.json").read_text())
    CharacterTokenizer("0123456798").save(tmp_path / "source_tokenizer")
    with pytest.raises(DataError, match="another vocabulary"):
        EdgeTranslator(tmp_path)
    DIGITS.save(tmp_path / "source_tokenizer")
    with pytest.raises(UserError, match="model_int8"):
        EdgeTranslator(tmp_path, "model_int8.tflite")


def test_a_device_draws_as_its_seed_says(exported: Path) -> None:
    device = EdgeTranslator(exported)
    options = SearchOptions(temperature=1.2, top_k=5, n_best=3, seed=4)
    first = device.translate(SOURCES[:2], options)
    assert first == device.translate(SOURCES[:2], options)
    # The best score comes first, as from the run.
    assert all(drawn == sorted(drawn, key=lambda one: -one.score) for drawn in first)
    only = SearchOptions(temperature=1.0, top_k=1)
    greedy = device.translate(SOURCES[:2], SearchOptions(beam_width=1))
    assert [one[0].text for one in device.translate(SOURCES[:2], only)] == [
        one[0].text for one in greedy
    ]


def test_formats_that_do_not_exist_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="formats = onnx: choose from saved_model"):
        run.export(tmp_path, ("onnx",))
    with pytest.raises(ExportError, match="TFLite Micro runs one graph"):
        run.export(tmp_path, ("tflm",))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run.export(tmp_path / "file", ("tflite",))


KINDS = [
    {"cell": "lstm"},
    {"cell": "simple", "attention": "bahdanau", "decoder": "plain"},
    {"cell": "lstm", "attention": "general", "decoder": "plain", "input_feeding": True,
     "encoder_layers": 2, "decoder_layers": 2},
    {"attention": "dot", "decoder": "plain", "bidirectional": False},
    {"attention": "concat", "decoder": "plain", "tied": "target"},
    {"attention": "none", "decoder": "plain"},
    {"coverage": True, "residual": True, "decoder_layers": 2},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_every_kind_of_model_runs_on_the_device(options: dict, tmp_path: Path) -> None:
    run = made_run(tmp_path, wild_model(**options), PAIRS)
    found = run.export(tmp_path / "exported", ("tflite",))
    assert found["table"]["rows"][0][5]
    search = SearchOptions(beam_width=3)
    device = EdgeTranslator(tmp_path / "exported").translate(SOURCES, search)
    assert [one[0].text for one in device] == [
        one[0].text for one in run.translate(SOURCES, search)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm", "simple"])
def test_a_trained_model_keeps_its_bleu_when_it_is_quantised(cell: str, tmp_path: Path) -> None:
    pairs = digit_pairs(60, seed=10_000)
    run = made_run(tmp_path, trained_model(cell=cell), pairs)
    found = run.export(tmp_path / "exported", ("tflite", "tflite_int8"))
    rows = {row[0]: row for row in found["table"]["rows"]}
    assert set(rows) == {"model.tflite", "model_dynamic.tflite", "model_int8.tflite"}
    bleu = {name: row[2] for name, row in rows.items()}
    assert bleu["model.tflite"] > 90
    assert min(bleu.values()) > bleu["model.tflite"] - 3
    sizes = [rows[name][1] for name in ("model.tflite", "model_dynamic.tflite")]
    assert sizes[1] < 0.5 * sizes[0]


PROGRAM = """
import sys
from rnn_apps.edge import EdgeTranslator, SearchOptions
device = EdgeTranslator(sys.argv[1])
for width in (1, 3):
    for [best, *_] in device.translate(sys.argv[2:], SearchOptions(beam_width=width)):
        print(best.text)
banned = {"tensorflow", "keras", "pandas", "tensorflow_text", "scipy"}
assert not banned & set(sys.modules), banned & set(sys.modules)
"""


def test_a_device_needs_neither_tensorflow_nor_keras(run: Run, exported: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(exported), *SOURCES[:3]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = [
        one[0].text
        for width in (1, 3)
        for one in run.translate(SOURCES[:3], SearchOptions(beam_width=width))
    ]
    assert done.stdout.splitlines() == expected


@pytest.mark.slow
def test_a_device_needs_the_runtime_numpy_and_the_tokenizer_alone(
    exported: Path, tmp_path: Path
) -> None:
    """In an environment of its own, where nothing else is installed."""
    venv.create(tmp_path / "device", with_pip=True)
    python = tmp_path / "device" / "bin" / "python"
    wanted = ["ai-edge-litert", "numpy", "sentencepiece"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    done = subprocess.run(
        [python, "-c", PROGRAM, str(exported), *SOURCES[:3]],
        capture_output=True, text=True, env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "general", "decoder": "plain"},
        pytest.param({"attention": "bahdanau", "coverage": True}, marks=pytest.mark.slow),
    ],
    ids=["general", "coverage"],
)
def test_sentences_of_many_lengths_calibrate_every_attention(
    tmp_path: Path, options: dict[str, str | bool]
) -> None:
    # The keys, or the attention so far, meet the annotations before a shape is computed.
    run = made_run(tmp_path, wild_model(**options), digit_pairs(6, seed=21))
    found = run.export(tmp_path / "exported", ("tflite_int8",))
    assert "not written" not in found
    assert [row[0] for row in found["table"]["rows"]] == [
        "model_dynamic.tflite",
        "model_int8.tflite",
    ]
    device = EdgeTranslator(tmp_path / "exported", "model_int8.tflite")
    assert [bool(best) for best in device.translate(SOURCES[:4])] == [True] * 4
