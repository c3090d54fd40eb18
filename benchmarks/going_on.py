"""What going on from a trained run gains: steps to the figure that training from scratch reaches.

    python -m benchmarks.going_on --data FOLDER [--only language forecast ...] [--seed 0]

Each application trains one network on the same little data, with the same batches, learning rate
and number of steps: from initial weights, and from the weights of a trained run. Both are validated
after the same steps. The table says after how many steps the second training has the best
validation loss of the first. Steps do not depend on what else the machine does. The trainings take
turns (from scratch, going on, going on, from scratch), each in a process of its own, so that the
mean of their processor seconds does not depend on the order; it counts the whole training, its
validations included. A training that is repeated has to have the same losses.

The trained runs are those that come with the toolkit; a forecaster is first trained on one series
of ETTh1 and goes on with another one. The recogniser goes on with recordings of the speaker who was
held out of its training. Translation is measured twice: captions after phrases that have almost no
word in common with them, and captions about sport after captions about everything else, on which a
model is trained first. FOLDER holds ETTh1.csv, tinyshakespeare/, multi30k/ and
fsdd/. A benchmark that was stopped continues with the applications that have no result yet.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

from pipelines.base.atomic_files import write_json, write_text

CHARACTERS, VALIDATION_CHARACTERS = 40_000, 5_000
PAIRS, VALIDATION_PAIRS = 1_000, 200
GENERAL_PAIRS = 12_000
SPORT = re.compile(
    r"\b(ball|soccer|football|baseball|basketball|tennis|hockey|volleyball|golf|rugby)\b",
    re.IGNORECASE,
)
SPEAKER, FIRST_VALIDATION_INDEX = "george", 40
TURNS = ("from scratch", "going on", "going on", "from scratch")

Trainings = tuple[Any, Callable[[Any], Any], dict[str, Any]]


def main(arguments: list[str] | None = None) -> None:
    """Trains what has no result yet and writes TO.md and TO.json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of the data")
    parser.add_argument("--runs", default="runs/going_on", type=Path, help="folder of the runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of every training")
    parser.add_argument("--only", nargs="*", choices=APPLICATIONS, help="applications to measure")
    parser.add_argument("--to", default="benchmarks/results/going_on", help="name of the results")
    given = parser.parse_args(arguments)
    path = Path(f"{given.to}.json")
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, prepare in APPLICATIONS.items():
        if name not in rows and (not given.only or name in given.only):
            given.runs.mkdir(parents=True, exist_ok=True)
            rows[name] = _measured(name, *prepare(given), given)
            write_json(path, rows)
            write_text(f"{given.to}.md", table(rows, given.seed))


def _measured(
    name: str, config: Any, train: Callable[[Any], Any], scratch: dict[str, Any],
    given: argparse.Namespace,
) -> dict[str, Any]:  # fmt: skip
    """Trains from scratch and going on.

    Args:
        name: name of the application.
        config: configuration that goes on from a trained run.
        train: function that trains a configuration and returns the run's folder.
        scratch: settings by which training from scratch differs.
        given: parsed arguments.
    """
    origin = Path(config.from_run)
    found: dict[str, Any] = {
        "from": origin.name if origin.is_dir() else config.from_run,
        "batch size": config.batch_size,
    }
    for number, label in enumerate(TURNS):
        print(f"{name}, {label}", file=sys.stderr)
        training = replace(config, run=str(given.runs / f"{name}-{number}"))
        if label == "from scratch":
            training = replace(training, from_run="", **scratch)
        seconds, history = _in_a_process(train, training)
        row = found.setdefault(label, {"processor seconds": [], "history": history})
        row["processor seconds"].append(seconds)
        if row["history"] != history:
            raise RuntimeError(f"{name}, {label}: repeated with other losses")
    return found


