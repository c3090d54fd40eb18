"""Train a speech recogniser on your own recordings, transcribe with it, and export it.

    python examples/recognise_my_recordings.py manifest.csv --transcribe hello.wav --to out

The list has the columns path and transcript, and speaker if you know it: then whole speakers are
held out, and the figures are of people whom the model has not heard. Half an hour of a few words,
or ten hours of free speech, is a beginning. Expect word and character error rates on recordings
that were held out. The folder holds the report with spectrograms and sound (run/report.html) and
a model that recognises a stream on a device (exported/streaming.tflite).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rnn_apps import speech


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains on the recordings, judges, transcribes and exports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", help="list of recordings: CSV, TSV or JSON Lines")
    parser.add_argument("--transcribe", nargs="*", default=[], help="sound files to transcribe")
    parser.add_argument("--tokenizer", default="characters", help="characters, subwords or words")
    parser.add_argument("--sample-rate", type=int, default=16_000, help="samples per second")
    parser.add_argument("--units", type=int, default=192, help="size of each recurrent state")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the data")
    parser.add_argument("--minutes", type=float, default=30.0, help="longest training time")
    parser.add_argument("--to", type=Path, default=Path("speech"), help="folder of the results")
    options = parser.parse_args(arguments)

    config = speech.SpeechConfig(
        data=f"file:{options.recordings}",
        run=str(options.to / "run"),
        tokenizer=options.tokenizer,
        sample_rate=options.sample_rate,
        cell="gru",
        units=options.units,
        # Frames that the model waits for: a few make it better, and a stream later.
        lookahead=4,
        epochs=options.epochs,
        max_minutes=options.minutes,
    )
    run = speech.train(config)
    table = run.metrics["table"]
    for row in [table["header"], *table["rows"]]:
        print(*row, sep="\t")
    for path in options.transcribe:
        [[best]] = run.transcribe(path)
        print(f"{path}: {best.text} (confidence {best.confidence:.2f})")
    run.export(options.to / "exported", formats=["streaming"])
    print(f"The report is {run.folder.report}")


if __name__ == "__main__":
    main()
