"""Streams give chunk by chunk what Keras gives for the whole, or are refused by the layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from keras import Input, Model, Sequential, layers, ops

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import ExportError, ExportResult, export_tflite, verify
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.results import OutputError
from rnn_apps.export.signature.model_signature import signature_of

FEATURES, TIMESTEPS = 3, 12
CELLS = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


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


def by_chunks(step: Any, states: Any, inputs: dict[str, np.ndarray], chunk: int) -> np.ndarray:
    """The one output of a step that is no state, over a stream of `inputs`."""
    (timesteps,) = {value.shape[1] for value in inputs.values()}
    state = {name: np.zeros(shape, np.float32) for name, shape in states.items()}
    parts = []
    for start in range(0, timesteps, chunk):
        outputs = step({n: v[:, start : start + chunk] for n, v in inputs.items()} | state)
        state = {name: outputs.pop(f"{name}_out") for name in state}
        parts.extend(outputs.values())
    return np.concatenate(parts, axis=1)


def step_in_form(plan: Any, form: str) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """A plan's step with its layers in one form, run by TensorFlow, and its states' shapes."""
    import tensorflow as tf

    forms = {use.layer.path: form for use in plan.uses}
    traced = tf.function(plan.function(forms), autograph=False)
    names = [i.name for i in plan.inputs if f"{i.name}_out" in plan.outputs]
    states = {i.name: tuple(i.shape) for i in plan.inputs if i.name in names}

    def step(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(value) for name, value in arrays.items()}
        return {name: value.numpy() for name, value in traced(tensors).items()}

    return step, states


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
class StartedGRU(layers.GRU):
    """A GRU that learns the state it starts from."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.first = self.add_weight(
            shape=(1, self.units), initializer=keras.initializers.RandomNormal(stddev=0.5)
        )

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        return [ops.tile(self.first, (batch_size, 1))]


class Scaled(layers.LSTM):
    """Wraps something of its own around Keras' `call`."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        return 3.0 * super().call(sequences + 0.5, initial_state=initial_state, mask=mask)


class OwnArguments(layers.SimpleRNN):
    def call(self, sequences: Any, initial_state: Any = None) -> Any:
        return ops.tanh(super().call(2.0 * sequences)) + sequences[..., :1]


class OwnLoop(layers.GRU):
    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        last, outputs, states = super().inner_loop(sequences, initial_state, mask, training)
        return 2.0 * last, 2.0 * outputs, states


class StartsAtHalf(layers.GRU):
    """Gives Keras' `call` a state of its own to start from."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        half = 0.5 * ops.ones((ops.shape(sequences)[0], self.units))
        return super().call(sequences, initial_state=[half], mask=mask)


class Centred(layers.GRU):
    """Takes the mean over all timesteps away, which no chunk has."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        return super().call(sequences - ops.mean(sequences, axis=1, keepdims=True), mask=mask)


class CellWithStart(layers.Layer):
    """A cell of the user's own: two states, another width of output, a start that is not zero."""

    state_size = (3, 2)
    output_size = 4

    def build(self, shape: Any) -> None:
        self.inner = layers.Dense(3, activation="tanh")
        self.inner.build((None, shape[-1] + 3))
        self.outer = layers.Dense(4)
        self.outer.build((None, 5))

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        return [0.3 * ops.ones((batch_size, 3)), ops.zeros((batch_size, 2))]

    def call(self, inputs: Any, states: Any) -> Any:
        hidden = self.inner(ops.concatenate([inputs, states[0]], axis=-1))
        slow = 0.5 * states[1] + ops.mean(inputs, axis=-1, keepdims=True)
        return self.outer(ops.concatenate([hidden, slow], axis=-1)), [hidden, slow]


def sequential(*stack: Any) -> keras.Model:
    return Sequential([Input((TIMESTEPS, FEATURES), name="series"), *stack])


