"""Recognisers of spoken digits: the headline model, and cells and augmentation at equal budgets.

    python -m benchmarks.fsdd --data FOLDER/fsdd --to STRINGS --synthetic
    python -m benchmarks.fsdd_models --strings STRINGS [--only NAME ...] [--runs runs/fsdd]

and, for the recipes of unheard voices,

    python -m benchmarks.fsdd --data FOLDER/fsdd --to VOICES --synthetic --hard-cuts 0.5 \
        --synthetic-speakers 400
    python -m benchmarks.fsdd_models --strings VOICES --only unheard-voices
    python -m benchmarks.fsdd --data FOLDER/fsdd --to MORE --synthetic --hard-cuts 0.5 \
        --synthetic-speakers 400 --recorded-speakers 300
    python -m benchmarks.fsdd_models --strings MORE --only recorded-voices

Each recipe trains for its minutes on STRINGS/train.jsonl and is then judged, greedily decoded, on
strings and on single digits, with pauses around them and as they lie on disk, of known speakers
(recordings that were held out) and of a speaker of whom nothing was heard in training. What lies on
disk is recognised as the recipe says, and with `--padding-seconds 0.25`. Settings were chosen with
the validation part, and with another speaker held out instead. Each has a run folder; a benchmark
that was stopped continues where it was.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fsdd import FIGURES
from benchmarks.recipe_runs import Result, cores, differences, results, train_missing
from pipelines.base.atomic_files import write_json, write_text

TESTS = (
    "test_known", "single_known", "raw_known", "test_unseen", "single_unseen", "raw_unseen",
)  # fmt: skip
PADDED = ("raw_known", "raw_unseen")
"""Lists that are also recognised with quiet noise around each recording."""
SINGLE = (
    "single_known", "single_unseen", *PADDED, *(f"padded_{name}" for name in PADDED),
)  # fmt: skip
PADDING_SECONDS = 0.25

# Each digit is a unit of its own. With characters the space between them is one, and a model may
# learn to write it for silence, in place of the blank, and so to guess the first digit.
BASE: dict[str, Any] = {
    "tokenizer": "words",
    "sample_rate": 8000,
    "bands": 40,
    "filters": (16, 32),
    "time_kernel": 3,
    "frequency_kernel": 3,
    "cell": "gru",
    "units": 160,
    "layers": 2,
    "lookahead": 5,
    "dropout": 0.1,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "warmup_steps": 200,
    "batch_size": 32,
    "frame_budget": 12_000,
    "monitor": "val_wer",
    "gradient_flow": False,
}
AUGMENTATION: dict[str, Any] = {
    "speeds": (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25),
    "tempo": 0.2,
    "vocal_tract": 0.12,
    "noise_probability": 0.4,
    "signal_to_noise": (5.0, 35.0),
    "reverberation_probability": 0.2,
    "gain_decibels": 12.0,
    "time_masks": 2,
    "longest_time_mask": 12,
    "frequency_masks": 2,
    "widest_frequency_mask": 8,
}
MORE_SPEAKERS: dict[str, Any] = {
    **AUGMENTATION,
    "vocal_tract": 0.2,
    "noise_probability": 0.5,
    "reverberation_probability": 0.25,
    "channel_decibels": 8.0,
    "dropout": 0.2,
    "monitor": "val_loss",
}
"""Further from the voices and microphones of the four speakers, and slower to learn."""
MORE_LSTM: dict[str, Any] = {**MORE_SPEAKERS, "cell": "lstm", "average_decay": 0.998}
UNHEARD: dict[str, Any] = {
    **MORE_SPEAKERS,
    "average_decay": 0.998,
    "consistency": 0.2,
    # Both copies of an utterance count.
    "frame_budget": 24_000,
}
"""Two copies of an utterance, changed like two voices, have to be recognised alike."""
OFFLINE: dict[str, Any] = {
    **MORE_SPEAKERS,
    "bidirectional": True,
    "lookahead": 0,
    "units": 128,
    "normalisation": "utterance",
}
"""Of a recording as a whole: its own mean and deviation, and both directions."""


@dataclass(frozen=True)
class Recipe:
    """A model to train.

    Args:
        name: name of its run folder and of its row in the table.
        group: the comparison that it belongs to.
        minutes: longest training time in minutes.
        epochs: number of epochs after which the learning rate is 0.
        settings: fields of `SpeechConfig` that differ from `BASE`.
    """

    name: str
    group: str
    minutes: float
    epochs: int
    settings: dict[str, Any]


HEADLINE = "headline"
EIGHT_MINUTES = "eight minutes"
MORE = "more speakers"
NEW = "unheard voices"

RECIPES = (
    Recipe("headline", HEADLINE, 37.0, 11, AUGMENTATION),
    # The comparison at 8 minutes: each learning rate's schedule ends with a whole epoch, the one
    # whose end comes nearest.
    Recipe("gru", EIGHT_MINUTES, 9.0, 4, AUGMENTATION),
    Recipe("gru-plain", EIGHT_MINUTES, 9.0, 6, {}),
    Recipe("lstm", EIGHT_MINUTES, 9.0, 4, AUGMENTATION | {"cell": "lstm"}),
    Recipe("simple", EIGHT_MINUTES, 9.0, 6, AUGMENTATION | {"cell": "simple"}),
    Recipe("more-speakers", MORE, 44.0, 14, MORE_SPEAKERS),
    Recipe("more-speakers-lstm", MORE, 44.0, 14, MORE_LSTM),
    Recipe("more-speakers-long", MORE, 43.0, 19, MORE_SPEAKERS | {"vocal_tract": 0.25}),
    Recipe("more-speakers-offline", MORE, 44.0, 13, OFFLINE),
    # Trained on strings made with --hard-cuts 0.5 --synthetic-speakers 400.
    Recipe("unheard-voices", NEW, 75.0, 12, UNHEARD),
    # With --recorded-speakers 300, too.
    Recipe("recorded-voices", NEW, 120.0, 9, UNHEARD | {"padding_seconds": PADDING_SECONDS}),
)


def main(arguments: list[str] | None = None) -> None:
    """Trains models without a result and writes TO.md and TO.json after every model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--strings", required=True, help="folder that benchmarks.fsdd wrote")
    parser.add_argument("--runs", default="runs/fsdd", help="folder of the run folders")
    parser.add_argument("--only", nargs="*", help="names or groups of models; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", default="benchmarks/results/fsdd")
    given = parser.parse_args(arguments)
    train_missing(RECIPES, given, trained, write_results)


