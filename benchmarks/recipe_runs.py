"""Recipes that are trained one after the other, each in its own folder, so that a benchmark that
was stopped continues with the unfinished one.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipelines.base.atomic_files import write_json

Result = dict[str, Any]


class Named(Protocol):
    """A recipe, as far as this module knows it."""

    @property
    def name(self) -> str:
        """Name of its folder."""

    @property
    def group(self) -> str:
        """The comparison that it belongs to."""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of its training."""


Recipe = TypeVar("Recipe", bound=Named)


def train_missing(
    recipes: Iterable[Recipe],
    given: argparse.Namespace,
    train: Callable[[Recipe, argparse.Namespace], Result],
    write: Callable[[argparse.Namespace], None],
) -> None:
    """Trains the recipes that have no result yet.

    Args:
        recipes: all recipes of the benchmark.
        given: parsed arguments with "only", names or groups of the recipes to train (None for all),
            and "runs", the folder of the run folders.
        train: function that trains a recipe and returns its result, which is kept in its folder.
        write: function that is called after each recipe.
    """
    for recipe in recipes:
        if given.only and not {recipe.name, recipe.group} & set(given.only):
            continue
        path = _result(given, recipe)
        if not path.exists():
            print(f"{recipe.name}: {recipe.settings}", file=sys.stderr)
            write_json(path, train(recipe, given))
        write(given)


def results(recipes: Sequence[Named], given: argparse.Namespace) -> list[Result]:
    """The results that exist so far, in the order of the recipes."""
    paths = (_result(given, recipe) for recipe in recipes)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def cores(found: Sequence[Result]) -> str:
    """Number of cores of each model; several may train in parallel, each on its own core."""
    counts = sorted({result["cores"] for result in found})
    return " or ".join("1 core" if count == 1 else f"{count} cores" for count in counts)


def differences(settings: dict[str, Any]) -> str:
    """Text of a table: the settings by which a recipe differs."""
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "-"


def steps_taken(folder: Path) -> int:
    """The last row of a run's history says it: budgets of time end inside an epoch."""
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        *_, last = csv.DictReader(file)
    return int(last["step"])


def _result(given: argparse.Namespace, recipe: Named) -> Path:
    return Path(given.runs) / recipe.name / "result.json"