def started_from_static() -> tuple[keras.Model, Any]:
    series = Input((TIMESTEPS, FEATURES), name="series")
    static = Input((4,), name="static")
    first = layers.Dense(5, activation="tanh")(static)
    hidden = layers.GRU(5, return_sequences=True)(series, initial_state=first)
    model = Model({"series": series, "static": static}, layers.Dense(2)(hidden))
    return model, {"series": normal(3, TIMESTEPS, FEATURES), "static": normal(3, 4, seed=2)}


def static_tokens() -> tuple[keras.Model, Any]:
    series = Input((TIMESTEPS, FEATURES), name="series")
    static = Input((3,), dtype="int32", name="static")
    embedded = layers.Flatten()(layers.Embedding(5, 2)(static))
    last = layers.LSTM(4)(series)
    model = Model({"series": series, "static": static}, layers.Concatenate()([last, embedded]))
    tokens = np.random.default_rng(0).integers(0, 5, (3, 3)).astype(np.int32)
    return model, {"series": normal(3, TIMESTEPS, FEATURES), "static": tokens}


def static_row_at_every_timestep() -> tuple[keras.Model, Any]:
    series = Input((TIMESTEPS, FEATURES), name="series")
    static = Input((4,), name="static")
    repeated = layers.RepeatVector(TIMESTEPS)(layers.Dense(2)(static))
    hidden = layers.GRU(4, return_sequences=True)(layers.Concatenate()([series, repeated]))
    model = Model({"series": series, "static": static}, hidden)
    return model, {"series": normal(3, TIMESTEPS, FEATURES), "static": normal(3, 4, seed=2)}


class MaximumBetweenLayers(keras.Model):
    """Looks at all timesteps in its own `call`, between layers that do not."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = layers.GRU(4, return_sequences=True)
        self.head = layers.Dense(2, name="head")

    def call(self, inputs: Any, training: bool = False) -> Any:
        hidden = self.hidden(inputs)
        return self.head(hidden - ops.max(hidden, axis=1, keepdims=True))


class AlwaysNoisy(keras.Model):
    """Drops out at inference too."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = layers.Dropout(0.5, name="noise")
        self.hidden = layers.GRU(4, return_sequences=True)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.hidden(self.noise(inputs, training=True))


def subclassed(kind: type[keras.Model]) -> Callable[[], tuple[keras.Model, Any]]:
    def make() -> tuple[keras.Model, Any]:
        model, data = kind(), normal(3, TIMESTEPS, FEATURES)
        model(data)
        return model, data

    return make


def twice_the_same_layer() -> tuple[keras.Model, Any]:
    one, other = Input((None, 3), name="one"), Input((None, 3), name="other")
    shared = layers.GRU(4, return_sequences=True)
    model = Model({"one": one, "other": other}, layers.Subtract()([shared(one), shared(other)]))
    return model, {"one": normal(3, 12, 3), "other": normal(3, 12, 3, seed=1)}


def mask_as_an_input() -> tuple[keras.Model, Any]:
    series, valid = Input((None, 3), name="series"), Input((None,), dtype="bool", name="valid")
    hidden = layers.LSTM(4, return_sequences=True)(series, mask=valid)
    model = Model({"series": series, "valid": valid}, layers.Dense(2)(hidden))
    return model, {"series": normal(3, 12, 3), "valid": normal(3, 12) > -0.5}


def states_in_lists() -> tuple[keras.Model, Any]:
    series, hidden = Input((1, 3), name="series"), Input((5,), name="hidden")
    outputs, last = layers.GRU(5, return_sequences=True, return_state=True)(
        series, initial_state=hidden
    )
    return Model([series, hidden], [layers.Dense(2)(outputs), last]), normal(3, 12, 3)


def convolution_in_a_step() -> tuple[keras.Model, Any]:
    inner = Sequential([Input((6, 2)), layers.Conv1D(4, 3), layers.GlobalMaxPooling1D()])
    model = Sequential([Input((None, 6, 2)), layers.TimeDistributed(inner), layers.LSTM(5)])
    return model, normal(3, 12, 6, 2)


def bidirectional_over_frequency() -> tuple[keras.Model, Any]:
    frequencies = layers.TimeDistributed(layers.Bidirectional(layers.GRU(3)))
    model = Sequential([Input((None, 6, 2)), frequencies, layers.GRU(4, return_sequences=True)])
    return model, normal(3, 12, 6, 2)


