"""Errors of exported C code against Keras on trained models, in each kind of numbers.

    python -m benchmarks.c_errors [--to FOLDER]

Trains two stacked layers of 32 and 24 units and a Dense layer of each cell on sums over noisy
sines, exports them as a sequence and as a stream, and writes FOLDER/c_errors.md: relative root mean
square error on sequences that neither training nor the measured ranges saw, bytes of weights, and
multiply-accumulates. It takes about five minutes on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

from pipelines.base.atomic_files import write_text
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import export_c

TIMESTEPS, FEATURES, UNITS, EPOCHS = 30, 5, (32, 24), 25
CELLS = {"GRU": keras.layers.GRU, "LSTM": keras.layers.LSTM, "SimpleRNN": keras.layers.SimpleRNN}
KINDS = {"float32": None, "int8": "int8", "int16x8": "int16x8"}
# Largest relative root mean square error that is asked for, by kind.
GOALS = {"float32": 1e-5, "int8": 0.01, "int16x8": 0.003}
HEADER = (
    "cell", "mode", "numbers", "relative RMS error, %", "goal, %", "weights, bytes",
    "multiply-accumulates per call",
)  # fmt: skip


def waves(rows: int, seed: int) -> np.ndarray:
    """Sines of random frequencies and phases with noise, [rows, timesteps, features]."""
    draw = np.random.default_rng(seed)
    phases = draw.uniform(0.0, 6.28, (rows, 1, FEATURES))
    frequencies = draw.uniform(0.1, 0.7, (rows, 1, FEATURES))
    times = np.arange(TIMESTEPS)[None, :, None]
    noise = 0.2 * draw.normal(size=(rows, TIMESTEPS, FEATURES))
    return (np.sin(frequencies * times + phases) + noise).astype(np.float32)


def trained(cell: type[keras.layers.RNN], data: np.ndarray) -> keras.Model:
    """A model that gives the running sums of the first two features, a fifth of them."""
    keras.utils.set_random_seed(1)
    layers = [cell(units, return_sequences=True) for units in UNITS]
    model = keras.Sequential([keras.Input((None, FEATURES)), *layers, keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(data, 0.2 * np.cumsum(data[..., :2], axis=1), epochs=EPOCHS, verbose=0)
    return model


def outputs(folder: Path, mode: str, data: np.ndarray) -> np.ndarray:
    """What exported code gives for sequences, one after another."""
    loaded = load(folder, "c")
    made = []
    for row in range(len(data)):
        if mode == "sequence":
            (result,) = loaded(data[row : row + 1]).values()
        else:
            session = StreamingSession(loaded)
            steps = [
                session.step(data[row : row + 1, step : step + 1]) for step in range(TIMESTEPS)
            ]
            result = np.concatenate(steps, axis=1)
        made.append(result)
    return np.concatenate(made)


def rows_of(name: str, data: np.ndarray, unseen: np.ndarray) -> list[list[str]]:
    """A row for each mode and kind of numbers."""
    model = trained(CELLS[name], data)
    expected = np.asarray(model(unseen))
    rows = []
    for mode in ("sequence", "streaming"):
        for kind, quantize in KINDS.items():
            with tempfile.TemporaryDirectory() as made:
                result = export_c(
                    model,
                    Path(made) / "code",
                    mode=mode,
                    quantize=quantize,
                    representative_data=data[:64],
                    timesteps=TIMESTEPS if mode == "sequence" else None,
                )
                found = outputs(result.folder, mode, unseen)
            error = float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))
            cost = result.cost
            figures = [f"{100 * error:.2g}", f"{100 * GOALS[kind]:g}"]
            rows.append(
                [name, mode, kind, *figures, f"{cost.weight_bytes:,}", f"{cost.products:,}"]
            )
            print(" ".join(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Trains, exports and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", default="benchmarks/results", metavar="FOLDER")
    arguments = parser.parse_args()
    data, unseen = waves(256, 4), waves(32, 9)
    rows = [row for name in CELLS for row in rows_of(name, data, unseen)]
    lines = [" | ".join(line) for line in (HEADER, ["---"] * len(HEADER), *rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    text = f"""# Errors of C code against Keras

Written by `python -m benchmarks.c_errors`. Two layers of {UNITS[0]} and {UNITS[1]} units and a
Dense layer, trained for {EPOCHS} epochs on {len(data)} sequences of {TIMESTEPS} timesteps. The
error is that on {len(unseen)} sequences that neither training nor the measured ranges saw.

{table}
"""
    write_text(Path(arguments.to) / "c_errors.md", text)


if __name__ == "__main__":
    main()
