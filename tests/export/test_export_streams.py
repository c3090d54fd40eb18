"""Streams give chunk by chunk what Keras gives for the whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers
from streamed_models import (
    FEATURES,
    TIMESTEPS,
    CellWithStart,
    OwnArguments,
    OwnLoop,
    Scaled,
    StartedGRU,
    StartsAtHalf,
    bidirectional_over_frequency,
    by_chunks,
    convolution_in_a_step,
    mask_as_an_input,
    normal,
    reset_states,
    sequential,
    simple,
    started_from_static,
    states_in_lists,
    static_row_at_every_timestep,
    static_tokens,
    step_in_form,
    twice_the_same_layer,
)

from pipelines.base.errors import UserError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import export_tflite, verify
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.signature.model_signature import signature_of

STREAMED: dict[str, tuple[Callable[[], tuple[keras.Model, Any]], int]] = {
    "a learned start": (simple(lambda: StartedGRU(4, return_sequences=True)), 2),
    "a start from a static input": (started_from_static, 1),
    "a start inside call": (simple(lambda: StartsAtHalf(4, return_sequences=True)), 3),
    "an overridden call": (simple(lambda: Scaled(4, return_sequences=True)), 2),
    "a call with other arguments": (simple(lambda: OwnArguments(4, return_sequences=True)), 1),
    "a stateful overridden call": (
        lambda: (
            Sequential(
                [Input(batch_shape=(1, 2, 3)), Scaled(4, return_sequences=True, stateful=True)]
            ),
            normal(3, 2, 3),
        ),
        2,
    ),
    "a cell of its own": (
        simple(lambda: layers.RNN(CellWithStart(), return_sequences=True)),
        1,
    ),
    "static tokens": (static_tokens, 1),
    "a static row at every timestep": (static_row_at_every_timestep, 2),
    "a shared layer": (twice_the_same_layer, 1),
    "a mask as an input": (mask_as_an_input, 2),
    "states in lists": (states_in_lists, 1),
    "a convolution in a step": (convolution_in_a_step, 1),
    "Bidirectional over frequency": (bidirectional_over_frequency, 2),
    "Flatten of the last output": (
        simple(lambda: layers.LSTM(4), layers.Flatten, lambda: layers.Dense(2)),
        1,
    ),
    "Reshape of features": (
        simple(
            lambda: layers.Reshape((TIMESTEPS, 3, 1)),
            lambda: layers.TimeDistributed(layers.Flatten()),
            lambda: layers.GRU(4, return_sequences=True),
        ),
        1,
    ),
    "pairs of timesteps": (
        simple(lambda: layers.AveragePooling1D(2), lambda: layers.GRU(4, return_sequences=True)),
        2,
    ),
    "a decoder after the last output": (
        simple(
            lambda: layers.LSTM(4),
            lambda: layers.RepeatVector(3),
            lambda: layers.GRU(2, return_sequences=True),
        ),
        1,
    ),
}


@pytest.mark.parametrize("name", sorted(STREAMED))
def test_what_keras_runs_chunk_by_chunk_streams(name: str) -> None:
    """The plan's own step, in the form that a file takes, against Keras on the whole."""
    keras.utils.set_random_seed(2)
    make, chunk = STREAMED[name]
    model, data = make()
    plan = streaming_plan("step", model, data=data, chunk=chunk)
    step, states = step_in_form(plan, "loop")
    arrays = data if isinstance(data, dict) else {plan.inputs[0].name: data}
    first = {n: value[:1] for n, value in arrays.items()}
    timed = {n for n in first if n != "static"}
    length = max(first[n].shape[1] for n in timed)
    state = {n: np.zeros(shape, np.float32) for n, shape in states.items()}
    parts = []
    for start in range(0, length, chunk):
        here = {n: v[:, start : start + chunk] if n in timed else v for n, v in first.items()}
        parts.append(step({**here, **state}))
        state = {n: parts[-1][f"{n}_out"] for n in state}
    whole = dataclasses.replace(signature_of(model, data), any_length=True)
    zeros = {i.name: np.zeros((1, *i.shape[1:]), "f") for i in whole.inputs if i.name not in first}
    reset_states(model)
    for output, value in whole.call(model, {**first, **zeros}).items():
        if output in parts[0]:
            wanted = np.asarray(value)
            joins = parts[0][output].shape[1] * len(parts) == wanted.shape[1]
            found = np.concatenate([p[output] for p in parts], 1) if joins else parts[-1][output]
            np.testing.assert_allclose(found, wanted, atol=2e-6, rtol=1e-4)