def simple(*stack: Any, length: int | None = TIMESTEPS) -> Callable[[], tuple[keras.Model, Any]]:
    return lambda: (
        Sequential([Input((length, FEATURES), name="series"), *(make() for make in stack)]),
        normal(3, TIMESTEPS, FEATURES),
    )


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


def reset_states(model: keras.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, layers.RNN) and layer.stateful:
            layer.reset_state()


REFUSED: dict[str, tuple[Callable[[], tuple[keras.Model, Any]], str]] = {
    "Bidirectional": (
        simple(lambda: layers.Bidirectional(layers.GRU(3), name="both")),
        r"'backward_gru.*' \(GRU\) reads the sequence from its end",
    ),
    "backwards": (
        simple(lambda: layers.LSTM(3, go_backwards=True, name="reverse")),
        r"'reverse' \(LSTM\) reads the sequence from its end",
    ),
    "pooling": (
        simple(
            lambda: layers.GRU(3, return_sequences=True),
            lambda: layers.GlobalMaxPooling1D(name="most"),
        ),
        r"'most' \(GlobalMaxPooling1D\) looks at several timesteps",
    ),
    "convolution": (
        simple(
            lambda: layers.Conv1D(3, 3, padding="causal", name="convolution"),
            lambda: layers.GRU(3, return_sequences=True),
        ),
        r"'convolution' \(Conv1D\) looks at several timesteps",
    ),
    "a normalisation over time": (
        simple(lambda: layers.UnitNormalization(axis=1, name="norm"), lambda: layers.GRU(3)),
        r"'norm' \(UnitNormalization\) looks at several timesteps",
    ),
    "a mean inside call": (
        simple(lambda: Centred(3, name="centred")),
        r"'centred' \(Centred\) has a `call` of its own",
    ),
    "a loop of its own": (
        simple(lambda: OwnLoop(3, name="own"), length=None),
        r"'own' \(OwnLoop\) has a loop of its own",
    ),
    "a maximum between layers": (
        subclassed(MaximumBetweenLayers),
        r"before Layer 'head' \(Dense\) looks at several timesteps",
    ),
    "noise": (subclassed(AlwaysNoisy), r"each time .* 'noise' \(Dropout\) is random"),
    "all timesteps flattened": (
        simple(
            lambda: layers.GRU(3, return_sequences=True),
            layers.Flatten,
            lambda: layers.Dense(2, name="flat"),
        ),
        "cannot take single chunks .* layer 'flat' is incompatible",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_stream_is_refused_by_the_layer_that_cannot(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    model, data = make()
    with pytest.raises(ExportError, match=message) as caught:
        export_tflite(
            model, tmp_path / "m.tflite", mode="streaming", representative_data=data, card=False
        )
    assert "the file" not in str(caught.value) and "litert" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_random_at_inference_is_refused_by_its_layer(tmp_path: Path) -> None:
    model, data = subclassed(AlwaysNoisy)()
    with pytest.raises(ExportError, match=r"each time .* 'noise' \(Dropout\) is random"):
        export_tflite(model, tmp_path / "m.tflite", representative_data=data, card=False)


def test_a_chunk_must_make_up_a_fixed_length(tmp_path: Path) -> None:
    model, data = static_row_at_every_timestep()
    with pytest.raises(ExportError, match=f"chunk= that divides {TIMESTEPS}"):
        export_tflite(
            model, tmp_path / "m.tflite", mode="streaming", representative_data=data, chunk=7
        )


def test_a_state_in_the_data_must_be_where_a_stream_begins(tmp_path: Path) -> None:
    model, series = states_in_lists()
    for hidden, refused in ((np.zeros((3, 5), np.float32), False), (normal(3, 5), True)):
        data = (series, hidden)
        if not refused:
            assert streaming_plan("step", model, data=data).outputs
            continue
        with pytest.raises(ConfigurationError, match="'hidden' is not zero"):
            streaming_plan("step", model, data=data)


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
