"""Outputs that are near to Keras' and say nothing: wrong labels, and signals that are gone."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_apps.export.proof.comparison import Comparison, compare, require_within
from rnn_apps.export.results import TOLERANCES, ExportError, OutputError

ROWS = 40
SIGNAL = np.random.default_rng(0).normal(size=(ROWS, 1))


def error_of(wanted: np.ndarray, found: np.ndarray, quantize: str | None = "int8") -> OutputError:
    """The error of a file that gives `found`, a row a call, where Keras gives `wanted`."""
    expected = [{"y": row[None]} for row in wanted]
    comparison = Comparison("serve", [{"x": row} for row in wanted], expected)
    [error] = compare(comparison, [{"y": row[None]} for row in found], TOLERANCES[quantize])
    return error


def refused(error: OutputError, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        require_within([error], "the file")


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
def test_labels_are_right_or_wrong_and_never_near(dtype: str) -> None:
    wanted = (np.arange(ROWS)[:, None] % (2 if dtype == "bool" else 100)).astype(dtype)
    found = wanted.copy()
    found[:6] = ~found[:6] if dtype == "bool" else found[:6] + 1
    refused(error_of(wanted, found), r"labels 'y' differ in 6 of 40 \(15 %\)\. Export the numbers")
    found[2:] = wanted[2:]
    require_within([error_of(wanted, found)], "the file")
    refused(error_of(wanted, found, None), "labels 'y' differ in 2 of 40")


def test_samples_of_16_bits_are_near_or_far() -> None:
    wanted = (20_000 * np.sin(np.arange(ROWS)))[:, None].astype(np.int16)
    require_within([error_of(wanted, wanted + np.int16(40))], "the file")
    refused(error_of(wanted, np.zeros_like(wanted)), "no longer follows 'y'")


def test_rounding_turns_over_a_label_of_a_thousand() -> None:
    wanted = np.arange(2000)[:, None]
    found = wanted.copy()
    found[7] += 1
    require_within([error_of(wanted, found, None)], "the file")
    found[:3] += 1
    refused(error_of(wanted, found, None), "differ in 4 of 2000")


def test_an_offset_alone_is_not_the_output() -> None:
    kelvin = 293.0 + 0.2 * SIGNAL
    refused(error_of(kelvin, np.full_like(kelvin, 293.2)), r"follows 'y': it differs by 1\.\d+ st")
    small = 0.002 * SIGNAL
    refused(error_of(small, np.zeros_like(small)), "follows 'y': .* Scale the output inside")


def test_a_small_quantity_beside_a_large_one_is_an_output_too() -> None:
    wanted = np.concatenate([101325 + 1000 * SIGNAL, 0.5 * SIGNAL[::-1]], axis=1)
    found = wanted + 0.1
    found[:, 1] = 0.0
    refused(error_of(wanted, found), r"follows 'y'\[\.\.\., 1\], whose values are smaller than")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (np.full((ROWS, 1), 293.0), np.full((ROWS, 1), 293.2)),
        (293.0 + 0.2 * SIGNAL[:4], np.full((4, 1), 293.2)),
        (np.array([[0.9, 0.099, 0.001]] * ROWS) + 1e-4 * SIGNAL * [1, -1, 0], [0.9, 0.1, 0.0]),
        (1 / (1 + np.exp(8 - SIGNAL)), np.zeros((ROWS, 1))),
        (1 / (1 + np.exp([0, 0, 8] - SIGNAL)), 1 / (1 + np.exp(-SIGNAL)) * [1, 1, 0]),
        (np.concatenate([SIGNAL, 0.01 * SIGNAL], axis=1), SIGNAL * [1.0, 0.0]),
        (np.concatenate([SIGNAL, 1.0 + 0.002 * SIGNAL], axis=1), SIGNAL * [1, 0] + [0, 1]),
    ],
    ids=[
        "constant",
        "few values",
        "probabilities",
        "an event that does not happen",
        "a rare label",
        "a weak feature",
        "a nearly constant one",
    ],
)
def test_what_hardly_varies_is_no_lost_signal(wanted: np.ndarray, found: np.ndarray) -> None:
    require_within([error_of(wanted, np.broadcast_to(found, wanted.shape))], "the file")


def test_states_are_not_judged_by_what_varies_in_them() -> None:
    kept = [{"h_out": 0.002 * row[None]} for row in SIGNAL]
    none = [{"h_out": np.zeros((1, 1))}] * ROWS
    comparison = Comparison("step", [{"h": np.zeros((1, 1))}] * ROWS, kept)
    require_within(compare(comparison, none, TOLERANCES["int8"]), "the file")
    require_within(compare(comparison, none, TOLERANCES["int8"], ["h_out"]), "the file")
