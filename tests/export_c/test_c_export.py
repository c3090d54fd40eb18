"""A model as C gives what Keras gives, or is refused; nothing is left of what is not right."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from foreign_models import FOREIGN
from keras import Input, Model, Sequential, layers

from pipelines.base.errors import ConfigurationError
from rnn_apps.export import ExportError
from rnn_apps.export.c import export as module
from rnn_apps.export.c import export_c
from rnn_apps.export.commands import VERBS
from rnn_apps.layers.cells.registry import cell_names, find_cell

# Foreign models of which a stream is made as well; the others look back, or are much the same.
STREAMED = ("masking_embedding", "own_cell_and_stacked_cells")
# Kept among the quick tests; the others are proofs.
QUICK = ("masking_layer_bidirectional", "convolution_and_lstm")


def of_fixed_time(name: str, model: keras.Model) -> dict:
    free = any(None in tuple(i.shape)[1:] for i in getattr(model, "inputs", None) or [])
    if name == "encoder_decoder_with_states":
        return {"timesteps": {"source": 12, "target": 7}}
    return {"timesteps": 12} if free else {}


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in FOREIGN]
)
def test_a_foreign_model_is_right_as_c(name: str, tmp_path: Path) -> None:
    model, data = FOREIGN[name]()
    before = [weight.numpy().copy() for weight in model.weights]

    result = export_c(
        model, tmp_path / "code", representative_data=data, **of_fixed_time(name, model)
    )

    assert result.errors and all(error.within for error in result.errors)
    assert result.sanitized
    assert result.source.is_file() and result.header.is_file()
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMED)
def test_a_foreign_model_streams_as_c(name: str, tmp_path: Path) -> None:
    model, data = FOREIGN[name]()

    result = export_c(model, tmp_path / "code", mode="streaming", representative_data=data)

    assert result.interface.call == "step" and result.interface.states
    assert all(error.within for error in result.errors)


@pytest.mark.parametrize("cell", cell_names())
def test_every_registered_cell_is_one_loop_over_its_units(cell: str, tmp_path: Path) -> None:
    layer = find_cell(cell).layer
    units = 11
    model = Sequential([Input((7, 3)), layer(units)])
    _randomise(model)

    result = export_c(model, tmp_path / "code", name="net")

    assert all(error.within for error in result.errors)
    text = result.source.read_text()
    step = text[text.index("for (int32_t pass") :]
    # Whatever the cell's equations are: all that is elementwise is one call. The gate of each of a
    # Mogrifier's rounds waits for the product with the gate before it.
    rounds = getattr(model.layers[-1].cell, "rounds", 0)
    assert step[: step.index("}")].count("net_loop") == 1 + rounds


@pytest.mark.parametrize("cell", [name for name in cell_names() if find_cell(name).normalised])
def test_normalised_cells_are_right_as_c(cell: str, tmp_path: Path) -> None:
    normalised = find_cell(cell).normalised
    assert normalised is not None
    model = Sequential([Input((6, 3)), layers.RNN(normalised.keras_cell(5))])
    _randomise(model)

    assert all(e.within for e in export_c(model, tmp_path / "code").errors)


def test_a_stream_keeps_its_states_in_the_callers_struct(tmp_path: Path) -> None:
    model = Sequential([Input((None, 3)), layers.LSTM(5, return_sequences=True), layers.Dense(2)])

    result = export_c(model, tmp_path / "code", mode="streaming", chunk=2, name="net")

    assert [state.shape for state in result.interface.states] == [(1, 5), (1, 5)]
    assert result.cost.state_bytes == 2 * 5 * 4
    assert "float state_lstm" in result.header.read_text()


def test_layers_of_all_kinds(tmp_path: Path) -> None:
    inputs = Input((9, 4), name="float")
    hidden = layers.Conv1D(6, 3, padding="causal", activation="gelu")(inputs)
    hidden = layers.LayerNormalization()(hidden)
    hidden = layers.SeparableConv1D(6, 3, padding="same", strides=2, activation="selu")(hidden)
    hidden = layers.Conv1D(5, 2, dilation_rate=2, activation="softplus")(hidden)
    hidden = layers.BatchNormalization()(layers.AveragePooling1D(2, padding="same")(hidden))
    attended = layers.MultiHeadAttention(2, 3)(hidden, hidden)
    joined = layers.Concatenate()([hidden, attended, layers.ZeroPadding1D((1, 1))(hidden)[:, 1:-1]])
    flat = layers.Flatten()(layers.Permute((2, 1))(layers.Activation("silu")(joined)))
    pooled = layers.GlobalMaxPooling1D()(layers.LeakyReLU()(joined))
    out = layers.Dense(4, activation="softsign")(layers.Concatenate()([flat, pooled]))
    model = Model(inputs, {"class": layers.Softmax()(out), "int": layers.Multiply()([out, out])})
    _randomise(model)

    result = export_c(model, tmp_path / "code", name="net")

    assert all(error.within for error in result.errors)
    # Keywords of C as names of tensors.
    assert {one.identifier for one in result.interface.outputs} == {"output_class", "output_int"}


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_repeated_numbers_are_multiplied(quantize: str | None, tmp_path: Path) -> None:
    """Rows that are one number, broadcast: they do not lie behind each other."""
    keras.utils.set_random_seed(1)
    series = Input((6, 3))
    repeated = keras.ops.tile(layers.Dense(1)(series), [1, 1, 8])
    mean = keras.ops.matmul(keras.ops.full((1, 6, 6), 1 / 6), series)
    model = Model(series, [layers.Dense(70)(repeated), mean])
    data = np.random.default_rng(1).normal(size=(20, 6, 3)).astype(np.float32)

    result = export_c(model, tmp_path / "code", quantize=quantize, representative_data=data)

    allowed = 1e-6 if quantize is None else 0.01
    assert all(0 < error.relative_rmse < allowed for error in result.errors)
    # A broadcast row is quantised as any other.
    assert quantize is None or "static const int8_t" in result.source.read_text()


def test_powers_that_differ_are_right_for_negative_numbers(tmp_path: Path) -> None:
    """Polynomials of features: exponents are constants, but not all equal."""
    keras.utils.set_random_seed(1)
    features = Input((3,))
    columns = keras.ops.expand_dims(features, -1)
    powers = keras.ops.power(columns, keras.ops.convert_to_tensor([0.0, 1.0, 2.0, 3.0]))
    roots = keras.ops.power(keras.ops.abs(columns), keras.ops.convert_to_tensor([1.0, 0.5, 1.5]))
    model = Model(features, [powers, roots])
    data = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    data[0] = 0

    result = export_c(model, tmp_path / "code", representative_data=data)

    assert all(error.relative_rmse < 1e-6 for error in result.errors)


def test_the_folder_compiles_and_its_example_runs(tmp_path: Path) -> None:
    model = Sequential([Input((5, 3)), layers.GRU(4), layers.Dense(2)], name="while")
    folder = export_c(model, tmp_path / "code").folder
    assert json.loads((folder / "card.json").read_text())["target"] == "c"
    build = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", "src"]
    sources = ["src/model_while.c", "examples/desktop/main.c"]

    subprocess.run(["cc", *build, *sources, "-o", "example"], cwd=folder, check=True)
    done = subprocess.run([folder / "example"], capture_output=True, text=True, check=True)

    expected = model.predict(np.zeros((1, 5, 3)), verbose=0)[0, 0]
    assert float(done.stdout) == pytest.approx(expected, abs=1e-4)


def test_nothing_but_two_headers_is_needed(tmp_path: Path) -> None:
    model = Sequential([Input((5, 3)), layers.LSTM(4), layers.Dense(2, "softmax")])
    result = export_c(model, tmp_path / "code", name="net")

    lines = [*result.source.read_text().splitlines(), *result.header.read_text().splitlines()]

    included = {line for line in lines if line.startswith("#include")}
    assert included == {'#include "net.h"', "#include <string.h>", "#include <stdint.h>"}
    subprocess.run(["cc", "-c", "net.c"], cwd=result.source.parent, check=True)
    used = subprocess.run(
        ["nm", "-u", "net.o"], cwd=result.source.parent, capture_output=True, text=True, check=True
    )
    # The stack protector that Debian's compiler may switch on is not ours.
    names = {line.split()[-1] for line in used.stdout.splitlines()} - {"_GLOBAL_OFFSET_TABLE_"}
    assert names <= {"memcpy", "memset", "__stack_chk_fail"}


def test_the_same_model_gives_the_same_text(tmp_path: Path) -> None:
    model = Sequential([Input((5, 3)), layers.GRU(4, return_sequences=True), layers.LSTM(3)])

    texts = [
        export_c(model, tmp_path / name, name="net").source.read_text() for name in ("one", "two")
    ]

    assert texts[0] == texts[1]


def test_what_is_wrong_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sequential([Input((5, 3)), layers.GRU(4)])
    right = module.code_for

    def wrong(*arguments: object) -> object:
        code = right(*arguments)  # type: ignore[arg-type]
        return type(code)(
            code.interface,
            code.header,
            code.source.replace("0.467654494f", "0.567654494f"),
            code.weight_bytes,
            code.products,
        )

    monkeypatch.setattr(module, "code_for", wrong)
    with pytest.raises(ExportError, match="differs from the Keras model"):
        export_c(model, tmp_path / "code")
    assert not list(tmp_path.iterdir())


def test_a_step_beyond_memory_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sequential([Input((5, 3)), layers.GRU(4)])
    right = module.code_for

    def wrong(*arguments: object) -> object:
        code = right(*arguments)  # type: ignore[arg-type]
        source = code.source.replace(
            "input_input_layer + 3 * pass0", "input_input_layer + 4 * pass0"
        )
        assert source != code.source
        return type(code)(code.interface, code.header, source, code.weight_bytes, code.products)

    monkeypatch.setattr(module, "code_for", wrong)
    with pytest.raises(ExportError, match="AddressSanitizer"):
        export_c(model, tmp_path / "code")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_c_is_refused_by_name(tmp_path: Path) -> None:
    inputs = Input((5, 3))
    hidden = layers.Lambda(lambda x: keras.ops.sort(x, axis=1), name="sorting")(inputs)
    model = Model(inputs, layers.GRU(3)(hidden))

    with pytest.raises(ExportError, match=r"sorting.*TensorFlow's operator TopKV2"):
        export_c(model, tmp_path / "code")
    assert not list(tmp_path.iterdir())


def test_lists_of_tensors_are_refused(tmp_path: Path) -> None:
    """A layer's own loop that collects its results, as keras.ops.scan does."""

    def step(total: keras.KerasTensor, now: keras.KerasTensor) -> tuple[object, object]:
        return total + now, total

    series = Input((5, 4), batch_size=1)
    steps = keras.ops.transpose(series, (1, 0, 2))
    model = Model(series, keras.ops.scan(step, keras.ops.zeros((1, 4)), steps)[1])

    with pytest.raises(ExportError, match=r"list of tensors.*keras\.layers\.RNN"):
        export_c(model, tmp_path / "code")
    assert not list(tmp_path.iterdir())


