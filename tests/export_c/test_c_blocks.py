"""Sequences whose inputs are multiplied for several timesteps at once."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers

from rnn_apps.edge import load
from rnn_apps.export.c import CodeResult, export_c
from rnn_apps.export.c.programs.blocks import SIZES
from rnn_apps.export.c.programs.joining import joined
from rnn_apps.export.c.programs.program import (
    Buffer,
    JoinedProducts,
    Loop,
    Product,
    Program,
    Repeat,
    Statement,
    whole,
)

CELLS = {
    "GRU": lambda: layers.GRU(24, return_sequences=True),
    "GRU, reset before": lambda: layers.GRU(24, return_sequences=True, reset_after=False),
    "LSTM": lambda: layers.LSTM(17, return_sequences=True, unit_forget_bias=True),
    "SimpleRNN, backward": lambda: layers.SimpleRNN(
        70, return_sequences=True, go_backwards=True, bias_initializer="normal"
    ),
    "both directions": lambda: layers.Bidirectional(layers.GRU(23, return_sequences=True)),
}


def exported(model: keras.Model, folder: Path, data: np.ndarray) -> CodeResult:
    """Exported code, which the export has compared with Keras as any compiler's x86 code.

    Here it is compared on this computer's own vectors as well.
    """
    result = export_c(model, folder, representative_data=data)
    assert all(error.relative_rmse < 2e-6 for error in result.errors)
    (made,) = load(folder, "c")(data[:1]).values()
    np.testing.assert_allclose(made, model(data[:1]).numpy(), atol=3e-6)
    return result


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("timesteps", [15, 8])
def test_blocks_give_what_single_timesteps_give(cell: str, timesteps: int, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = Sequential([Input((timesteps, 6)), CELLS[cell]()])
    data = np.random.default_rng(0).normal(size=(3, timesteps, 6)).astype(np.float32)

    result = exported(model, tmp_path / "code", data)

    source = result.source.read_text()
    assert "_tiled_rows(" in source and "pass0_block" in source


def test_a_block_takes_the_memory_of_its_projections(tmp_path: Path) -> None:
    def scratch_bytes(timesteps: int) -> int:
        keras.utils.set_random_seed(0)
        model = Sequential([Input((timesteps, 6)), layers.GRU(24, return_sequences=True)])
        data = np.random.default_rng(0).normal(size=(3, timesteps, 6)).astype(np.float32)
        return exported(model, tmp_path / str(timesteps), data).cost.scratch_bytes

    # No block divides 7 timesteps.
    assert all(7 % size for size in SIZES)
    single = scratch_bytes(7)
    for size, timesteps in zip(SIZES, (10, 8), strict=True):
        assert scratch_bytes(timesteps) == single + (size - 1) * 3 * 24 * 4


def test_weights_are_read_forwards_and_backwards_in_turn(tmp_path: Path) -> None:
    """Five timesteps of a block are odd: the next block begins the other way."""
    keras.utils.set_random_seed(0)
    model = Sequential([Input((15, 6)), layers.GRU(90, return_sequences=True)])
    data = np.random.default_rng(0).normal(size=(3, 15, 6)).astype(np.float32)

    source = exported(model, tmp_path / "sequence", data).source.read_text()

    assert "(pass0_block + pass0) & 1);" in source
    stream = export_c(model, tmp_path / "stream", mode="streaming", representative_data=data)
    calls = re.findall(r"_tiled_product\(memory.*", stream.source.read_text())
    assert calls and all(call.endswith(", 0);") for call in calls)


def test_masked_timesteps_keep_the_state(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    series = Input((10, 4))
    hidden = layers.LSTM(20, return_sequences=True)(layers.Masking()(series))
    data = np.random.default_rng(0).normal(size=(3, 10, 4)).astype(np.float32)
    data[:, 6:] = 0

    exported(Model(series, hidden), tmp_path / "code", data)


@pytest.mark.parametrize("rows", [2, 13])
def test_rows_share_what_is_read_of_the_weights(rows: int, tmp_path: Path) -> None:
    """Thirteen rows are four, four and five; 70 columns are a whole tile and a part."""
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal(size=(3, rows, 9)).astype(np.float32)

    result = exported(Sequential([Input((rows, 9)), layers.Dense(70)]), tmp_path / "code", data)

    assert "_tiled_rows(" in result.source.read_text()


# With the reset before its product a GRU has two products per step, of fewer columns each.
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "GRU, reset before"])
def test_the_products_of_a_block_are_made_along_with_its_first_step(
    cell: str, tmp_path: Path
) -> None:
    """The cells have more than 64 columns, and the last tile is a part of one."""
    keras.utils.set_random_seed(0)
    model = Sequential([Input((8, 7)), CELLS[cell]()])
    data = np.random.default_rng(0).normal(size=(3, 8, 7)).astype(np.float32)

    source = exported(model, tmp_path / "code", data).source.read_text()

    assert re.search(r"if \(pass\d+ == 0\)\s+\w+_joined_products\(", source)


def test_what_a_step_writes_before_its_product_stays_apart_from_the_block() -> None:
    number = Buffer("scratch", "float32", 4 * 70)
    matrix = Buffer("constant", "float32", 6 * 70, data=np.zeros(6 * 70, np.float32))
    inputs, state = Buffer("scratch", "float32", 24), Buffer("scratch", "float32", 6)
    out = Buffer("scratch", "float32", 70)
    weights = whole(matrix, (6, 70))
    block = Product(whole(number, (4, 70)), whole(inputs, (4, 6)), weights, True, True)
    step = Product(whole(out, (1, 70)), whole(state, (1, 6)), weights, True, True)

    def made(before: Buffer) -> list[Statement]:
        view = whole(before, (6,))
        steps: list[Statement] = [Loop((6,), [], [(view, 0.0)]), step]
        repeated = Repeat("block", 2, [block, Repeat("pass", 4, steps)])
        (outer,) = joined(Program({}, {}, {}, [repeated])).statements
        assert isinstance(outer, Repeat)
        return outer.body

    (inner,) = made(Buffer("scratch", "float32", 6))
    assert isinstance(inner, Repeat) and isinstance(inner.body[1], JoinedProducts)
    # The block's inputs, or its sums, would not be what they were.
    assert made(inputs)[0] is block
    assert made(number)[0] is block