def trained(recipe: Recipe, given: argparse.Namespace) -> Result:
    """Trains a model, or continues its training, and judges it on every test list."""
    from rnn_apps.speech.config import SpeechConfig
    from rnn_apps.speech.run import load
    from rnn_apps.speech.training_run import fit_run

    folder = Path(given.runs) / recipe.name
    config = SpeechConfig(
        data=f"file:{given.strings}/train.jsonl",
        run=str(folder),
        max_minutes=recipe.minutes,
        epochs=recipe.epochs,
        seed=given.seed,
        **BASE | recipe.settings,
    )
    fit_run(config, resume=folder.exists())
    run = load(folder)
    return {
        "name": recipe.name,
        "tests": {name: judged(run, f"file:{given.strings}/{name}.jsonl") for name in TESTS}
        | {f"padded_{name}": padded(run, f"file:{given.strings}/{name}.jsonl") for name in PADDED},
        "training": run.metrics["training"],
        "cores": len(os.sched_getaffinity(0)),
        "settings": {
            name: value
            for name, value in recipe.settings.items()
            if AUGMENTATION.get(name) != value
        },
        "augmented": "speeds" in recipe.settings,
        "strings": strings_of(Path(given.strings)),
    }


def strings_of(folder: Path) -> str:
    """How the training strings of a folder differ from those of older results."""
    path = folder / FIGURES
    if not path.exists():
        return ""
    made = json.loads(path.read_text(encoding="utf-8"))
    shown = {
        "hard_cuts": "hard cuts {}",
        "synthetic_speakers": "{} synthetic speakers",
        "recorded_speakers": "{} speakers with recorded voices",
        "synthetic_strings": "{} strings that such speakers speak in one go",
    }
    return ", ".join(text.format(made[name]) for name, text in shown.items() if made.get(name))