def test_an_output_that_would_be_taken_for_a_state_gets_another_name(tmp_path: Path) -> None:
    series = Input((None, FEATURES), name="x")
    hidden = layers.GRU(4, return_sequences=True, name="hidden")(series)
    model = Model({"x": series}, {"x_out": layers.Dense(FEATURES)(hidden)})
    plan = streaming_plan("step", model, data={"x": normal(2, 12, FEATURES)})
    assert set(plan.outputs) == {"x_output", "hidden_h_out"}
    # A whole sequence keeps it: nothing but the sequence goes in, so it cannot be a state.
    result = export_tflite(model, tmp_path / "m.tflite", form="loop", card=False)
    with pytest.raises(UserError, match="carries no state"):
        StreamingSession(load(result.path))
    assert verify(result.path, model).ok


def test_a_layer_that_was_given_a_call_keeps_it_in_the_file_and_afterwards(tmp_path: Path) -> None:
    layer = layers.GRU(4, return_sequences=True)
    own_call = layer.call
    model = Sequential([Input((None, FEATURES), name="series"), layer])

    def doubled(sequences: Any, **options: Any) -> Any:
        return 2.0 * own_call(sequences)

    vars(layer)["call"] = doubled
    data = normal(2, TIMESTEPS, FEATURES)
    plan = streaming_plan("step", model, data=data, chunk=4)
    step, states = step_in_form(plan, "loop")
    assert vars(layer)["call"] is doubled
    np.testing.assert_allclose(
        by_chunks(step, states, {"series": data[:1]}, 4), model(data[:1]), atol=2e-6
    )


def test_a_stateful_model_streams_as_many_rows_as_it_was_made_for(tmp_path: Path) -> None:
    model = Sequential(
        [Input(batch_shape=(2, 5, 3)), layers.LSTM(4, return_sequences=True, stateful=True)]
    )
    data = normal(6, 5, 3)
    result = export_tflite(
        model, tmp_path / "m.tflite", mode="streaming", representative_data=data, card=False
    )
    session = StreamingSession(load(result.path))
    streamed = np.concatenate([session.step(data[:2, t : t + 1]) for t in range(5)], axis=1)
    reset_states(model)
    np.testing.assert_allclose(streamed, model(data[:2]), atol=2e-6)


def test_verify_streams_by_the_chunk_of_the_sequences(tmp_path: Path) -> None:
    """A row of three static tokens is not a chunk of three timesteps."""
    model, data = static_tokens()
    result = export_tflite(
        model, tmp_path / "m.tflite", mode="streaming", representative_data=data, chunk=4
    )
    assert verify(result.path, model, representative_data=data).ok


def test_an_overridden_call_is_kept_in_whole_sequences_too(tmp_path: Path) -> None:
    stack = [Scaled(4, return_sequences=True), OwnArguments(4, return_sequences=True)]
    model = sequential(*stack, StartsAtHalf(3, return_sequences=True), OwnLoop(2))
    data = normal(3, TIMESTEPS, FEATURES)
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        representative_data=data,
        batch_size=1,
        form="rule",
        card=False,
    )
    found = load(result.path)(data[:1])
    np.testing.assert_allclose(next(iter(found.values())), model(data[:1]), atol=2e-6, rtol=1e-4)
