"""Other compilers and processors give what this computer gives: integers to the bit."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Model, layers
from other_platforms import PLATFORMS, Platform, outputs_on

from rnn_apps.edge.runtime.library_check import FILE, LibraryCheck, read_checks
from rnn_apps.export.c import CodeResult, export_c

FEATURES, TIMESTEPS = 7, 10
# The build that others are compared with.
HERE = Platform(("cc", "-O1"))


def network(mode: str) -> Model:
    """Sizes that no block of a kernel divides, in all kinds of layers that a mode can have."""
    keras.utils.set_random_seed(0)
    series = Input((TIMESTEPS if mode == "sequence" else None, FEATURES), name="series")
    hidden = layers.GRU(37, return_sequences=True)(series)
    if mode == "sequence":
        hidden = layers.Bidirectional(layers.LSTM(9, return_sequences=True))(hidden)
        hidden = layers.Conv1D(6, 3, padding="same", activation="relu")(hidden)
        hidden = layers.MultiHeadAttention(2, 3)(hidden, hidden)
    hidden = layers.SimpleRNN(13, return_sequences=True)(
        layers.LSTM(22, return_sequences=True)(hidden)
    )
    return Model(series, layers.Dense(5, activation="softmax", name="values")(hidden), name="net")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CodeResult]:
    data = np.random.default_rng(0).normal(size=(8, TIMESTEPS, FEATURES)).astype(np.float32)
    return {
        f"{mode} {quantize}": export_c(
            network(mode),
            tmp_path_factory.mktemp(mode) / "code",
            mode=mode,
            quantize=quantize,
            representative_data=data,
            integer_io=quantize == "int16x8",
        )
        for mode, quantize in (
            ("streaming", None),
            ("streaming", "int8"),
            ("sequence", None),
            ("sequence", "int16x8"),
        )
    }


def check_of(result: CodeResult) -> LibraryCheck:
    return read_checks(result.folder / FILE)[result.interface.prefix]


def compare(result: CodeResult, platform: Platform, folder: Path) -> None:
    """Raises AssertionError where a platform gives other numbers than this computer."""
    calls = check_of(result).inputs
    (folder / "here").mkdir()
    (folder / "there").mkdir()
    here = outputs_on(HERE, result, calls, folder / "here")
    there = outputs_on(platform, result, calls, folder / "there")
    floats = all(one.fraction is None for one in result.interface.states)
    for expected, found in zip(here, there, strict=True):
        for name, value in expected.items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(found[name], value, atol=5e-6 if floats else 1e-6)
            else:
                np.testing.assert_array_equal(found[name], value)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_gives_what_this_computer_gives(
    name: str, exported: dict[str, CodeResult], tmp_path: Path
) -> None:
    platform = PLATFORMS[name]
    if platform.missing:
        pytest.skip(f"not installed: {platform.missing}")
    for kind, result in exported.items():
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()

        compare(result, platform, folder)
