"""What goes into a model is paired with its inputs by name, in its own type, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from keras import Input, Model, Sequential, layers

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge import load
from rnn_apps.export import export_saved_model, export_tflite
from rnn_apps.export.planning.plans import sequence_plan
from rnn_apps.export.refusals import refuse_model
from rnn_apps.export.signature.example_data import examples_of, first_example, kept_data
from rnn_apps.export.signature.model_signature import signature_of
from rnn_apps.export.signature.signature_names import signature_names

STEPS, FEATURES, ROWS = 4, 2, 3
# Sorted in another order than they are written in, and not all of them names that Python takes.
NAMES = ("gyro", "accel", "1st", "a b", "a_b", "class", "сигнал", "Ünits")


def model_of(names: list[str], kind: str) -> Model:
    """A model whose every input is multiplied by a number of its own."""
    inputs = [Input((STEPS, FEATURES), name=name) for name in names]
    scaled = [layers.Rescaling(10.0**index)(value) for index, value in enumerate(inputs)]
    given_as = dict(zip(names, inputs, strict=True)) if kind == "dict" else inputs
    return Model(given_as, layers.Add()(scaled) if len(scaled) > 1 else scaled[0])


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_data_is_paired_by_name_or_refused(data: st.DataObject) -> None:
    """Whatever the order and the names of a dict: what Keras gives, or an error with both sets."""
    kind = data.draw(st.sampled_from(["dict", "list"]))
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    model = model_of(names, kind)
    values = {name: np.full((ROWS, STEPS, FEATURES), i + 1.0) for i, name in enumerate(names)}
    wrong = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    mistaken = {name: data.draw(st.sampled_from(["z_", "A", ""])) + name for name in wrong}
    order = data.draw(st.permutations(names))
    entries = {mistaken.get(name, name): values[name] for name in order}
    signature = signature_of(model)
    if set(entries) == set(names):
        first = examples_of(entries, signature, ROWS)[0]
        found = signature.call(model, first)
        wanted = sum((index + 1.0) * 10.0**index for index in range(len(names)))
        np.testing.assert_allclose(next(iter(found.values())), wanted)
        assert all(name.isascii() and name.isidentifier() for name in first)
    else:
        with pytest.raises(ConfigurationError) as refusal:
            examples_of(entries, signature, ROWS)
        assert all(repr(name) in str(refusal.value) for name in (*entries, *names))


X, Y = np.zeros((ROWS, STEPS, FEATURES)), np.ones((ROWS, STEPS, FEATURES))


def batches() -> Iterator[list[np.ndarray]]:
    for row in range(ROWS):
        yield [X[row : row + 1], Y[row : row + 1]]


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        [X, Y],
        [(X, Y)],
        [{"accel": Y, "gyro": X}],
        batches,
        batches(),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(2),
        (tf.constant(X), Y.tolist()),
    ],
    ids=["tuple", "list", "batches", "dicts", "function", "generator", "dataset", "others"],
)
def test_data_may_come_as_people_have_it(data: Any) -> None:
    signature = signature_of(model_of(["gyro", "accel"], "list"))
    kept = kept_data(data)
    for _ in range(2):
        examples = examples_of(kept, signature, 10)
        assert len(examples) == ROWS
        assert {name: float(array.mean()) for name, array in examples[0].items()} == {
            "gyro": 0.0,
            "accel": 1.0,
        }


TOKENS = np.ones((ROWS, STEPS), np.int64)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("data.npz", "is the text 'data.npz'.*numpy.load"),
        (Path("data.npy"), "Load a file first"),
        (7, "type int"),
        ([], "is empty"),
        (TOKENS[:0], "is empty"),
        (TOKENS[:, :0], "nothing in a row"),
        (TOKENS[0], r"array\[None\]"),
        (TOKENS[..., None], "has shape"),
        (TOKENS + 0.5, "holds 1.5, 1.5, 1.5; the model takes whole numbers"),
        (TOKENS + 2**40, "1099511627777"),
        (TOKENS * np.nan, "NaN or infinity"),
        (TOKENS.astype(str), r"holds text \(such as '1'\)"),
        (TOKENS.astype("datetime64[s]"), "datetime64"),
        (np.full((ROWS, STEPS), {}, object), r"Python objects \(dict\)"),
        ([[1, 2, 3, 4], [5]], "rows of different lengths"),
        (tf.ragged.constant([[1, 2], [3]]), "to_tensor"),
        (np.ma.masked_greater(TOKENS, 0), "has masked entries.*filled"),
        (lambda row: row, "fails when it is called without arguments"),
        (tf.data.Dataset.from_tensor_slices(TOKENS), "Add the batch"),
        (tf.data.Dataset.from_tensor_slices((TOKENS, TOKENS)).batch(1), "Leave targets"),
        ([(TOKENS, TOKENS)], "has 2 inputs in a batch, the model has 1"),
        ({"other": TOKENS}, "has the names 'other'; the model's inputs are 'tokens'"),
    ],
    # A function has another address in each process.
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_data_that_is_not_the_models_is_refused(data: Any, message: str) -> None:
    model = Sequential(
        [Input((None,), dtype="int32", name="tokens"), layers.Embedding(9, 2), layers.GRU(2)]
    )
    with pytest.raises(ConfigurationError, match=message):
        examples_of(data, signature_of(model), 10)


@pytest.mark.parametrize("batch", [((X, Y), X[:, 0]), ((X, Y),), ({"gyro": X, "accel": Y}, X)])
def test_inputs_that_stand_together_in_a_batch_are_refused(batch: Any) -> None:
    """As in (inputs, targets): two entries, which are not the model's two inputs."""
    with pytest.raises(ConfigurationError, match=r"several arrays in one entry.*'gyro', 'accel'"):
        examples_of([batch], signature_of(model_of(["gyro", "accel"], "list")), 10)


