"""Masked timesteps of a stream: what Keras repeats, the step, the file and the proof repeat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from keras import Input, Sequential, layers
from streamed_models import (
    FEATURES,
    TIMESTEPS,
    StartedGRU,
    by_chunks,
    normal,
    sequential,
    step_in_form,
)

from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import ExportResult, export_tflite
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.results import OutputError

CELLS = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


class KerasItself:
    """Runs a plan's step in TensorFlow where the proof would run a written file."""

    def __init__(self, step: Callable[[dict[str, Any]], dict[str, np.ndarray]], states: Any):
        self.step, self.states = step, states

    def stream(
        self, path: Path, sequences: Any, signature: str | None = None
    ) -> list[list[dict[str, np.ndarray]]]:
        streamed = []
        for chunks in sequences:
            state = {name: np.zeros(shape, np.float32) for name, shape in self.states.items()}
            outputs = []
            for chunk in chunks:
                outputs.append(self.step({**chunk, **state}))
                state = {name: outputs[-1][f"{name}_out"] for name in state}
            streamed.append(outputs)
        return streamed


@st.composite
def masked_streams(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "kinds": draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=2)),
        "stacked": draw(st.booleans()),
        "zero_output": draw(st.booleans()),
        "chunk": draw(st.sampled_from([1, 2, 3, 4])),
        "form": draw(st.sampled_from(["loop", "unrolled", "keras loop"])),
        "learned_start": draw(st.booleans()),
        "masked": draw(st.lists(st.booleans(), min_size=TIMESTEPS, max_size=TIMESTEPS)),
    }


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(masked_streams())
def test_masked_steps_of_a_stream_repeat_what_keras_repeats(case: dict[str, Any]) -> None:
    """Masked timesteps anywhere, in any form: no proof stands between the step and this test."""
    keras.utils.set_random_seed(1)
    options = {"return_sequences": True, "zero_output_for_mask": case["zero_output"]}
    if case["stacked"]:
        cells = [layers.LSTMCell(3), layers.GRUCell(2)]
        inner = [layers.RNN(cells, **options)]
    else:
        inner = [CELLS[kind](3, **options) for kind in case["kinds"]]
    if case["learned_start"]:
        inner.append(StartedGRU(3, **options))
    model = Sequential([Input((None, FEATURES), name="series"), layers.Masking(-2.0), *inner])
    data = normal(2, TIMESTEPS, FEATURES)
    data[0, np.asarray(case["masked"])] = -2.0
    plan = streaming_plan("step", model, data=data, chunk=case["chunk"])
    step, states = step_in_form(plan, case["form"])
    streamed = by_chunks(step, states, {"series": data[:1]}, case["chunk"])
    np.testing.assert_allclose(streamed, model(data[:1]), atol=2e-6, rtol=1e-4)


@keras.saving.register_keras_serializable(package="streams")
@pytest.fixture(scope="module")
def masked_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, ExportResult]:
    keras.utils.set_random_seed(3)
    # The output follows the state closely, so that a lost repetition shows.
    hidden = layers.LSTM(4, return_sequences=True, name="hidden")
    model = sequential(layers.Masking(), hidden, layers.GRU(3, return_sequences=True, name="top"))
    data = normal(2, TIMESTEPS, FEATURES)
    path = tmp_path_factory.mktemp("masked") / "m.tflite"
    result = export_tflite(
        model, path, mode="streaming", representative_data=data, chunk=2, card=False
    )
    return model, result


def test_a_masked_stream_of_a_file_repeats_the_last_output(
    masked_file: tuple[keras.Model, ExportResult],
) -> None:
    model, result = masked_file
    data = normal(2, TIMESTEPS, FEATURES, seed=5)
    data[0, 8:] = 0
    data[1, [0, 1, 2, 5, 11]] = 0
    session = StreamingSession(load(result.path))
    for row in (0, 1, 0):
        session.reset()
        steps = [session.step(data[row : row + 1, t : t + 2]) for t in range(0, TIMESTEPS, 2)]
        streamed = np.concatenate(steps, axis=1)
        np.testing.assert_allclose(streamed, model(data[row : row + 1]), atol=2e-6)


def test_the_proof_meets_masked_steps_and_borders_that_the_data_has_not() -> None:
    """A step that is right but for one fault, each of which the proof must see."""
    model = sequential(layers.Masking(), layers.GRU(4, return_sequences=True, name="hidden"))
    plan = streaming_plan("step", model, data=normal(2, TIMESTEPS, FEATURES), chunk=2)
    step, states = step_in_form(plan, "loop")

    def proof_of(faulty: Callable[[dict[str, Any]], dict[str, np.ndarray]]) -> OutputError:
        (error,) = plan.prove(KerasItself(faulty, states), Path(), 1e-5)  # type: ignore[arg-type]
        return error

    def zero_where_masked(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        outputs = step(arrays)
        name = next(n for n in outputs if not n.endswith("_out"))
        valid = arrays["series"].any(axis=-1, keepdims=True)
        return {**outputs, name: np.where(valid, outputs[name], 0.0).astype(np.float32)}

    def forgets_between_chunks(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        return step({**arrays, "hidden_h": np.zeros_like(arrays["hidden_h"])})

    left = {"state": np.zeros((1, 4), np.float32)}

    def keeps_its_state_over_a_reset(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        outputs = step({**arrays, "hidden_h": left["state"]})
        left["state"] = outputs["hidden_h_out"]
        return outputs

    assert proof_of(step).within
    for faulty in (zero_where_masked, forgets_between_chunks, keeps_its_state_over_a_reset):
        assert not proof_of(faulty).within, faulty.__name__