def test_free_timesteps_are_asked_for(tmp_path: Path) -> None:
    model = Sequential([Input((None, 3)), layers.GRU(3)])

    with pytest.raises(ExportError, match="timesteps="):
        export_c(model, tmp_path / "code")
    assert export_c(model, tmp_path / "code", timesteps=4).interface.inputs[0].shape == (1, 4, 3)


def test_without_a_compiler_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)

    with pytest.raises(ExportError, match="apt install gcc"):
        export_c(Sequential([Input((4, 3)), layers.GRU(3)]), tmp_path / "code")


def test_other_files_are_not_replaced(tmp_path: Path) -> None:
    model = Sequential([Input((4, 3)), layers.SimpleRNN(3)])
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(ConfigurationError, match="other files"):
        export_c(model, tmp_path)
    with pytest.raises(ConfigurationError, match="keyword"):
        export_c(model, tmp_path / "code", name="double")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def _randomise(model: keras.Model) -> None:
    """Biases and gains that are neither zeros nor ones."""
    draw = np.random.default_rng(3)
    for weight in model.weights:
        if weight.trainable:
            noise = 0.3 * draw.normal(size=weight.shape)
            weight.assign(weight.numpy() + noise.astype(np.float32))


def test_the_command_line_writes_c(tmp_path: Path) -> None:
    model = Sequential([Input((None, 3)), layers.GRU(3, return_sequences=True)])
    model.save(tmp_path / "model.keras")
    (verb,) = (verb for verb in VERBS if verb.name == "export")
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    words = [str(tmp_path / "model.keras"), "--to", str(tmp_path / "code"), "--target", "c"]

    found = verb.run(parser.parse_args([*words, "--mode", "streaming", "--name", "net"]))

    assert found["function"] == "net_step" and found["error"] < 1e-5
    assert (tmp_path / "code" / "src" / "net.c").is_file()
    json.dumps(found)
    with pytest.raises(ConfigurationError, match="--form"):
        verb.run(parser.parse_args([*words, "--form", "loop"]))
    with pytest.raises(ConfigurationError, match="quantize = 'dynamic'"):
        verb.run(parser.parse_args([*words, "--quantize", "dynamic"]))
    with pytest.raises(ConfigurationError, match="--target c"):
        verb.run(parser.parse_args([*words[:-1], "litert", "--name", "net"]))
