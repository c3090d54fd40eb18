"""Train a language model on your own text, let it write, and export it.

    python examples/model_my_text.py novel.txt --prompt "It was" --to out

The text is a UTF-8 file or a folder of them; a few hundred kilobytes are the least that teach
anything. Expect the bits per character on the last twentieth of the text, compared with an n-gram
model: lower is better, and English prose ends between 1.5 and 2.5. Then expect 300 characters
that resemble your text. The folder holds the report (run/report.html) and a step model for
devices (exported/model.tflite).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rnn_apps import language_modelling
from rnn_apps.edge import SamplingConfig
from rnn_apps.language_modelling.writing import WritingConfig


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains on the text, judges, writes and exports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="text file, or folder of text files")
    parser.add_argument("--prompt", default="The ", help="beginning of the text to write")
    parser.add_argument("--units", type=int, default=256, help="size of the recurrent state")
    parser.add_argument("--batch-size", type=int, default=32, help="streams read side by side")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data")
    parser.add_argument("--minutes", type=float, default=10.0, help="longest training time")
    parser.add_argument("--to", type=Path, default=Path("language"), help="folder of the results")
    options = parser.parse_args(arguments)

    config = language_modelling.LanguageModellingConfig(
        data=f"file:{options.text}",
        run=str(options.to / "run"),
        # Bytes know every text; characters are a little better where all of them are known.
        tokenizer="bytes",
        cell="gru",
        units=options.units,
        layers=1,
        batch_size=options.batch_size,
        timesteps=64,
        learning_rate=2e-3,
        epochs=options.epochs,
        max_minutes=options.minutes,
    )
    run = language_modelling.train(config)
    table = run.metrics["table"]
    for row in [table["header"], *table["rows"]]:
        print(*row, sep="\t")
    writing = WritingConfig(300, SamplingConfig(temperature=0.8, seed=1))
    print(options.prompt + run.generate(options.prompt, writing)[0])
    run.export(options.to / "exported", formats=["tflite"])
    print(f"The report is {run.folder.report}")


if __name__ == "__main__":
    main()
