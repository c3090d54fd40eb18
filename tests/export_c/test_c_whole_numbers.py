"""Whole numbers of every width are Keras' own in C, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import Input, Model, layers, ops

from rnn_apps.edge import load
from rnn_apps.export import ExportError
from rnn_apps.export.c import export_c

# The largest and the smallest number, and what is beyond 8 and 16 bits.
IDS = np.array([[200, 300, -1], [5000, 70000, 3000], [2**31 - 1, -(2**31), 0], [1, 2, 3]], np.int32)


def test_whole_numbers_wrap_around_as_keras_do(tmp_path: Path) -> None:
    ids = Input((3,), dtype="int32", name="ids")
    small, smaller = ops.cast(ids, "int16"), ops.cast(ids, "int8")
    unsigned = ops.cast(ids, "uint8")
    in_32_bits = {
        "cast": smaller,
        "cast_unsigned": unsigned,
        "cast_twice": ops.cast(unsigned, "int8"),
        "product": smaller * smaller - 3,
        "difference": unsigned - 7,
        "sums": ops.cumsum(smaller, axis=-1),
        "largest": ops.max(smaller, axis=-1),
        "opposite": -small,
        "from_32_bits": ops.cast(ops.cast(ids, "uint32") * 3, "int32"),
        "remainder": ops.mod(ids * 1000003, 101),
        "sum": ops.sum(ids * ids, axis=-1),
        "power": ids**3,
        "size": ops.abs(ids),
        # Sums in 64 bits, and in 32 without a sign, that are small.
        "count": ops.cast(ops.sum(ops.cast(ids > 2, "int64"), axis=-1), "float32"),
        "sum_unsigned": ops.cast(ops.sum(unsigned, axis=-1), "float32"),
    }
    outputs = {name: ops.cast(value, "int32") for name, value in in_32_bits.items()}
    # Keras' own arithmetic with indices, in 64 bits.
    rows = ops.take_along_axis(ops.cast(ids, "float32"), ops.mod(ids, 3) - 1, axis=-1)
    model = Model(ids, {**outputs, "rows": rows})

    result = export_c(model, tmp_path / "code", representative_data=IDS)

    assert result.sanitized
    code = load(tmp_path / "code", "c")
    expected = model(IDS)
    for row in range(len(IDS)):
        for name, found in code(IDS[row : row + 1]).items():
            np.testing.assert_array_equal(found[0], expected[name][row], err_msg=name)


def _hashed(ids: Any) -> Any:
    return ops.cast(ops.mod(ops.cast(ids, "int64") * 1000003, 101), "float32")


def _unsigned(ids: Any) -> Any:
    return ops.cast(ops.cast(ids, "uint32"), "float32")


def _compared(ids: Any) -> Any:
    return ops.cast(ops.cast(ids, "int64") > 2**40, "float32")


def _given(ids: Any) -> Any:
    return ops.cast(ids, "int64") * 1000003


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (_hashed, r"FloorMod reads whole numbers of the type int64 that Mul .*ops\.cast"),
        (_unsigned, r"Cast reads whole numbers of the type uint32 that Cast"),
        (_compared, r"a constant of the type int64 has numbers from 1099511627776"),
        (_given, r"output '.*' has whole numbers of the type int64"),
    ],
)
def test_what_needs_more_than_32_bits_is_refused(
    compute: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    ids = Input((3,), dtype="int32", name="ids")

    with pytest.raises(ExportError, match=message):
        export_c(Model(ids, compute(ids)), tmp_path / "code", representative_data=IDS[3:])
    assert not list(tmp_path.iterdir())


def test_indices_in_64_bits_are_taken(tmp_path: Path) -> None:
    """A sum in 64 bits that is nothing but an index, and -1, which is the last row."""
    ids = Input((3,), dtype="int64", name="ids")
    model = Model(ids, layers.Embedding(9, 2, embeddings_initializer="normal")(ids - 1))
    data = np.array([[0, 1, 9], [3, 0, 5]], np.int64)

    result = export_c(model, tmp_path / "code", representative_data=data)

    assert result.error <= 1e-6