def _in_a_process(train: Callable[[Any], Any], config: Any) -> tuple[float, list[list[float]]]:
    """The processor seconds and the validation losses by step of a training in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_trained, train, config).result()


def _trained(train: Callable[[Any], Any], config: Any) -> tuple[float, list[list[float]]]:
    began = time.process_time()
    folder = train(config)
    seconds = round(time.process_time() - began, 1)
    return seconds, [[row["step"], row["val_loss"]] for row in _history(folder)]


def _history(folder: Any) -> list[dict[str, float]]:
    from rnn_apps.training.history import read_history

    columns = read_history(folder.history)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def table(rows: dict[str, Any], seed: int) -> str:
    """The results as Markdown."""
    lines = [
        "# Going on from a trained run", "",
        "Made by `python -m benchmarks.going_on`, which says how. The loss is that on the "
        f"validation part, in nats or the units of the training; seed {seed}.", "",
        "| application | goes on from | steps of both | best loss from scratch | at step | same "
        "loss going on, at step | best loss going on | processor seconds, from scratch and going "
        "on |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in rows.items():
        scratch, on = (row[label]["history"] for label in ("from scratch", "going on"))
        step, best = min(scratch, key=lambda one: one[1])
        same = next((f"{s:.0f}" for s, loss in on if loss <= best), "not reached")
        lowest = min(loss for _, loss in on)
        seconds = " and ".join(
            f"{fmean(row[label]['processor seconds']):.0f}"
            for label in ("from scratch", "going on")
        )
        once = len(row["going on"]["processor seconds"]) == 1
        seconds += " (each trained once)" if once else ""
        lines.append(
            f"| {name} | {Path(row['from']).name} | {scratch[-1][0]:.0f} | {best:.4f} | {step:.0f} "
            f"| {same} | {lowest:.4f} | {seconds} |"
        )
    return "\n".join(lines) + "\n"


def _common(given: argparse.Namespace, **settings: Any) -> dict[str, Any]:
    return {
        "seed": given.seed, "gradient_flow": False, "checkpoint_minutes": 0.0,
        "schedule": "constant", "run": "set later", **settings,
    }  # fmt: skip


def _language(given: argparse.Namespace) -> Trainings:
    from rnn_apps import language_modelling
    from rnn_apps.language_modelling.training_run import fit_run

    origin = "language/world-english-bible"
    paths = []
    for part, size in (("train", CHARACTERS), ("val", VALIDATION_CHARACTERS)):
        text = (given.data / "tinyshakespeare" / f"{part}.txt").read_text(encoding="utf-8")
        paths.append(given.runs / f"{part}.txt")
        paths[-1].write_text(text[:size], encoding="utf-8")
    config = language_modelling.config_from(
        origin, data=f"file:{paths[0]}", validation=f"file:{paths[1]}",
        **_common(given, epochs=4, batch_size=8, learning_rate=0.002, validate_steps=20),
    )  # fmt: skip
    return config, fit_run, {"vocabulary": (origin,)}


def _forecast(given: argparse.Namespace) -> Trainings:
    from rnn_apps import forecasting

    data = f"file:{given.data / 'ETTh1.csv'}"
    common = _common(
        given, data=data, batch_size=32, learning_rate=0.002, split="8640,2880,0", stride=4,
        epochs=2, validate_steps=20,
    )  # fmt: skip
    first = given.runs / "forecast-first"
    if not (first / "metrics.json").exists():
        settings = {**common, "run": str(first), "epochs": 4, "validate_steps": 0}
        sizes: dict[str, Any] = {"lookback": 96, "horizon": 24, "units": 64}
        forecasting.train(forecasting.ForecastingConfig(**settings, **sizes, targets=("HUFL",)))
    # A tenth of the rows, so that there is something to gain.
    settings = {**common, "split": "1440,2880,0", "epochs": 8, "stride": 2}
    config = forecasting.config_from(str(first), targets=("MUFL",), **settings)
    return config, _train_forecaster, {}


def _train_forecaster(config: Any) -> Any:
    from rnn_apps import forecasting

    return forecasting.train(config).folder


def _translate(given: argparse.Namespace) -> Trainings:
    from rnn_apps import translation
    from rnn_apps.translation.training_run import fit_run

    origin = "translate/localised-phrases"
    files = {}
    for part, size in (("train", PAIRS), ("val", VALIDATION_PAIRS)):
        names = []
        for language in ("en", "de"):
            with gzip.open(given.data / "multi30k" / f"{part}.{language}.gz", "rt") as file:
                lines = [next(file) for _ in range(size)]
            names.append(given.runs / f"{part}.{language}")
            names[-1].write_text("".join(lines), encoding="utf-8")
        files[part] = "file:" + ",".join(map(str, names))
    config = translation.config_from(
        origin, data=files["train"], validation=files["val"], source_language="en",
        target_language="de",
        **_common(given, epochs=6, batch_size=32, learning_rate=0.002, validate_steps=15),
    )  # fmt: skip
    return config, fit_run, {"vocabulary": (origin,), "vocabulary_size": 0}


def _translate_another_topic(given: argparse.Namespace) -> Trainings:
    from rnn_apps import translation
    from rnn_apps.translation.training_run import fit_run

    pairs = list(zip(*(_captions(given, language) for language in ("en", "de")), strict=True))
    sport = [pair for pair in pairs if SPORT.search(pair[0])]
    general = [pair for pair in pairs if not SPORT.search(pair[0])]
    held_out, last = PAIRS + VALIDATION_PAIRS, GENERAL_PAIRS + VALIDATION_PAIRS
    first = given.runs / "translate-first"
    languages: dict[str, Any] = {"source_language": "en", "target_language": "de"}
    if not (first / "metrics.json").exists():
        common = _common(given, run=str(first), epochs=4, batch_size=64, learning_rate=0.002)
        fit_run(
            translation.TranslationConfig(
                data=_aligned(given, "general-train", general[:GENERAL_PAIRS]),
                validation=_aligned(given, "general-val", general[GENERAL_PAIRS:last]),
                vocabulary_size=4000, units=128, embedding_size=64, decoder="plain",
                dev_bleu=False, **languages, **common,
            )
        )  # fmt: skip
    config = translation.config_from(
        str(first),
        data=_aligned(given, "sport-train", sport[:PAIRS]),
        validation=_aligned(given, "sport-val", sport[PAIRS:held_out]),
        **languages,
        **_common(given, epochs=8, batch_size=32, learning_rate=0.002, validate_steps=10),
    )
    return config, fit_run, {"vocabulary": (str(first),), "vocabulary_size": 0}


def _captions(given: argparse.Namespace, language: str) -> list[str]:
    path = given.data / "multi30k" / f"train.{language}.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\n") for line in file]


def _aligned(given: argparse.Namespace, name: str, pairs: list[tuple[str, ...]]) -> str:
    """Writes pairs as two aligned files; returns the source that names both."""
    names = []
    for language, lines in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
        names.append(given.runs / f"{name}.{language}")
        write_text(str(names[-1]), "\n".join(lines) + "\n")
    return "file:" + ",".join(map(str, names))


def _speech(given: argparse.Namespace) -> Trainings:
    from rnn_apps import speech
    from rnn_apps.speech.training_run import fit_run

    rows: dict[bool, list[str]] = {False: ["path,transcript"], True: ["path,transcript"]}
    for path in sorted((given.data / "fsdd").glob(f"*_{SPEAKER}_*.wav")):
        digit, _, index = path.stem.split("_")
        rows[int(index) >= FIRST_VALIDATION_INDEX].append(f"{path},{digit}")
    paths = {}
    for held_out, lines in rows.items():
        paths[held_out] = given.runs / f"digits-{'validation' if held_out else 'train'}.csv"
        paths[held_out].write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = speech.config_from(
        "speech/recorded-digits", data=f"file:{paths[False]}", validation=f"file:{paths[True]}",
        split="1,0,0", cache_dir=str(given.runs / "features"),
        **_common(given, epochs=10, batch_size=16, learning_rate=0.001, validate_steps=10),
    )  # fmt: skip
    return config, fit_run, {}


APPLICATIONS: dict[str, Callable[[argparse.Namespace], Trainings]] = {
    "language": _language,
    "forecast": _forecast,
    "translate": _translate,
    "translate, another topic": _translate_another_topic,
    "speech": _speech,
}


if __name__ == "__main__":
    main()