def test_whole_numbers_may_be_floats_and_tables_are_arrays() -> None:
    signature = signature_of(Sequential([Input((STEPS,)), layers.Embedding(9, 2), layers.GRU(2)]))
    for data in (TOKENS * 1.0, pd.DataFrame(TOKENS.astype(object)), TOKENS.tolist()):
        [first, *_] = examples_of(data, signature, 10)
        [array] = first.values()
        assert array.dtype == np.int32 and array.shape == (1, STEPS) and (array == 1).all()


class Joined(Model):
    """A model without Input layers, which takes two inputs in one tuple or list."""

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        return first[..., :2] + second[..., :2]


class Separate(Model):
    """A model that takes two inputs in two arguments."""

    def call(self, first: Any, second: Any, scale: float = 1.0, training: bool = False) -> Any:
        return scale * (first + second)


def test_a_list_of_different_arrays_is_one_batch_of_a_model_without_input_layers() -> None:
    narrow, wide = np.ones((ROWS, 2), np.float32), np.ones((ROWS, 3), np.float32)
    model = Joined()
    model([narrow, wide])
    plan = sequence_plan("serve", model, data=[narrow, wide])
    assert [input.shape for input in plan.inputs] == [(None, 2), (None, 3)]
    assert len(plan.calibration) == ROWS
    assert sequence_plan("serve", model, data=(wide, wide)).inputs[1].shape == (None, 3)
    # Of one shape, they could be batches as well.
    with pytest.raises(UserError, match=r"read as a list of batches: .* as a tuple of them"):
        sequence_plan("serve", model, data=[wide, wide])
    # Who gave no list is told nothing of lists.
    with pytest.raises(UserError, match="cannot be traced") as caught:
        sequence_plan("serve", model, data=wide)
    assert "list" not in str(caught.value)


def test_sequences_of_different_lengths_stay_a_list_of_batches() -> None:
    batches = [np.ones((1, steps, 2)) for steps in (5, 7)]
    assert first_example(batches, any_length=True) is batches[0]
    several = [*batches, np.ones((1, 5, 3))]
    assert first_example(several, any_length=True) is several


def test_inputs_in_arguments_of_their_own_are_refused_by_name() -> None:
    model = Separate()
    model(X, Y)
    with pytest.raises(UserError, match=r"separate arguments \(first, second\)\. Wrap it in a"):
        refuse_model(model)
    refuse_model(model_of(["gyro", "accel"], "list"))


def test_timesteps_that_fix_nothing_are_refused() -> None:
    model = model_of(["gyro", "accel"], "list")
    assert signature_of(model, timesteps=STEPS).inputs == signature_of(model).inputs
    assert signature_of(model, timesteps={"gyro": STEPS}).inputs == signature_of(model).inputs
    for timesteps in (STEPS + 1, {"gyro": STEPS + 1}, {"other": STEPS}):
        with pytest.raises(ConfigurationError, match="timesteps"):
            signature_of(model, timesteps=timesteps)


