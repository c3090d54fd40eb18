"""The small trained models that come with the toolkit, and `rnn-apps models`, which lists them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.base.checksums import sha256
from pipelines.base.errors import UserError
from rnn_apps.application.definition import Result, Verb
from rnn_apps.application.run_parts import read_json

CARD = "model-card.json"
_SHOWN = ("task", "metric", "size_kib", "licence", "sha256")


@dataclass(frozen=True)
class SavedModel:
    """A model in `saved_models/`, described by its card.

    Args:
        name: name of the model, ``application/name``.
        folder: folder that holds its files.
        card: content of its ``model-card.json``: data, licence, metric and the command that
            gives it, size, latency, input and output contract, checksums.
    """

    name: str
    folder: Path
    card: dict[str, Any]

    def damaged_files(self) -> list[str]:
        """The files whose content is not what the card's SHA-256 says, or that are missing."""
        damaged = []
        for name, expected in self.card["sha256"].items():
            path = self.folder / name
            if not path.is_file() or sha256(path) != expected:
                damaged.append(name)
        return damaged


def folder() -> Path:
    """The folder with the models: next to the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "saved_models"
    return inside if inside.is_dir() else package.parent / "saved_models"


def saved_models() -> Iterator[SavedModel]:
    """Every model that comes with the toolkit, by name.

    Raises:
        UserError: a card cannot be read.
    """
    root = folder()
    for path in sorted(root.glob(f"*/*/{CARD}")):
        card = read_json(path)
        if not all(name in card for name in _SHOWN) or not isinstance(card["sha256"], dict):
            raise UserError(f"{path} is damaged: a card has {', '.join(_SHOWN)}")
        yield SavedModel(path.parent.relative_to(root).as_posix(), path.parent, card)


def find(name: str) -> SavedModel:
    """The model called ``application/name``.

    Raises:
        UserError: there is none; the message lists those that are there.
    """
    models = {model.name: model for model in saved_models()}
    if name not in models:
        raise UserError(f"no saved model {name!r}. Available: {', '.join(models) or 'none'}")
    return models[name]


def named_folder(path: str | Path) -> Path:
    """The folder that a path or the name of a saved model means; an existing path comes first."""
    if not Path(path).exists():
        for model in saved_models():
            if model.name == str(path):
                return model.folder
    return Path(path)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", help="name of a model to show in full")


def _run(options: argparse.Namespace) -> Result:
    if options.name:
        model = find(options.name)
        return {**model.card, "folder": str(model.folder), "damaged": model.damaged_files()}
    rows = [
        [m.name, m.card["task"], m.card["metric"], m.card["size_kib"], m.card["licence"],
         "damaged" if m.damaged_files() else "ok"]
        for m in saved_models()
    ]  # fmt: skip
    header = ["model", "task", "metric", "KiB", "licence", "files"]
    return {"table": {"title": "Saved models", "header": header, "rows": rows},
            "folder": str(folder())}  # fmt: skip


VERBS = (
    Verb("models", "list the trained models that come with the toolkit", _add_arguments, _run),
)
