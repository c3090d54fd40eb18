"""Exported models on the device: names, shapes, states, and errors that say what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from edge_files import (
    FEATURES,
    SOURCE,
    UNITS,
    VOCABULARY,
    decode_step,
    encode,
    folder,
    language_step,
    step,
)

from pipelines.base.errors import UserError
from rnn_apps.edge import StreamingSession, generate, load
from rnn_apps.edge.forecasting import EdgeForecaster
from rnn_apps.edge.language_model import EdgeLanguageModel
from rnn_apps.edge.runtime.quantization import dequantize, quantize, requantize
from rnn_apps.edge.sampling import SamplingConfig, token_probabilities
from rnn_apps.edge.search import BeamConfig, StepResult, beam_search, greedy_search
from rnn_apps.edge.sequence_to_sequence import EdgeDecoder, log_softmax

ROOT = Path(__file__).parents[2]
SAVED_MODELS = ROOT / "saved_models"
TARGETS = ("litert", "tflm")


@pytest.fixture(scope="module")
def files():
    return folder()


def stream(timesteps=20, seed=0, rows=1):
    return np.random.default_rng(seed).normal(size=(timesteps, rows, FEATURES)).astype(np.float32)


def in_numpy(xs, rows=1):
    h, outputs = np.zeros((rows, UNITS), np.float32), []
    for x in xs:
        h = step(x, h)
        outputs.append(h)
    return np.stack(outputs)


@pytest.mark.parametrize("target", TARGETS)
def test_a_session_carries_the_state_and_reset_begins_anew(files, target):
    session = StreamingSession(load(files / "step.tflite", target))
    xs = stream()
    for _ in range(2):
        session.reset()
        found = np.stack([session.step(x) for x in xs])
        np.testing.assert_allclose(found, in_numpy(xs), atol=1e-6)
        np.testing.assert_allclose(session.state["h"], in_numpy(xs)[-1], atol=1e-6)
    # Without the reset the state must matter, or this test shows nothing.
    assert np.abs(session.step(xs[0]) - in_numpy(xs)[0]).max() > 1e-2


@pytest.mark.parametrize("target", TARGETS)
def test_an_int8_session_requantises_its_state(files, target):
    model = load(files / "step_int8.tflite", target)
    signature = model.signature("step")
    given, kept = signature.inputs["h"], signature.outputs["h_out"]
    xs = stream(50, seed=7)
    session = StreamingSession(model)
    found = np.stack([session.step(x) for x in xs])
    assert found.dtype == np.float32
    assert np.abs(found - in_numpy(xs)).max() < 0.1
    # The same by hand, in integers.
    h = np.full((1, UNITS), given.zero_point, np.int8)
    for x, wanted in zip(xs, found, strict=True):
        raw = model({"x": x, "h": h}, "step", raw=True)
        np.testing.assert_allclose(
            dequantize(raw["y"], signature.outputs["y"].scale, signature.outputs["y"].zero_point),
            wanted,
        )
        h = requantize(
            raw["h_out"], kept.scale, kept.zero_point, given.scale, given.zero_point, "int8"
        )


def test_free_batch_on_litert_and_fixed_shapes_on_tflm(files):
    xs = stream(rows=3)
    session = StreamingSession(load(files / "step_free.tflite"), batch=3)
    np.testing.assert_allclose(
        np.stack([session.step(x) for x in xs]), in_numpy(xs, rows=3), atol=1e-6
    )
    fixed = load(files / "step_free.tflite", "tflm")
    assert fixed.signature("step").inputs["x"].shape == (1, FEATURES)
    with pytest.raises(UserError, match=r"the model takes \[1, "):
        fixed({"x": xs[0], "h": np.zeros((3, UNITS), np.float32)})


@pytest.mark.parametrize("target", TARGETS)
def test_state_in_variables_streams_and_resets(files, target):
    model = load(files / "variables.tflite", target)
    session = StreamingSession(model)
    chunks = np.random.default_rng(1).normal(size=(4, 1, 2, FEATURES)).astype(np.float32)
    first = [session.step(chunk) for chunk in chunks]
    session.reset()
    again = [session.step(chunk) for chunk in chunks]
    np.testing.assert_array_equal(first, again)
    assert np.abs(session.step(chunks[0]) - first[0]).max() > 1e-3


def test_a_variable_state_refuses_a_change_of_the_chunk(files):
    session = StreamingSession(load(files / "variables.tflite"))
    session.step(np.zeros((1, 2, FEATURES), np.float32))
    with pytest.raises(UserError, match="chunk"):
        session.step(np.zeros((1, 3, FEATURES), np.float32))


def test_two_sessions_on_variables_do_not_mix(files):
    """What one stream left in the model's variables is not another's past."""
    model = load(files / "variables.tflite")
    chunk = np.ones((1, 2, FEATURES), np.float32)
    first, second = StreamingSession(model), StreamingSession(model)
    wanted = second.step(chunk)
    with pytest.raises(UserError, match="another session"):
        first.step(chunk)
    first.reset()
    np.testing.assert_array_equal(first.step(chunk), wanted)
    with pytest.raises(UserError, match="another session"):
        second.step(chunk)


def test_a_session_takes_the_inputs_of_a_step_and_nothing_else(files):
    session = StreamingSession(load(files / "step_free.tflite"), batch=2)
    x = np.ones((2, FEATURES), np.float32)
    wanted = session.step(x)
    before = session.state["h"]
    refused = {
        "session carries the states itself": {"x": x, "h": np.ones((2, UNITS), np.float32)},
        "takes x at every step": {"y": x},
        "3 rows, .* 2 streams": np.ones((3, FEATURES), np.float32),
        "shape": np.ones((2, FEATURES + 1), np.float32),
        "type": np.array([["a"] * FEATURES] * 2),
    }
    for message, chunk in refused.items():
        with pytest.raises(UserError, match=message):
            session.step(chunk)
    # The stream is where it was.
    np.testing.assert_array_equal(session.state["h"], before)
    session.reset()
    np.testing.assert_array_equal(session.step({"x": x}), wanted)


def test_a_token_that_does_not_fit_its_type_is_refused(files):
    session = StreamingSession(load(files / "language.tflite"))
    with pytest.raises(UserError, match="4294967297"):
        session.step(np.array([[2**32 + 1]]))


def test_a_quantised_input_takes_integers_of_another_type_as_real_numbers(files):
    session = StreamingSession(load(files / "step_int8.tflite"))
    real = session.step(np.ones((1, FEATURES), np.float32))
    session.reset()
    np.testing.assert_array_equal(session.step(np.ones((1, FEATURES), np.int64)), real)
    with pytest.raises(UserError, match="NaN"):
        session.step(np.full((1, FEATURES), np.nan, np.float32))


def test_what_carries_no_state_cannot_stream(files):
    with pytest.raises(UserError, match="streaming"):
        StreamingSession(load(files / "nan.tflite"))


@pytest.mark.parametrize("target", TARGETS)
def test_a_language_model_writes_on_as_in_numpy(files, target):
    session = StreamingSession(load(files / "language.tflite", target))
    prompt = [1, 4, 2]
    h, token, wanted = np.zeros((1, UNITS), np.float32), prompt[0], []
    for position in range(12):
        logits, h = language_step(np.array([token]), h)
        known = position + 1 < len(prompt)
        token = prompt[position + 1] if known else int(np.argmax(logits))
        if not known:
            wanted.append(token)
    greedy = SamplingConfig(temperature=0)
    assert list(generate(session, prompt, len(wanted), greedy)) == wanted
    stopped = list(generate(session, prompt, len(wanted), greedy, stop=[wanted[3]]))
    assert stopped == wanted[: wanted.index(wanted[3])]


def test_sampling_draws_from_its_distribution(files):
    session = StreamingSession(load(files / "language.tflite"))
    logits, _ = language_step(np.array([1]), np.zeros((1, UNITS), np.float32))
    wanted = token_probabilities(logits[0], SamplingConfig(0.8, top_k=4))
    draws = [next(generate(session, [1], 1, SamplingConfig(0.8, 4, seed=s))) for s in range(600)]
    counts = np.bincount(draws, minlength=VOCABULARY) / len(draws)
    np.testing.assert_allclose(counts, wanted, atol=0.08)
    assert counts[wanted == 0].sum() == 0
    seeded = SamplingConfig(seed=5)
    assert list(generate(session, [1], 9, seeded)) == list(generate(session, [1], 9, seeded))


def test_generation_needs_a_prompt(files):
    session = StreamingSession(load(files / "language.tflite"))
    with pytest.raises(UserError, match="prompt"):
        next(generate(session, [], 1))


@pytest.mark.parametrize("name", ["translate.tflite", "translate_free.tflite"])
def test_translation_through_the_file_is_that_in_numpy(files, name):
    decoder = EdgeDecoder(load(files / name))
    config = BeamConfig(start_token=0, end_token=1, beam=4, max_steps=6, coverage_penalty=0.2)
    for seed in range(5):
        source = np.random.default_rng(seed).integers(0, VOCABULARY, (1, SOURCE)).astype(np.int32)
        memory, start = encode(source)

        def numpy_step(tokens, states, memory=memory):
            rows = [
                decode_step(np.array([t]), memory, s) for t, s in zip(tokens, states, strict=True)
            ]
            return StepResult(
                log_softmax(np.concatenate([row[0] for row in rows])),
                [row[2] for row in rows],
                np.concatenate([row[1] for row in rows]),
            )

        begin = decoder.start(source)
        assert (
            greedy_search(decoder.step, begin, config).tokens
            == greedy_search(numpy_step, start, config).tokens
        )
        found = beam_search(decoder.step, begin, config, 3)
        wanted = beam_search(numpy_step, start, config, 3)
        assert [item.tokens for item in found] == [item.tokens for item in wanted]
        np.testing.assert_allclose(
            [item.score for item in found], [item.score for item in wanted], atol=1e-4
        )
        np.testing.assert_allclose(found[0].alignment, wanted[0].alignment, atol=1e-5)


def test_two_sources_that_are_decoded_at_the_same_time_do_not_mix(files):
    decoder = EdgeDecoder(load(files / "translate.tflite"))
    config = BeamConfig(start_token=0, end_token=1, max_steps=6)
    sources = [np.array([[1, 2, 3, 4]], np.int32), np.array([[4, 0, 1, 0]], np.int32)]

    def translated(source):
        return greedy_search(decoder.step, decoder.start(source), config).tokens

    alone = [translated(source) for source in sources]
    assert alone[0] != alone[1]
    begun = [decoder.start(source) for source in sources]
    assert [greedy_search(decoder.step, begin, config).tokens for begin in begun] == alone
    with pytest.raises(UserError, match="several sources"):
        decoder.step([0, 0], begun)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(translated, sources * 20)) == alone * 20


def test_a_language_model_writes_several_texts_at_the_same_time():
    """Each has a state of its own: a second text, or a score, does not change the first."""
    model = EdgeLanguageModel(SAVED_MODELS / "language/world-english-bible", "model_dynamic.tflite")
    greedy = SamplingConfig(temperature=0)
    alone = list(model.write("In the beginning", 12, greedy))
    pieces = model.write("In the beginning", 12, greedy)
    begun = [next(pieces) for _ in range(3)]
    assert len(model.log_probabilities("Jesus wept")) and next(model.write("And ", 1, greedy))
    assert begun + list(pieces) == alone


def test_signatures_that_make_no_decoder_are_refused(files):
    model = load(files / "translate.tflite")
    with pytest.raises(UserError, match="decoder"):
        EdgeDecoder(model, encode="decode_step", decode_step="encode")
    with pytest.raises(UserError, match="encode"):
        model({"source": np.zeros((1, SOURCE), np.int32)})


def test_a_forecaster_takes_one_series_or_several(files):
    forecaster = EdgeForecaster(load(files / "step.tflite"))
    xs, hs = stream(4)[:, 0], np.zeros((4, UNITS), np.float32)
    together = forecaster(x=xs, h=hs)["y"]
    assert together.shape == (4, UNITS)
    np.testing.assert_allclose(together, step(xs, hs), atol=1e-6)
    np.testing.assert_allclose(forecaster(x=xs[2], h=hs[2])["y"], together[2], atol=1e-6)
    with pytest.raises(UserError, match="NaN"):
        forecaster(x=np.full(FEATURES, np.nan), h=hs[0])
    with pytest.raises(UserError, match="takes h, x"):
        forecaster(x=xs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": np.zeros((1, 3), "f")}, "takes the inputs h, x"),
        ({"x": np.zeros((1, 4), "f"), "h": np.zeros((1, UNITS), "f")}, r"\[1, 3\]"),
        ({"x": np.zeros((1, 3), "U1"), "h": np.zeros((1, UNITS), "f")}, "type"),
        (np.zeros((1, 3), "f"), "by name"),
    ],
)
def test_inputs_that_do_not_fit_are_named(files, inputs, message):
    with pytest.raises(UserError, match=message):
        load(files / "step.tflite")(inputs)


def test_integers_survive_quantisation_both_ways():
    integers = np.arange(-128, 128).astype(np.int8)
    np.testing.assert_array_equal(
        quantize(dequantize(integers, 0.037, 5), 0.037, 5, "int8"), integers
    )
    assert quantize(np.array([1e9, -1e9]), 0.1, 0, "int8").tolist() == [127, -128]
    np.testing.assert_array_equal(requantize(integers, 0.1, 0, 0.1, 0, "int8"), integers)
    doubled = requantize(np.array([10], np.int8), 0.1, 0, 0.05, 3, "int16")
    assert (doubled.tolist(), doubled.dtype.name) == ([23], "int16")


ALONE = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "tf_keras", "jax", "torch", "pandas"}:
            raise ImportError(f"{name} is not on a device")

sys.meta_path.insert(0, Blocked())
import numpy as np
from rnn_apps.edge import (
    CtcBeamSearch, EdgeDecoder, EdgeForecaster, SamplingConfig, StreamingSession, generate, load,
)
folder, target = sys.argv[1:]
session = StreamingSession(load(f"{folder}/step.tflite", target))
xs = np.random.default_rng(0).normal(size=(20, 1, 3)).astype(np.float32)
outputs = [session.step(x).tolist() for x in xs]
language = StreamingSession(load(f"{folder}/language.tflite", target))
text = list(generate(language, [1, 4, 2], 10, SamplingConfig(temperature=0)))
heavy = sorted({"tensorflow", "keras"} & {name.split(".")[0] for name in sys.modules})
print(json.dumps({"outputs": outputs, "text": text, "heavy": heavy}))
"""


def run_alone(python, files, target, environment):
    done = subprocess.run(
        [str(python), "-c", textwrap.dedent(ALONE), str(files), target],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=files,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("target", TARGETS)
def test_the_device_side_needs_neither_tensorflow_nor_keras(files, target):
    found = run_alone(sys.executable, files, target, os.environ | {"PYTHONPATH": str(ROOT)})
    assert found["heavy"] == []
    np.testing.assert_allclose(found["outputs"], in_numpy(stream()), atol=1e-6)


@pytest.mark.slow
def test_an_environment_with_only_litert_and_numpy_runs_everything(files, tmp_path):
    device = tmp_path / "device"
    venv.create(device, with_pip=True)
    python = device / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "ai-edge-litert", "numpy"], check=True, timeout=600)
    subprocess.run([*pip, "--no-deps", str(ROOT)], check=True, timeout=600)
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"], capture_output=True, check=True
    )
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert not names & {"tensorflow", "keras", "pandas"}
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = run_alone(python, files, "litert", clean)
    np.testing.assert_allclose(found["outputs"], in_numpy(stream()), atol=1e-6)
