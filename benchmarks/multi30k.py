"""English to German on Multi30k beside the published conditional GRU of its size.

    python -m benchmarks.multi30k --data FOLDER [--minutes 95] [--runs runs/multi30k]
        [--to benchmarks/results/multi30k]

Trains on train, chooses the epoch on val, and is judged on val the way the published figure is:
lowercased, tokenised as Moses does, sacrebleu without a tokeniser of its own. A run that was
stopped continues where it was.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path
from typing import Any

from benchmarks.moses_style import tokenised
from benchmarks.multi30k_recipes import HEADLINE
from pipelines.atomic_files import write_text

PARTS = ("train", "val")


def main(arguments: list[str] | None = None) -> None:
    """Trains, or continues to."""
    given = parse(arguments)
    train(given)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The benchmark's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", required=True, help="folder with train and val, .en.gz and .de.gz"
    )
    parser.add_argument("--minutes", type=float, default=95.0, help="training time")
    parser.add_argument("--runs", default="runs/multi30k", help="folder of the run")
    parser.add_argument("--name", default="headline", help="name of the run")
    parser.add_argument("--set", nargs="*", default=[], help="other settings, name=value")
    parser.add_argument("--to", default="benchmarks/results/multi30k")
    return parser.parse_args(arguments)


def train(given: argparse.Namespace) -> Path:
    """Trains the model, or continues to; returns the run's folder."""
    from rnn_apps.configuration import make
    from rnn_apps.translation.config import TranslationConfig
    from rnn_apps.translation.training_run import fit_run

    names = prepare(Path(given.data), Path(given.runs) / "data")
    folder = Path(given.runs) / given.name
    settings: dict[str, Any] = {
        **HEADLINE,
        "data": names["train"],
        "validation": names["val"],
        "run": str(folder),
        "max_minutes": given.minutes,
    }
    settings |= dict(one.split("=", 1) for one in given.set)
    fit_run(make(TranslationConfig, settings), resume=folder.exists())
    return folder


def prepare(data: Path, to: Path) -> dict[str, str]:
    """Writes the tokenised, lowercased sentences; gives each part's source."""
    names = {}
    for part in PARTS:
        paths = []
        for language in ("en", "de"):
            path = to / f"{part}.{language}"
            if not path.exists():
                text = gzip.open(data / f"{part}.{language}.gz", "rt", encoding="utf-8").read()
                lines = [tokenised(line, language) for line in text.splitlines()]
                write_text(path, "\n".join(lines) + "\n")
            paths.append(str(path))
        names[part] = f"file:{','.join(paths)}"
    return names


if __name__ == "__main__":
    main()
