"""The generated example runs on emulated boards and gives what TensorFlow Lite Micro gives here."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers
from tflite_micro_boards import CORES, missing, run_example

from rnn_apps.edge import StreamingSession, load
from rnn_apps.edge.runtime.streaming import state_pairs
from rnn_apps.export import export_tflite


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("cell", "quantize"), [("GRU", None), ("GRU", "int8"), ("LSTM", "int8")])
def test_the_example_streams_on_a_board(
    cell: str, quantize: str | None, core: str, tmp_path: Path
) -> None:
    needed = ("arm-none-eabi-g++", "qemu-system-arm")
    if lacking := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    if reason := missing(core):
        pytest.skip(reason)
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal(size=(8, 12, 5)).astype(np.float32)
    layer = getattr(layers, cell)(24, return_sequences=True)
    model = Sequential([Input((None, 5)), layer, layers.Dense(3, name="values")])
    path = tmp_path / "net.tflite"
    export_tflite(
        model, path, target="tflm", mode="streaming", quantize=quantize, representative_data=data
    )
    session = StreamingSession(load(path, "tflm"))
    (name,) = set(session.signature.inputs) - set(state_pairs(session.signature))
    chunks = [data[:1, step : step + 1] for step in range(4)]

    run = run_example(core, path, session.signature, [{name: x} for x in chunks], tmp_path)

    for chunk, outputs in zip(chunks, run.outputs, strict=True):
        expected = session.step(chunk)
        # Integers are equal; what is shown are their real values, in float32.
        tolerance = 2e-6 if quantize is None else 1e-6
        np.testing.assert_allclose(*outputs.values(), expected, atol=tolerance)
    assert 0 < run.arena_used <= run.arena_given
    assert run.instructions > 10_000
    print(f"{cell} {quantize} {core}: {run}")