def judged(run: Any, source: str) -> Result:
    """Error rates of greedy decoding on a list; a single digit is right if all of it is."""
    from rnn_apps.speech.judging.judgement import judge

    found = judge(run, source, "test")
    [row] = found.rows.values()
    right = sum(one.errors == 0 for one in row.words)
    return {
        "word_errors": row.word_total.as_json(),
        "utterances": len(row.words),
        "right": right / len(row.words),
    }


def padded(run: Any, source: str) -> Result:
    """Share of single digits that are right when quiet noise is added around each recording."""
    from rnn_apps.speech.decoding import DecodingConfig

    recordings = run.other_recordings(source)
    transcripts = run.transcribe(
        [one.path for one in recordings],
        DecodingConfig(method="greedy"),
        padding_seconds=PADDING_SECONDS,
    )
    right = sum(
        best[0].text == one.transcript for best, one in zip(transcripts, recordings, strict=True)
    )
    return {"utterances": len(recordings), "right": right / len(recordings)}


def write_results(given: argparse.Namespace) -> None:
    """Writes what has been measured so far."""
    found = results(RECIPES, given)
    write_json(Path(given.to + ".json"), found)
    lines = [
        "# Spoken digits: strings of 1 to 7 digits (FSDD)",
        "",
        "Word error rate (a word is a digit) of greedy decoding; the share of single digits that "
        "are fully correct, with a pause before and after them, as they lie on disk, without any, "
        f"and padded by `--padding-seconds {PADDING_SECONDS}` (a model with padding_seconds adds "
        "that noise by itself, so that both are the same). Known speakers: recordings 5 to 9 "
        "of four speakers, none of which occur in training. Unseen speaker: this speaker does not "
        "occur in training. Trained on strings of recordings 13 to 49 of the four, and on the "
        "synthetic speech of builtin:digits.",
        "",
        "| model | differs by | further strings | augmented | parameters | minutes | epochs | "
        "strings, known | strings, unseen | digits right, known | unseen | as they lie, known | "
        "unseen | padded, known | unseen |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(_row(result) for result in found),
        "",
        "Every model that is not bidirectional reads the past and "
        f"{BASE['lookahead']} output frames ({BASE['lookahead'] * 40} ms) ahead, so a stream gives "
        "the same result as the whole recording (`tests/speech/test_speech_streaming.py`).",
        "",
        f"Trained on {cores(found)} of a two-core machine whose other core was busy. A model that "
        "ran out of minutes before its last epoch did not reach the end of its learning rate "
        "schedule.",
        "",
        "`python -m benchmarks.fsdd_models`",
    ]
    write_text(Path(given.to + ".md"), "\n".join(lines) + "\n")


def _row(result: Result) -> str:
    tests, training = result["tests"], result["training"]
    return (
        f"| {result['name']} | {differences(result['settings'])} | "
        f"{result.get('strings', '')} | "
        f"{'yes' if result['augmented'] else 'no'} | {training['parameters']:,} | "
        f"{training['minutes']:.1f} | {training['epochs']} | "
        f"{100 * tests['test_known']['word_errors']['rate']:.2f} % | "
        f"{100 * tests['test_unseen']['word_errors']['rate']:.2f} % | "
        + " | ".join(
            # Older results do not have all lists.
            f"{100 * tests[name]['right']:.2f} %" if name in tests else ""
            for name in SINGLE
        )
        + " |"
    )


if __name__ == "__main__":
    main()
