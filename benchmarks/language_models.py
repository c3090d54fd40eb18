"""Character language models at equal budgets: cells, and regularisers one by one.

    python -m benchmarks.language_models --train file:train.txt --validation file:val.txt
        [--minutes 10] [--only NAME ...] [--to benchmarks/results/language_models]

Each model trains for --minutes, at a constant learning rate with a moving average of its weights,
and is then scored on the whole validation text with the state carried through. Each model has a run
folder; a benchmark that was stopped continues.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.language_recipes import BASE, RECIPES, Recipe
from benchmarks.recipe_runs import Result, cores, differences, results, steps_taken, train_missing
from pipelines.base.atomic_files import write_json, write_text


def main(arguments: list[str] | None = None) -> None:
    """Trains models without a result and writes TO.md and TO.json after every model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", required=True, help="training text, file:PATH")
    parser.add_argument("--validation", required=True, help="validation text, file:PATH")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="training time per model in minutes"
    )
    parser.add_argument("--runs", default="runs/language", help="folder of the run folders")
    parser.add_argument("--only", nargs="*", help="names or groups of models; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", default="benchmarks/results/language_models")
    given = parser.parse_args(arguments)
    train_missing(RECIPES, given, trained, write_results)


def trained(recipe: Recipe, given: argparse.Namespace) -> Result:
    """Trains a model, or continues its training, and scores the validation text."""
    from rnn_apps.language_modelling import LanguageModellingConfig, load
    from rnn_apps.language_modelling.judging.scoring import score_tokens
    from rnn_apps.language_modelling.training_run import fit_run

    folder = Path(given.runs) / recipe.name
    settings = BASE | recipe.settings
    config = LanguageModellingConfig(
        data=given.train,
        validation=given.validation,
        split="1,0,0",
        run=str(folder),
        max_minutes=given.minutes,
        seed=given.seed,
        **settings,
    )
    fit_run(config, resume=folder.exists())
    run = load(folder)
    scores = score_tokens(run.carried, run.text.tokens("validation").ids)
    training = run.metrics["training"]
    return {
        "name": recipe.name,
        "group": recipe.group,
        "nats": float(-scores.log_probabilities.mean()),
        "parameters": training["parameters"],
        "steps": steps_taken(folder),
        "epochs": training["epochs"],
        "minutes": training["minutes"],
        "cores": len(os.sched_getaffinity(0)),
        "settings": recipe.settings,
    }


def write_results(given: argparse.Namespace) -> None:
    """Writes what has been measured so far."""
    found = results(RECIPES, given)
    write_json(Path(given.to + ".json"), found)
    base = ", ".join(f"{name} {value}" for name, value in BASE.items() if name != "epochs")
    lines = [
        "# Character language models at equal budgets",
        "",
        f"Trained on {Path(given.train).name} for {given.minutes:g} minutes each, seed "
        f"{given.seed}, on {cores(found)}; nats per character on all of "
        f"{Path(given.validation).name}, the state carried through it.",
        "",
        f"The base model: {base}.",
        "",
    ]
    for group in dict.fromkeys(result["group"] for result in found):
        lines += [*_table(group, [r for r in found if r["group"] == group]), ""]
    lines.append(f"`python -m benchmarks.language_models --minutes {given.minutes:g}`")
    write_text(Path(given.to + ".md"), "\n".join(lines) + "\n")


def _table(group: str, results: list[Result]) -> list[str]:
    return [
        f"## {group[0].upper()}{group[1:]}",
        "",
        "| model | differs by | parameters | steps | epochs | nats | bits |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {r['name']} | {differences(r['settings'])} | {r['parameters']:,} | {r['steps']:,} "
            f"| {r['epochs']} | {r['nats']:.4f} | {r['nats'] / 0.6931471805599453:.4f} |"
            for r in results
        ),
    ]


if __name__ == "__main__":
    main()
