"""The exported folder is a library as it stands: CMake, Arduino, and several functions in one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge import load
from rnn_apps.export import ExportError, SignatureRequest
from rnn_apps.export.c import CodeFolder, export_c, export_c_functions
from rnn_apps.export.device_files import _of_code as written_code

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", "src"]
# What a sketch needs of Arduino's own header.
ARDUINO = """
#include <stdio.h>
struct Port { void begin(long) {} void println(float x) { printf("%g\\n", x); } };
static Port Serial;
static void delay(int) {}
"""


@pytest.fixture(scope="module")
def halves() -> tuple[keras.Model, keras.Model]:
    """An encoder, and a step that takes what it gives and its own state."""
    keras.utils.set_random_seed(0)
    source = Input((6,), dtype="int32", name="source")
    hidden = layers.GRU(5, return_sequences=True)(layers.Embedding(9, 4)(source))
    state = layers.Dense(5, activation="tanh")(hidden[:, -1])
    encoder = Model(source, {"memory": hidden, "state": state}, name="encode")
    memory, before = Input((6, 5), name="memory"), Input((5,), name="state")
    token = Input((), dtype="int32", name="token")
    read = layers.Dot((1, 1))([memory, layers.Dense(6)(before)])
    cell = layers.GRUCell(5)
    out, (after,) = cell(layers.Concatenate()([layers.Embedding(9, 4)(token), read]), [before])
    outputs = {"logits": layers.Dense(9)(out), "state_out": after}
    decoder = Model({"token": token, "memory": memory, "state": before}, outputs, name="decode")
    return encoder, decoder


@pytest.fixture(scope="module")
def written(
    halves: tuple[keras.Model, keras.Model], tmp_path_factory: pytest.TempPathFactory
) -> CodeFolder:
    encoder, decoder = halves
    requests = {"encode": SignatureRequest(encoder), "decode": SignatureRequest(decoder)}
    return export_c_functions(requests, tmp_path_factory.mktemp("folder") / "code", name="two")


def test_each_function_of_a_delivery_is_timed(written: CodeFolder) -> None:
    times = written_code(written).latencies_ms
    assert set(times) == {"encode", "decode"} and all(ms > 0 for ms in times.values())


def test_several_functions_are_one_library(
    written: CodeFolder, halves: tuple[keras.Model, keras.Model]
) -> None:
    encoder, decoder = halves
    model = load(written.folder, "c")
    source = np.array([[1, 4, 8, 2, 0, 3]], np.int32)

    encoded = model({"source": source}, "encode")
    inputs = {"token": np.array([7], np.int32), **encoded}
    decoded = model(inputs, "decode")

    token = keras.ops.convert_to_tensor(inputs["token"])
    expected = decoder({"token": token, **encoder(keras.ops.convert_to_tensor(source))})
    for name, value in expected.items():
        np.testing.assert_allclose(decoded[name], value, atol=2e-6)
    card = json.loads((written.folder / "card.json").read_text())
    assert set(card["functions"]) == {"encode", "decode"} and card["prefix"] == "two"
    readme = (written.folder / "README.md").read_text()
    # The decoder reads what the encoder wrote, and its state goes round.
    assert "two_decode_run(&two_decode_instance, two_encode_output_memory" in readme
    assert "memcpy(two_encode_output_state, two_decode_output_state_out" in readme


@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed")
def test_cmake_builds_the_library_and_its_example(written: CodeFolder, tmp_path: Path) -> None:
    quiet = {"check": True, "capture_output": True}
    subprocess.run(["cmake", "-S", str(written.folder), "-B", str(tmp_path)], **quiet)
    subprocess.run(["cmake", "--build", str(tmp_path)], **quiet)

    done = subprocess.run([tmp_path / "two_example"], capture_output=True, text=True, check=True)

    assert len([float(line) for line in done.stdout.split()]) == 3


def test_the_sketch_compiles_with_what_arduino_gives(written: CodeFolder, tmp_path: Path) -> None:
    folder = written.folder
    (sketch,) = folder.glob("examples/*_sketch/*.ino")
    main = "int main() { setup(); loop(); return 0; }\n"
    (tmp_path / "sketch.cpp").write_text(ARDUINO + sketch.read_text() + main)
    parts = []
    for source in sorted((folder / "src").glob("*.c")):
        parts.append(str(tmp_path / f"{source.stem}.o"))
        subprocess.run(["cc", "-std=c99", *STRICT, "-c", source, "-o", parts[-1]], cwd=folder,
                       check=True)  # fmt: skip

    options = ["-std=c++11", *STRICT, str(tmp_path / "sketch.cpp"), *parts]
    subprocess.run(["c++", *options, "-o", str(tmp_path / "sketch")], cwd=folder, check=True)

    done = subprocess.run([tmp_path / "sketch"], capture_output=True, text=True, check=True)
    assert np.isfinite(float(done.stdout))
    properties = dict(
        line.split("=", 1) for line in (folder / "library.properties").read_text().splitlines()
    )
    # Without these Arduino refuses a library.
    assert {"name", "version", "author", "maintainer", "sentence", "architectures"} <= set(
        properties
    )
    for header in properties["includes"].split(","):
        assert (folder / "src" / header).is_file()
    assert json.loads((folder / "library.json").read_text())["build"]["srcDir"] == "src"


def test_a_function_that_cannot_be_leaves_nothing(tmp_path: Path) -> None:
    inputs = Input((5, 3))
    wrong = Model(inputs, layers.Lambda(lambda x: keras.ops.sort(x, axis=1), name="sort")(inputs))
    requests = {"one": SignatureRequest(Sequential([Input((4, 3)), layers.GRU(3)]))}

    with pytest.raises(ExportError, match="TopKV2"):
        export_c_functions({**requests, "two": SignatureRequest(wrong)}, tmp_path / "q", name="x")
    with pytest.raises(ConfigurationError, match="cannot begin the names"):
        export_c_functions({"a b": requests["one"]}, tmp_path / "q", name="x")
    assert not list(tmp_path.iterdir())


def test_operators_of_calendars_and_counts(tmp_path: Path) -> None:
    """Sines, sums so far, whole powers, look-ups row by row, mirrored edges, groups of channels."""
    x = Input((9, 4), name="x")
    rows = Input((3,), dtype="int32", name="rows")
    ops = keras.ops
    outputs = {
        "waves": ops.stack([ops.sin(12.0 * x), ops.cos(12.0 * x)], axis=-1),
        "sums": ops.cumsum(x, axis=1),
        "cubes": x**3 + (x + 4.0) ** -2,
        "picked": layers.Lambda(_row_by_row, output_shape=(3, 4))([x, rows]),
        "mirrored": layers.Lambda(_mirrored, output_shape=(13, 4))(x),
        "grouped": layers.Conv1D(6, 3, groups=2, padding="same", activation="tanh")(x),
        "joined": layers.Average()([x[:, :, :1], x[:, :, 1:2], x[:, :, 2:3]]),
        "backwards": layers.Lambda(_sums_backwards, output_shape=(9, 4))(x),
    }
    model = Model([x, rows], outputs)
    draw = np.random.default_rng(2)
    data = {
        "x": draw.normal(size=(6, 9, 4)).astype(np.float32),
        "rows": draw.integers(0, 9, (6, 3)).astype(np.int32),
    }

    result = export_c(model, tmp_path / "code", representative_data=data)

    assert {error.output for error in result.errors} == set(outputs)
    assert all(error.within for error in result.errors)


def _row_by_row(inputs: list) -> object:
    import tensorflow as tf

    return tf.gather(inputs[0], inputs[1], axis=1, batch_dims=1)


def _mirrored(x: object) -> object:
    import tensorflow as tf

    reflected = tf.pad(x, [[0, 0], [2, 1], [0, 0]], "REFLECT")
    return tf.pad(reflected, [[0, 0], [0, 1], [0, 0]], "SYMMETRIC")


def _sums_backwards(x: object) -> object:
    import tensorflow as tf

    return tf.cumsum(x, axis=1, reverse=True, exclusive=True)
