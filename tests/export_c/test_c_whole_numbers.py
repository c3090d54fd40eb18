"""Whole numbers of every width are Keras' own in C, or are refused."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import Input, Model, layers, ops

from rnn_apps.edge import load
from rnn_apps.export import ExportError
from rnn_apps.export.c import export_c
from rnn_apps.export.c.lowering.ranges import result_of

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


def test_sums_in_64_bits_that_32_bits_hold_are_taken(tmp_path: Path) -> None:
    ids = Input((4,), dtype="int64", name="ids")
    x = Input((4,), name="x")
    mask = ops.cast(ops.not_equal(ids, 0), "int64")
    whole = ops.cast(ops.round(x), "int64")
    rows = layers.Embedding(30, 2, embeddings_initializer="normal")
    outputs = {
        "left": ops.cast(12 - ops.sum(mask, axis=-1), "float32"),
        "places": ops.cast(ops.cumsum(mask, axis=-1) * mask, "float32"),
        "clipped": rows(ops.clip(ids - 1, 0, 29)),
        "wrapped": rows((ids + 1) % 30),
        "one_hot": ops.one_hot(whole, 20),
        "above": ops.cast(whole > 3, "float32"),
        "remainder": ops.cast(whole % 30, "int32"),
    }
    model = Model([ids, x], outputs)
    data = {
        "ids": np.array([[1, 5, 40, 0], [29, 30, 31, 0], [1000, -7, 3, 2]], np.int64),
        "x": np.array([[0.4, 3.7, -2.2, 19], [3, 4, 100, -31], [1, 7, 9, 2]], np.float32),
    }

    result = export_c(model, tmp_path / "code", representative_data=data)

    assert result.sanitized
    assert result.error <= 1e-6


def test_ranges_hold_all_results() -> None:
    """Every result of small operands is in the range that is said to have them."""
    computed: dict[str, Callable[..., int]] = {
        "Add": operator.add, "Sub": operator.sub, "Mul": operator.mul, "FloorMod": operator.mod,
        "FloorDiv": operator.floordiv, "Maximum": max, "Minimum": min,
        "Pow": lambda a, b: a**b if b >= 0 else 0,
        "Neg": lambda a, b: -a, "Abs": lambda a, b: abs(a), "Square": lambda a, b: a * a,
    }  # fmt: skip
    ranges = [(low, high) for low in range(-4, 5) for high in range(low, 5)]
    for kind, compute in computed.items():
        unary = kind in ("Neg", "Abs", "Square")
        for one, other in itertools.product(ranges, repeat=2):
            found = result_of(kind, [one] if unary else [one, other])
            for a, b in itertools.product(range(one[0], one[1] + 1), range(other[0], other[1] + 1)):
                if found and (b or kind not in ("FloorMod", "FloorDiv")):
                    assert found[0] <= compute(a, b) <= found[1], (kind, one, other, a, b)


def _hashed(ids: Any) -> Any:
    return ops.cast(ops.mod(ops.cast(ids, "int64") * 1000003, 101), "float32")


def _unsigned(ids: Any) -> Any:
    return ops.cast(ops.cast(ids, "uint32"), "float32")


def _compared(ids: Any) -> Any:
    return ops.cast(ops.cast(ids, "int64") > 2**40, "float32")


def _summed(ids: Any) -> Any:
    return ops.cast(ops.sum(ops.cast(ids, "int64"), axis=-1) % 30, "float32")


def _longest(ids: Any) -> Any:
    return ops.cast(ops.cumsum(ops.cast(ids > 2, "int64") * 2**30, axis=-1), "float32")


def _given(ids: Any) -> Any:
    return ops.cast(ids, "int64") * 1000003


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (_hashed, r"FloorMod reads whole numbers of the type int64 that Mul .*ops\.cast"),
        (_unsigned, r"Cast reads whole numbers of the type uint32 that Cast"),
        (_compared, r"a constant of the type int64 has numbers from 1099511627776"),
        (_summed, r"FloorMod reads whole numbers of the type int64 that Sum"),
        (_longest, r"Cast reads whole numbers of the type int64 that Cumsum"),
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