@pytest.mark.parametrize("masked", [False, True])
def test_an_untyped_input_of_an_embedding_takes_whole_numbers(masked: bool, tmp_path: Path) -> None:
    """Also one that a nested model reads; data of other numbers has no meaning there."""
    inner = Sequential([Input((STEPS,)), layers.Embedding(7, 3, mask_zero=masked), layers.GRU(2)])
    tokens = Input((STEPS,), name="tokens")
    extra = Input((2,), name="extra", dtype="float64")
    model = Model([tokens, extra], layers.Concatenate()([inner(tokens), layers.Dense(2)(extra)]))
    data = {"tokens": np.array([[1, 2, 6, 0]]), "extra": np.ones((1, 2))}
    path = tmp_path / "m.tflite"
    result = export_tflite(model, path, form="rule", representative_data=data, card=False)
    dtypes = {n: one["dtype"] for n, one in result.signatures["serving_default"]["inputs"].items()}
    assert dtypes == {"tokens": "int32", "extra": "float32"}
    assert masked or "CAST" not in result.operators
    assert [tensor.dtype for tensor in model.inputs] == ["float32", "float64"]
    found = load(path)({"tokens": np.array([[1, 2, 6, 0]]), "extra": np.ones((1, 2))})
    np.testing.assert_allclose(
        next(iter(found.values())), model([data["tokens"], data["extra"]]), atol=1e-6
    )
    with pytest.raises(UserError, match=r"holds the number 7 where an Embedding.*0 to 6"):
        export_tflite(model, path, representative_data=data | {"tokens": np.array([[7] * 4])})


@pytest.mark.parametrize("policy", ["float16", "float64", "mixed_float16", "bfloat16"])
def test_a_file_computes_in_float32_whatever_the_model_was_trained_in(
    policy: str, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    inputs = Input((STEPS, FEATURES), name="series", dtype="float32")
    # Keras' own start of recurrent kernels needs an operation that knows no bfloat16.
    common = {"dtype": policy, "recurrent_initializer": "glorot_uniform"}
    hidden = layers.LSTM(3, return_sequences=True, **common)(inputs)
    hidden = layers.GRU(3, **common)(layers.LayerNormalization(dtype=policy)(hidden))
    model = Model(inputs, layers.Dense(2, dtype=policy, name="out")(hidden))
    data = np.random.default_rng(1).normal(size=(ROWS, STEPS, FEATURES))
    path = tmp_path / "m.tflite"
    export_tflite(model, path, form="rule", representative_data=data, card=False)
    found = load(path)({"series": data[:1]})["out"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(model(data[:1]), np.float32), atol=3e-2)
    assert model.layers[1].compute_dtype == keras.dtype_policies.get(policy).compute_dtype
    export_saved_model(model, tmp_path / "saved", representative_data=data)


def test_names_stay_apart() -> None:
    assert signature_names(["a b", "a_b", "a/b"]) == ["a_b_1", "a_b", "a_b_2"]
    given_names = ["время", "сигнал", "Größe", "class", "_x"]
    assert signature_names(given_names, "input") == ["input", "input_1", "Gro_e", "class_", "x"]


@pytest.mark.parametrize("name", ["1st", "сигнал", "self"])
def test_names_that_no_runtime_takes_become_ones_that_all_take(name: str, tmp_path: Path) -> None:
    model = Sequential([Input((STEPS, FEATURES), name=name), layers.GRU(2), layers.Dense(1)])
    model.layers[-1].name = "1.x"
    data = np.random.default_rng(1).normal(size=(ROWS, STEPS, FEATURES))
    path = tmp_path / "m.tflite"
    result = export_tflite(model, path, form="rule", representative_data={name: data}, card=False)
    signature = result.signatures["serving_default"]
    [taken], [given] = signature["inputs"], signature["outputs"]
    assert taken.isascii() and taken.isidentifier() and given == "output_1_x"
    np.testing.assert_allclose(load(path)({taken: data})[given], model(data), atol=1e-6)
    export_saved_model(model, tmp_path / "saved", representative_data={taken: data})


def test_a_stateful_model_goes_out_at_another_batch_than_it_was_trained_with(
    tmp_path: Path,
) -> None:
    keras.utils.set_random_seed(0)
    inputs = Input(batch_shape=(ROWS, STEPS, FEATURES), name="series")
    layer = layers.GRU(2, stateful=True, name="gru")
    model = Model(inputs, layer(inputs))
    data = np.random.default_rng(1).normal(size=(ROWS, STEPS, FEATURES)).astype(np.float32)
    model(data)
    kept = np.array(layer.states[0])
    path = tmp_path / "m.tflite"
    export_tflite(model, path, form="rule", batch_size=1, representative_data=data, card=False)
    layer.reset_state()
    np.testing.assert_allclose(load(path)({"series": data[:1]})["gru"], model(data)[:1], atol=1e-6)
    assert layer.stateful and np.abs(kept).max() > 0
