"""Train a translation model on your own sentence pairs, translate with it, and export it.

    python examples/translate_my_pairs.py pairs.tsv --text "How are you?" --to out

The file holds one pair per line: source, a tab, target; a first line such as "en<tab>de" names
the languages. Ten thousand pairs of one subject are a beginning. Expect BLEU and chrF on pairs
that were held out, compared with a translation memory: a model that does not beat the memory
needs more data or more time. The folder holds the report (run/report.html) and a model for
devices (exported/model.tflite).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rnn_apps import translation


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains on the pairs, judges, translates and exports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", help="TSV file; or TMX; or two aligned files, joined by a comma")
    parser.add_argument("--text", action="append", default=[], help="sentence to translate")
    parser.add_argument("--vocabulary-size", type=int, default=8000, help="number of subwords")
    parser.add_argument("--units", type=int, default=256, help="size of the recurrent state")
    parser.add_argument("--epochs", type=int, default=30, help="passes over the data")
    parser.add_argument("--minutes", type=float, default=20.0, help="longest training time")
    parser.add_argument("--to", type=Path, default=Path("translate"), help="folder of the results")
    options = parser.parse_args(arguments)

    config = translation.TranslationConfig(
        data=f"file:{options.pairs}",
        run=str(options.to / "run"),
        vocabulary_size=options.vocabulary_size,
        units=options.units,
        embedding_size=options.units // 2,
        batch_size=64,
        learning_rate=2e-3,
        epochs=options.epochs,
        max_minutes=options.minutes,
    )
    run = translation.train(config)
    table = run.metrics["table"]
    for row in [table["header"], *table["rows"]]:
        print(*row, sep="\t")
    for sentence, translations in zip(options.text, run.translate(options.text), strict=True):
        print(f"{sentence} -> {translations[0].text}")
    run.export(options.to / "exported", formats=["tflite"])
    print(f"The report is {run.folder.report}")


if __name__ == "__main__":
    main()
