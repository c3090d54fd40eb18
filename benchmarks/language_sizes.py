"""Character language models by size: the best figure that so many kilobytes of weights can have.

    python -m benchmarks.language_sizes --train file:train.txt --validation file:val.txt
        [--only NAME ...] [--to benchmarks/results/language_sizes]

A size counts each parameter as a byte, as int8 weights have it. Every model is scored on all of the
validation text, the state carried through it: by Keras, and as a LiteRT file with int8 weights.
Each has a run folder; a benchmark that was stopped continues.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import Any

from benchmarks.language_size_recipes import BASE, RECIPES, SIZES, Recipe
from benchmarks.language_speed import written_by_device
from benchmarks.processor import processor_name
from benchmarks.recipe_runs import Result, differences, results, steps_taken, train_missing
from pipelines.base.atomic_files import write_json, write_text

WINDOW = 256
MOST_MINUTES = 45.0


def main(arguments: list[str] | None = None) -> None:
    """Trains models without a result and writes TO.md and TO.json after every model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", required=True, help="training text, file:PATH")
    parser.add_argument("--validation", required=True, help="validation text, file:PATH")
    parser.add_argument("--runs", default="runs/language_sizes", help="folder of the run folders")
    parser.add_argument("--only", nargs="*", help="names or groups of models; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", default="benchmarks/results/language_sizes")
    given = parser.parse_args(arguments)
    train_missing(RECIPES, given, trained, write_results)


def trained(recipe: Recipe, given: argparse.Namespace) -> Result:
    """Trains a model, or continues its training, and scores the validation text."""
    from rnn_apps.language_modelling import LanguageModellingConfig, load
    from rnn_apps.language_modelling.training_run import fit_run

    folder = Path(given.runs) / recipe.name
    config = LanguageModellingConfig(
        data=given.train,
        validation=given.validation,
        split="1,0,0",
        run=str(folder),
        max_minutes=MOST_MINUTES,
        seed=given.seed,
        **BASE | recipe.settings,
    )
    fit_run(config, resume=folder.exists())
    run = load(folder)
    parameters = int(run.metrics["training"]["parameters"])
    if parameters > 1000 * recipe.kilobytes:
        raise ValueError(f"{recipe.name} has {parameters:,} parameters: too many for its size")
    evaluated = run.evaluate(part="validation", window=WINDOW)
    # The first row is the model's, the second one the same model's in windows.
    windows = evaluated["table"]["rows"][1]
    return {
        "name": recipe.name,
        "group": recipe.group,
        "kilobytes": recipe.kilobytes,
        "parameters": parameters,
        "read_per_character": parameters - embedding_rows_not_read(run),
        "nats": evaluated["nats"],
        "windows_nats": windows[1],
        **on_device(run, folder),
        "steps": steps_taken(folder),
        "epochs": run.metrics["training"]["epochs"],
        "minutes": run.metrics["training"]["minutes"],
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor_name(),
        "settings": recipe.settings,
    }


def embedding_rows_not_read(run: Any) -> int:
    """The parameters of an embedding table that one character does not touch; 0 of a tied one."""
    if run.config.tied:
        return 0
    size = run.config.embedding_size
    return int((run.tokenizer.size - 1) * size)


def on_device(run: Any, folder: Path) -> dict[str, float]:
    """Nats per character, characters per second and size of the LiteRT file with int8 weights."""
    from rnn_apps.edge import EdgeLanguageModel

    exported = folder / "exported"
    if not exported.exists():
        run.export(exported, ("tflite_dynamic",))
    file = "model_dynamic.tflite"
    scores = EdgeLanguageModel(exported, file).score_tokens(run.text.tokens("validation").ids)
    return {
        "device_nats": float(-scores.mean()),
        "characters_per_second": written_by_device(folder, "tflite_dynamic"),
        "file_bytes": (exported / file).stat().st_size,
    }


def write_results(given: argparse.Namespace) -> None:
    """Writes what has been measured so far."""
    found = results(RECIPES, given)
    write_json(Path(given.to + ".json"), found)
    base = ", ".join(f"{name} {value}" for name, value in BASE.items())
    processors = dict.fromkeys(r.get("processor", "an AMD EPYC, model unnamed") for r in found)
    lines = [
        "# Character language models by size",
        "",
        f"Trained on {Path(given.train).name}, seed {given.seed}; nats per character on all of "
        f"{Path(given.validation).name}, the state carried through it. Windows are the protocol of "
        f"transformers: {WINDOW} characters without earlier context. A size in kB counts each "
        "parameter as one byte; the file is LiteRT's with int8 weights, whose biases and small "
        "matrices are floats. Characters per second are those of writing with that file, in "
        "processor time of one thread. The kept weights are those of the epoch with the lowest "
        "validation loss; learning rate and depth were chosen by four trials of 6 epochs at "
        "400 kB, on the same text, dropout without a trial. Training ends after "
        f"{MOST_MINUTES:g} minutes by the clock, on a computer that other work shared: "
        f"{' and '.join(processors)}. The cells side by side have an equal, short budget: 5 epochs "
        "at one learning rate (SimpleRNN needs a smaller one), which says how fast a cell learns "
        "more than what it reaches in the end.",
        "",
        f"All have {base}, unless said otherwise.",
        "",
    ]
    for group in dict.fromkeys(result["group"] for result in found):
        lines += [*_table(group, [r for r in found if r["group"] == group]), ""]
    lines.append("`python -m benchmarks.language_sizes --train file:... --validation file:...`")
    write_text(Path(given.to + ".md"), "\n".join(lines) + "\n")


def _table(group: str, found: list[Result]) -> list[str]:
    if group != SIZES:
        found = sorted(found, key=lambda r: r["nats"])
    return [
        f"## {group[0].upper()}{group[1:]}",
        "",
        "| model | differs by | parameters | nats | bits | nats, int8 file | bits, int8 file "
        "| nats in windows | file, kB | parameters read per character | characters per second "
        "| epochs | minutes, cores |",
        "|---" * 13 + "|",
        *(_row(result) for result in found),
    ]


def _row(r: Result) -> str:
    cells = [
        r["name"],
        differences(r["settings"]),
        f"{r['parameters']:,}",
        f"{r['nats']:.4f}",
        f"{r['nats'] / math.log(2):.4f}",
        f"{r['device_nats']:.4f}",
        f"{r['device_nats'] / math.log(2):.4f}",
        f"{r['windows_nats']:.4f}",
        f"{r['file_bytes'] / 1000:.0f}",
        f"{r['read_per_character']:,}",
        f"{r['characters_per_second']:,.0f}",
        f"{r['epochs']}",
        f"{r['minutes']:.0f}, {r['cores']}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
