"""C code as a model of this computer: the same calls and sessions as on the other runtimes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers

from pipelines.base.errors import UserError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export.c import export_c


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 9, 4)).astype(np.float32)


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_a_session_streams_what_keras_gives(
    quantize: str | None, data: np.ndarray, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    model = Sequential(
        [
            Input((None, 4)),
            layers.GRU(6, return_sequences=True),
            layers.LSTM(5, return_sequences=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    folder = export_c(
        model, tmp_path / "code", mode="streaming", quantize=quantize, representative_data=data
    ).folder
    session = StreamingSession(load(folder, "c"))

    for row in (0, 1):
        session.reset()
        made = [session.step(data[row : row + 1, step : step + 1]) for step in range(9)]

        expected = model(data[row : row + 1]).numpy()
        tolerance = 2e-6 if quantize is None else 0.02
        np.testing.assert_allclose(np.concatenate(made, axis=1), expected, atol=tolerance)
    assert len(session.state) == 3


def test_two_sessions_of_one_model_do_not_meet(data: np.ndarray, tmp_path: Path) -> None:
    model = Sequential([Input((None, 4)), layers.LSTM(5, return_sequences=True)])
    loaded = load(export_c(model, tmp_path / "code", mode="streaming").folder, "c")
    sessions = [StreamingSession(loaded), StreamingSession(loaded)]

    made: list[list[np.ndarray]] = [[], []]
    for step in range(5):
        for row, session in enumerate(sessions):
            made[row].append(np.asarray(session.step(data[row : row + 1, step : step + 1])))

    for row in (0, 1):
        expected = model(data[row : row + 1, :5]).numpy()
        np.testing.assert_allclose(np.concatenate(made[row], axis=1), expected, atol=2e-6)


def test_several_inputs_and_outputs_by_name(tmp_path: Path) -> None:
    ids, numbers = Input((4,), dtype="int32", name="ids"), Input((4, 2), name="numbers")
    joined = layers.Concatenate()([layers.Embedding(7, 3)(ids), numbers])
    hidden = layers.SimpleRNN(4, return_sequences=True)(joined)
    model = Model([ids, numbers], {"all": hidden, "largest": keras.ops.argmax(hidden, axis=-1)})
    loaded = load(export_c(model, tmp_path / "code").folder, "c")
    inputs = {"ids": np.array([[1, 2, 6, 0]]), "numbers": np.ones((1, 4, 2), np.float32)}

    outputs = loaded(inputs)

    expected = model([inputs["ids"], inputs["numbers"]])
    np.testing.assert_allclose(outputs["all"], expected["all"].numpy(), atol=2e-6)
    np.testing.assert_array_equal(outputs["largest"], expected["largest"].numpy())
    with pytest.raises(UserError, match="'numbers' has the shape"):
        loaded({**inputs, "numbers": np.ones((1, 5, 2), np.float32)})


def test_only_numpy_is_needed(tmp_path: Path) -> None:
    model = Sequential([Input((3, 2)), layers.GRU(4, name="gru")], name="net")
    folder = export_c(model, tmp_path / "code").folder
    options = ["-std=c99", "-O2", "-fPIC", "-shared", "src/net.c", "-o", "net.so"]
    subprocess.run(["cc", *options], cwd=folder, check=True)
    program = (
        "import sys, numpy as np\n"
        "from rnn_apps.edge import load\n"
        f"model = load({str(folder)!r}, 'c')\n"
        "print(model(np.ones((1, 3, 2), np.float32))['gru'][0, 0])\n"
        "assert not {'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules)\n"
    )

    # A library in the folder is used: no compiler is found here.
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path)},
    )

    assert done.returncode == 0, done.stderr
    expected = model(np.ones((1, 3, 2), np.float32)).numpy()[0, 0]
    assert float(done.stdout) == pytest.approx(expected, abs=2e-6)


def test_a_damaged_card_is_refused(tmp_path: Path) -> None:
    model = Sequential([Input((3, 2)), layers.GRU(4)], name="net")
    folder = export_c(model, tmp_path / "code").folder
    whole = json.loads((folder / "card.json").read_text())
    for damage in (
        {"inputs": None},
        {"scratch": [1]},
        {"function": "net_walk"},
        {"functions": {"run": {"prefix": "net"}}},
    ):
        (folder / "card.json").write_text(json.dumps({**whole, **damage}))
        with pytest.raises(UserError, match=r"card\.json: damaged"):
            load(folder, "c")


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"card\.json"):
        load(tmp_path, "c")


@pytest.mark.parametrize("mode", ["sequence", "streaming"])
def test_constants_arrive_as_they_are(mode: str, data: np.ndarray, tmp_path: Path) -> None:
    """GCC 12 with AVX-512 copies the biases of an untrained LSTM of 20 units wrongly by itself."""
    keras.utils.set_random_seed(0)
    timesteps = 9 if mode == "sequence" else None
    model = Sequential([Input((timesteps, 4)), layers.LSTM(20, return_sequences=True)])
    loaded = load(export_c(model, tmp_path / "code", mode=mode).folder, "c")

    if mode == "sequence":
        (made,) = loaded(data[:1]).values()
    else:
        made = StreamingSession(loaded).step(data[:1, :1])

    expected = model(data[:1]).numpy()[:, : made.shape[1]]
    np.testing.assert_allclose(made, expected, atol=2e-6)


def test_constants_that_several_layers_share_arrive_as_they_are(
    data: np.ndarray, tmp_path: Path
) -> None:
    """The same with one loop that copies the biases of two layers for each row of a batch."""
    keras.utils.set_random_seed(0)
    lstm = {"units": 13, "return_sequences": True}
    model = Sequential([Input((None, 4)), layers.LSTM(**lstm), layers.LSTM(**lstm)])

    code = export_c(model, tmp_path / "code", mode="streaming", batch_size=2)

    made = StreamingSession(load(code.folder, "c"), batch=2).step(data[:2, :1])
    np.testing.assert_allclose(made, model(data[:2]).numpy()[:, :1], atol=2e-6)
