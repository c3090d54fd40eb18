"""Loss of a character model over training time, compared with Keras' layers and PyTorch.

    python -m benchmarks.language_curve --train train.txt --validation val.txt
        [--torch-python PYTHON] [--minutes 10]

The contenders (see `language_curve_contender`) take turns of half a minute, each in a separate
process that sleeps while another one trains, so that other work on the machine affects all of them
alike. Time is training time only. PyTorch takes part if the Python of --torch-python has it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child_process import ChildProcess
from benchmarks.recipe_runs import cores
from pipelines.base.atomic_files import write_json, write_text

CONTENDER = Path(__file__).with_name("language_curve_contender.py")
SETTINGS = {
    "units": 384,
    "layers": 2,
    "embedding": 64,
    "dropout": 0.1,
    "batch_size": 32,
    "timesteps": 100,
    "learning_rate": 2e-3,
    "clip_norm": 1.0,
    "seed": 0,
}
TURN_SECONDS = 30.0


class Process:
    """A contender's process.

    Args:
        name: name in the table.
        command: Python, and the kind of the contender.
        files: paths of settings and tokens.
        one_dnn: whether TensorFlow may use oneDNN.
    """

    def __init__(self, name: str, command: tuple[str, str], files: list[str], one_dnn: bool):
        python, kind = command
        environment = os.environ | {
            "TF_ENABLE_ONEDNN_OPTS": str(int(one_dnn)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": str(CONTENDER.parent.parent),
        }
        self.name = name
        self.rows: list[dict[str, Any]] = []
        self._seconds = 0.0
        self._child = ChildProcess(
            name, [python, str(CONTENDER), kind, *files], environment, silent=False
        )
        self.start = json.loads(self._child.answer())["validation"]

    def turn(self, seconds: float) -> None:
        """Lets the contender train for this time."""
        answer = json.loads(self._child.ask(str(seconds)))
        self._seconds += answer.pop("seconds")
        self.rows.append({"minutes": self._seconds / 60.0, **answer})

    def close(self) -> None:
        """Ends the process."""
        self._child.close()


def main(arguments: list[str] | None = None) -> None:
    """Trains all contenders in turn and writes TO.md and TO.json after every round."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", required=True, type=Path, help="training text, UTF-8")
    parser.add_argument("--validation", required=True, type=Path, help="validation text, UTF-8")
    parser.add_argument("--torch-python", help="a Python that has PyTorch")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="training time per contender in minutes"
    )
    parser.add_argument("--to", default="benchmarks/results/language_curve")
    given = parser.parse_args(arguments)
    contenders = [
        ("this project's layers, oneDNN on", (sys.executable, "rnn_apps"), True),
        ("keras.layers, oneDNN on", (sys.executable, "keras"), True),
        ("keras.layers, oneDNN off", (sys.executable, "keras"), False),
    ]
    if given.torch_python:
        contenders.append(("PyTorch", (given.torch_python, "torch"), True))
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / "settings.json"), str(Path(folder) / "tokens.npz")]
        write_json(Path(files[0]), SETTINGS)
        save_tokens(given.train, given.validation, Path(files[1]))
        processes = [Process(name, command, files, dnn) for name, command, dnn in contenders]
        for _ in range(round(60.0 * given.minutes / TURN_SECONDS)):
            for process in processes:
                process.turn(TURN_SECONDS)
            write_json(Path(given.to + ".json"), {p.name: p.rows for p in processes})
            write_text(Path(given.to + ".md"), table(processes, given))
        for process in processes:
            process.close()


def save_tokens(train: Path, validation: Path, to: Path) -> None:
    """Writes both texts as numbers of the training text's characters."""
    texts = [path.read_text(encoding="utf-8") for path in (train, validation)]
    number = {character: index for index, character in enumerate(sorted(set(texts[0])))}
    training, held_out = (
        np.array([number[character] for character in text if character in number], np.int32)
        for text in texts
    )
    np.savez(to, training=training, validation=held_out, vocabulary=len(number))


def table(processes: list[Process], given: argparse.Namespace) -> str:
    """The curves as Markdown."""
    rounds = min(len(process.rows) for process in processes)
    had = cores([{"cores": len(os.sched_getaffinity(0))}])
    text = SETTINGS["batch_size"] * SETTINGS["timesteps"]
    lines = [
        "# Validation loss against training time",
        "",
        f"Nats per character on {given.validation.name}, with the state carried through the whole "
        "text; "
        f"trained on {given.train.name}. "
        + ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
        + f". Turns of {TURN_SECONDS:g} s on {had}, {platform.machine()}.",
        "",
        "| minutes of training | " + " | ".join(process.name for process in processes) + " |",
        "|---|" + "---|" * len(processes),
        "| 0 | " + " | ".join(f"{process.start:.3f}" for process in processes) + " |",
    ]
    for index in range(1, rounds, 2):
        losses = " | ".join(f"{process.rows[index]['validation']:.3f}" for process in processes)
        lines.append(f"| {processes[0].rows[index]['minutes']:.1f} | {losses} |")
    rates = " | ".join(
        f"{process.rows[-1]['steps'] * text / (60.0 * process.rows[-1]['minutes']):,.0f}"
        for process in processes
    )
    lines += [f"| characters per second | {rates} |", ""]
    lines.append(f"`python -m benchmarks.language_curve`, {given.minutes:g} minutes each.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
