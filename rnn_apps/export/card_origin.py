"""The run whose weights a trained model began with, on the cards of its exported files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json, write_text
from rnn_apps.export.card import card_markdown

KEY = "went_on_from"
"""Name of the entry in a card: the other run's address, and the SHA-256 of its model."""


def add_origin(folder: Path, origin: Mapping[str, Any]) -> None:
    """Names the other run on every card in the folder of an export.

    Args:
        folder: folder with exported files and their cards, and with folders of C code.
        origin: content of a run's origin.json; empty for a run that began with initial weights,
            where nothing is changed.
    """
    if not origin:
        return
    entry = {"run": origin["from"], "sha256": origin["sha256"]}
    for path in sorted(folder.glob("*.tflite.json")):
        card = {**json.loads(path.read_text(encoding="utf-8")), KEY: entry}
        write_json(path, card)
        write_text(path.with_suffix(".md"), card_markdown(card))
    for path in sorted(folder.glob("*/card.json")):
        write_json(path, {**json.loads(path.read_text(encoding="utf-8")), KEY: entry})
        readme = path.with_name("README.md")
        write_text(readme, readme.read_text(encoding="utf-8") + _chapter(entry))


def _chapter(entry: Mapping[str, str]) -> str:
    return f"""
## Origin

The model's training went on from the run `{entry["run"]}`, whose model.keras has the SHA-256
`{entry["sha256"]}`.
"""
