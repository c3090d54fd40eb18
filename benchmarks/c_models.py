"""The four trained models in saved_models/ as C: the task's figure in Keras and in C, and the cost.

    python -m benchmarks.c_models [--models forecast ...] [--recordings SOURCE] [--to FOLDER]

Exports each model with the formats `c` and `c_int8`, which compiles the code and judges it on the
task, and writes FOLDER/c_models.json and .md; models that are not named keep their rows. The
forecaster is also run on windows of its test part. Instructions are counted on an emulated
Cortex-M4F where its compiler and QEMU are installed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import c_models_boards as boards
from pipelines.base.atomic_files import write_json, write_text

FORMATS = ("c", "c_int8")
MODELS = {
    "forecast": ("rnn_apps.forecasting", "saved_models/forecast/electricity-demand"),
    "language": ("rnn_apps.language_modelling", "saved_models/language/world-english-bible"),
    "translate": ("rnn_apps.translation", "saved_models/translate/localised-phrases"),
    "speech": ("rnn_apps.speech", "saved_models/speech/recorded-digits"),
}
STRIDE = 24
HEADER = (
    "model", "numbers", "figure", "Keras", "C", "measured on", "flash, KiB", "memory, KiB",
    "multiply-accumulates per call", "ms per call here", "instructions per call, Cortex-M4F",
    "on an emulated Cortex-M4F",
)  # fmt: skip


def mase(run: Any, code: Path, card: Mapping[str, Any]) -> tuple[float, float, str, str]:
    """MASE of Keras and of C on windows of the test part; and on a board, on some of them."""
    from pipelines.series.windows import WindowBatches
    from rnn_apps.edge import EdgeForecaster, load
    from rnn_apps.forecasting.forecast import windows
    from rnn_apps.forecasting.judging.metrics import ForecastMetrics

    series = run.series()
    batches = WindowBatches(
        series, lookback=run.config.lookback, horizon=run.config.horizon, part=run.part("test"),
        stride=STRIDE,
    )  # fmt: skip
    device, judged = EdgeForecaster(load(code, "c")), run.forecaster(series)
    scales = run.yardsticks.for_series(series).scales
    figures = [ForecastMetrics(scales, run.config.horizon) for _ in range(4)]
    on_board = boards.NOT_MEASURED
    for number, window in enumerate(windows(batches)):
        given = {name: window.inputs[name] for name in device.signature.inputs}
        points = [judged.forecast(window.inputs).point, device(**given)["forecast"]]
        for figure, point in zip(figures, points, strict=False):
            figure.update(window.truth, window.weights, window.series_index, point)
        if number:
            continue
        some = slice(0, boards.BOARD_WINDOWS)
        found = boards.forecasts(code, card, {name: value[some] for name, value in given.items()})
        if found is None:
            continue
        truth = (window.truth[some], window.weights[some], window.series_index[some])
        for figure, point in zip(figures[2:], (points[0][some], found), strict=True):
            figure.update(*truth, point)
        keras, board = (figure.overall()["mase"] for figure in figures[2:])
        on_board = f"MASE {board:.5g} on {len(found)} windows, Keras {keras:.5g}"
    first, second = (float(figure.overall()["mase"]) for figure in figures[:2])
    return first, second, f"{figures[0].windows} windows of the test part", on_board


def heard(run: Any, recordings: str, code: Path) -> str:
    """The recogniser on a board."""
    from rnn_apps.speech.device.export_recordings import judged_recordings

    samples = judged_recordings(run, recordings).samples
    return boards.listening(code, "recogniser", samples, run.config.sample_rate)


def rows_of(name: str, recordings: str, folder: Path) -> list[list[str]]:
    """A row for each format of one model."""
    package, place = MODELS[name]
    run = importlib.import_module(package).load(place)
    options = {"data": recordings} if name == "speech" else {}
    result = run.export(folder / name, FORMATS, **options)
    written = {row[0]: row for row in result["table"]["rows"]}
    header = list(result["table"]["header"])
    time = next((i for i, text in enumerate(header) if text.startswith("ms ")), None)
    rows = []
    for kind in FORMATS:
        if kind not in written:
            reasons = dict(result["not written"]["rows"])
            rows.append([name, kind, f"not written: {reasons[kind]}", *[""] * (len(HEADER) - 3)])
            continue
        code = folder / name / kind
        card = json.loads((code / "card.json").read_text(encoding="utf-8"))
        costs = [one["cost"] for one in card.get("functions", {"": card}).values()]
        memory = sum(cost["state_bytes"] + cost["scratch_bytes"] for cost in costs)
        figure = card.get("task_metric")
        if name == "forecast":
            measured = ("MASE", *mase(run, code, card))
        else:
            on_board = heard(run, recordings, code) if name == "speech" else ""
            kept = (figure[part] for part in ("name", "keras", "file", "measured_on"))
            measured = (*kept, on_board)
        took = None if time is None else written[kind][time]
        rows.append(
            [
                name,
                "int8" if kind == "c_int8" else "float32",
                measured[0],
                f"{measured[1]:.5g}",
                f"{measured[2]:.5g}",
                str(measured[3]),
                f"{written[kind][header.index('KiB')]:,}",
                f"{memory / 1024:.1f}",
                " + ".join(f"{cost['products']:,}" for cost in costs),
                "" if took is None else f"{took:.3g}",
                boards.instructions(code, card),
                measured[4],
            ]
        )
    return rows


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as Markdown."""
    lines = [" | ".join(line) for line in (HEADER, ["---"] * len(HEADER), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Exports the models and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument(
        "--recordings",
        default="",
        metavar="SOURCE",
        help="recordings that the recogniser is judged on; synthetic speech without it",
    )
    parser.add_argument("--to", default="benchmarks/results", metavar="FOLDER")
    arguments = parser.parse_args()
    measured: dict[str, list[list[str]]] = {}
    kept = Path(arguments.to) / "c_models.json"
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            rows = rows_of(name, arguments.recordings, Path(folder))
        print(table(rows), flush=True)
        measured = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        measured[name] = rows
        write_json(kept, measured)
    rows = [row for name in MODELS for row in measured.get(name, [])]
    text = f"""# The trained models as C

Written by `python -m benchmarks.c_models`. Flash is weights and the machine code of the exporting
computer at -O2; memory is states and scratch, without inputs, outputs and stack; ms is processor
time of one call on one thread of that computer. A recogniser's functions are a step of the model
(four frames, 40 ms of sound) and the features of one frame; a translator's are `encode` (101
positions) and `decode_step`. Instructions are those that QEMU counts at -O3.

{table(rows)}
"""
    write_text(Path(arguments.to) / "c_models.md", text)


if __name__ == "__main__":
    main()
