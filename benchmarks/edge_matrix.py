"""What runs where: recurrent layer x form x quantisation x runtime, measured.

    python -m benchmarks.edge_matrix --to docs/edge-matrix.md

Every row is an export with its own proof: converted in one child process, then run on its runtime
and compared with Keras in another. A row shows error, size, latency and arena of a correct file, or
the reason why there is none. Results are written to a JSON file next to the table as they come; a
second run computes only what is missing.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.atomic_files import write_json, write_text
from pipelines.base.errors import UserError

TIMESTEPS, FEATURES, UNITS = 50, 32, 128
# The model of tflite-micro issue 3674.
DEEP_TIMESTEPS = 100
TRAINED_STEPS = 50
QUANTIZATIONS = (None, "dynamic", "float16", "int8")
TARGETS = ("litert", "tflm")
TIME_LIMIT = 120.0
RNN_TYPES = ("LSTM", "GRU", "SimpleRNN")


@dataclass(frozen=True)
class Subject:
    """One model of the matrix, with the forms and quantisations in which it is tried."""

    name: str
    build: Callable[[], Any]
    forms: tuple[str, ...]
    quantizations: tuple[str | None, ...] = QUANTIZATIONS
    timesteps: int = TIMESTEPS
    mode: str = "sequence"


@dataclass(frozen=True)
class Cell:
    """One row of the table: a subject in one form and quantisation on one runtime."""

    subject: Subject
    form: str
    quantize: str | None
    target: str

    @property
    def key(self) -> str:
        """Name of the combination in the JSON file."""
        quantize = self.quantize or "float"
        return f"{self.subject.name} | {self.form} | {quantize} | {self.target}"


def subjects() -> Iterator[Subject]:
    """The layers of the matrix: every form for the plain ones, the best form for the others."""
    from rnn_apps.export.forms.choice import FORMS

    best = ("auto",)
    few = (None, "dynamic", "int8")
    yield Subject(
        "4 x LSTM (tflite-micro issue 3674)",
        lambda: _model([_layer("LSTM") for _ in range(4)], timesteps=DEEP_TIMESTEPS),
        best,
        (None,),
        timesteps=DEEP_TIMESTEPS,
    )
    # Untrained, its outputs shrink from layer to layer (0.08 at most) and rounding does not.
    yield Subject(
        "4 x LSTM (tflite-micro issue 3674), trained",
        _trained_deep_model,
        best,
        (None, "int8"),
        timesteps=DEEP_TIMESTEPS,
    )
    for kind in RNN_TYPES:
        yield Subject(kind, lambda kind=kind: _model([_layer(kind)]), FORMS)  # type: ignore[misc]
    yield Subject(
        "GRU, reset_after=False", lambda: _model([_layer("GRU", reset_after=False)]), best
    )
    yield Subject(
        "LSTM, last output", lambda: _model([_layer("LSTM", return_sequences=False)]), best, few
    )
    yield Subject("LSTM, ReLU", lambda: _model([_layer("LSTM", activation="relu")]), best, (None,))
    yield Subject("LSTM, backwards", lambda: _model([_layer("LSTM", go_backwards=True)]), best, few)
    for kind in ("LSTM", "GRU"):
        yield Subject(
            f"Bidirectional {kind}",
            lambda kind=kind: _model([_layer(kind)], bidirectional=True),  # type: ignore[misc]
            best,
            few,
        )
    yield Subject("GRU, masked", lambda: _model([_layer("GRU")], masked=True), best, (None,))
    for kind in RNN_TYPES:
        yield Subject(
            f"{kind}, streaming",
            lambda kind=kind: _model([_layer(kind)]),  # type: ignore[misc]
            best,
            few,
            mode="streaming",
        )


def _layer(kind: str, **options: Any) -> Any:
    import keras

    return getattr(keras.layers, kind)(UNITS, **{"return_sequences": True, **options})


def _model(
    layers: list[Any],
    timesteps: int = TIMESTEPS,
    bidirectional: bool = False,
    masked: bool = False,
) -> Any:
    """Random weights from a fixed seed, biases included: zero biases would hide mistakes."""
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((timesteps, FEATURES), batch_size=1)
    values = keras.layers.Masking()(inputs) if masked else inputs
    for layer in layers:
        values = (keras.layers.Bidirectional(layer) if bidirectional else layer)(values)
    model = keras.Model(inputs, values)
    generator = np.random.default_rng(1)
    model.set_weights(
        [
            value if value.any() else generator.normal(scale=0.1, size=value.shape)
            for value in model.get_weights()
        ]
    )
    return model


def _trained_deep_model() -> Any:
    """Issue 3674's model, trained on mixtures of its inputs' moving averages."""
    import keras

    keras.utils.set_random_seed(1)
    layers = [_layer("LSTM") for _ in range(4)]
    fixed, free = (keras.Input((DEEP_TIMESTEPS, FEATURES), batch_size=size) for size in (1, None))
    sequential = keras.Sequential(layers)
    model, trained = keras.Model(fixed, sequential(fixed)), keras.Model(free, sequential(free))
    trained.compile(keras.optimizers.Adam(3e-3, clipnorm=1.0), "mse")
    generator = np.random.default_rng(4)
    mixture = generator.normal(size=(FEATURES, UNITS)) / np.sqrt(FEATURES)
    for _ in range(TRAINED_STEPS):
        inputs = generator.normal(size=(16, DEEP_TIMESTEPS, FEATURES)).astype(np.float32)
        average, targets = np.zeros((16, FEATURES)), []
        for timestep in range(DEEP_TIMESTEPS):
            average = 0.7 * average + 0.3 * inputs[:, timestep]
            targets.append(np.tanh(2.0 * average @ mixture))
        trained.train_on_batch(inputs, np.stack(targets, axis=1))
    return model


def cells() -> Iterator[Cell]:
    """All combinations in the order of the table."""
    for subject in subjects():
        for form in subject.forms:
            for quantize in subject.quantizations:
                for target in TARGETS:
                    yield Cell(subject, form, quantize, target)


def run_cell(cell: Cell, model: Any) -> dict[str, Any]:
    """Exports and proves one combination."""
    from rnn_apps.export import export_tflite

    shape = (16, cell.subject.timesteps, FEATURES)
    data = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    if "masked" in cell.subject.name:
        data[::2, cell.subject.timesteps // 2 :] = 0.0
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = export_tflite(
                model,
                Path(folder) / "model.tflite",
                target=cell.target,
                mode=cell.subject.mode,
                quantize=cell.quantize,
                representative_data=data,
                form=cell.form,
                time_limit=TIME_LIMIT,
                card=False,
            )
        except UserError as refusal:
            return {"works": False, "why": " ".join(str(refusal).split())}
    return {
        "works": True,
        "form": result.form,
        "error": result.error,
        "relative_rmse": max(error.relative_rmse for error in result.errors),
        "bytes": result.bytes,
        "latency_ms": result.latency_ms,
        "arena_bytes": result.arena_bytes,
        "seconds": time.monotonic() - start,
    }


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """The table, and the reasons below it."""
    works = sum(found["works"] for found in results.values())
    lines = [
        "# Which form of which layer runs where",
        "",
        f"Made by `python -m benchmarks.edge_matrix`: {len(results)} combinations, of which "
        f"{works} work. "
        f"Layers of {UNITS} units over {TIMESTEPS} timesteps of {FEATURES} features, batch 1, "
        f"random weights (issue 3674's model: 4 layers, {DEEP_TIMESTEPS} timesteps; trained for "
        f"{TRAINED_STEPS} steps where the table says so); compared with "
        "Keras on 16 random sequences. Error: largest absolute difference; in brackets, its root "
        "mean square relative to that of the output. Latency: median processor time of one run on "
        "one thread of an x86 computer (also for tflm, whose times say little about a device). "
        "Streaming: one time step per run.",
        "",
        "| layer | form | quantisation | runtime | error | kB | ms | arena kB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    reasons: dict[str, int] = {}
    for key, found in results.items():
        layer, form, quantize, target = key.split(" | ")
        if not found["works"]:
            number = reasons.setdefault(_short(found["why"]), len(reasons) + 1)
            lines.append(f"| {layer} | {form} | {quantize} | {target} | no [{number}] | | | |")
            continue
        taken = form if found["form"] == form else f"{form}: {found['form']}"
        arena = "" if found["arena_bytes"] is None else f"{found['arena_bytes'] / 1000:.1f}"
        error = f"{found['error']:.1e} ({100 * found['relative_rmse']:.2g} %)"
        lines.append(
            f"| {layer} | {taken} | {quantize} | {target} | {error} | {found['bytes'] / 1000:.0f} "
            f"| {found['latency_ms']:.3g} | {arena} |"
        )
    lines += ["", "## Why not", ""]
    lines += [f"{number}. {reason}" for reason, number in reasons.items()]
    return "\n".join(lines) + "\n"


def _short(refusal: str) -> str:
    """A refusal without the layer's name and the forms that it can take, which the table shows."""
    pattern = r"layer '.+?' \(\w+\) cannot take the form '.+?': (.+?)\. It can take.*"
    found = re.fullmatch(pattern, refusal)
    return found[1] if found else refusal


def main() -> None:
    """Measures the combinations without a result and writes the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, default=Path("docs/edge-matrix.md"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/edge_matrix.json"))
    parser.add_argument(
        "--again", action="store_true", help="measure again what has a result already"
    )
    parser.add_argument("--only", default="", help="combinations whose name contains this text")
    arguments = parser.parse_args()
    stored: dict[str, dict[str, Any]] = {}
    if arguments.results.is_file():
        stored = json.loads(arguments.results.read_text())
    models: dict[str, Any] = {}
    every = list(cells())
    if stored:
        write_text(arguments.to, markdown({c.key: stored[c.key] for c in every if c.key in stored}))
    for cell in every:
        wanted = arguments.only in cell.key
        if not wanted or (cell.key in stored and not arguments.again):
            continue
        if cell.subject.name not in models:
            models = {cell.subject.name: cell.subject.build()}
        stored[cell.key] = run_cell(cell, models[cell.subject.name])
        print(cell.key, stored[cell.key], flush=True)
        ordered = {c.key: stored[c.key] for c in every if c.key in stored}
        write_json(arguments.results, ordered)
        write_text(arguments.to, markdown(ordered))


if __name__ == "__main__":
    main()
