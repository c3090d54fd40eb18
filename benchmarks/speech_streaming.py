"""A recogniser on one thread: offline and streaming, float and quantised, side by side.

    python -m benchmarks.speech_streaming --run RUN [--data file:TEST.jsonl] [--to RESULT.md]

Exports every format of a trained run and lets each recognise recordings in a process of its own
with one thread, streams in chunks of 50 ms. The real-time factor is the processor time of features,
model and greedy decoding over the recordings' length. Memory is what the process grew by at most,
beyond Python, NumPy and the runtime's library. Delay is how late the text of a stream comes, by
construction: half a Fourier transform, one step, and the frames that the model looks ahead. A call
is a step of a stream, or an utterance.
The second table decodes the outputs of the float stream, step by step, in several ways.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from pipelines.atomic_files import write_text

if TYPE_CHECKING:
    from rnn_apps.edge import DecodingConfig, EdgeRecogniser
    from rnn_apps.edge.word_model import WordModel

GOAL = 0.03


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a trained run")
    parser.add_argument("--data", default="", help="recordings to judge on; else the run's own")
    parser.add_argument("--exported", type=Path, help="where the files go; else they are not kept")
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/speech_streaming.md"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.exported or Path(scratch)
        text = report(arguments.run, arguments.data, folder)
    write_text(arguments.to, text)
    print(text)


def report(run_folder: Path, data: str, folder: Path) -> str:
    """Exports and measures; the result as Markdown."""
    from rnn_apps.speech.export_recordings import judged_recordings
    from rnn_apps.speech.exporting import export
    from rnn_apps.speech.run import load

    run = load(run_folder)
    exported = export(run, folder, data=data)
    found = exported["table"]
    judged = judged_recordings(run, data)
    decoded = decoding_rows(run, folder, judged)
    config = run.config
    streaming = [row for row in found["rows"] if row[1] == "a stream"]
    worst = max(row[6] for row in streaming if "tflm" not in row[0])
    model = (
        f"{config.layers} {config.cell.upper()} layers of {config.units} units, "
        f"{len(config.filters)} convolutions, {run.model.count_params():,} weights, "
        f"{config.sample_rate} Hz, an output every {1000 * config.seconds_per_output:.0f} ms"
        f", lookahead {config.lookahead} outputs"
    )
    lines = [
        "# Speech on one thread: offline and streaming, float and quantised",
        "",
        " ".join(__doc__.split("\n\n")[2].split()),
        "",
        f"The model: {model}. {found['title']}.",
        "",
        *table(found["header"], found["rows"]),
        "",
        *(f"Not written: {name}: {why}" for name, why in exported.get("not written", {}).items()),
        "",
        f"Goal: a stream on LiteRT under {GOAL} times real time: "
        f"{'met' if worst < GOAL else 'not met'} ({worst:.4f} at most).",
        "",
        *table(["decoding", "word error rate", "real-time factor of decoding",
                "microseconds an output"], decoded),
        "",
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        + ", ".join(
            f"{name} {importlib.metadata.version(name)}"
            for name in ("ai-edge-litert", "tflite-micro", "tensorflow", "numpy")
        )
        + ".",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def decoding_rows(run: Any, folder: Path, judged: Any) -> list[list[Any]]:
    """What each way of decoding costs and gives, on the same outputs."""
    from rnn_apps.edge import DecodingConfig, EdgeRecogniser
    from rnn_apps.speech.run_data import load_parts
    from rnn_apps.speech.word_model import train_word_model

    parts = load_parts(run.config, run.data)
    said = [run.labels.tidy(one.transcript) for one in parts["train"]]
    model = train_word_model(said)
    hot = tuple(dict.fromkeys(" ".join(said).split()))[:3]
    device = EdgeRecogniser(folder)
    logits = [device.logits(samples) for samples in judged.samples]
    ways: list[tuple[str, DecodingConfig, WordModel | None]] = [
        ("greedy", DecodingConfig(method="greedy"), None),
        ("beam 16", DecodingConfig(), None),
        ("beam 16, word 3-gram of the training transcripts", DecodingConfig(), model),
        (f"beam 16, hot words {', '.join(hot)}", DecodingConfig(hot_words=hot), None),
        ("beam 64, word 3-gram", DecodingConfig(beam_width=64), model),
    ]
    return [[name, *decoded(device, config, words, logits, judged)] for name, config, words in ways]


def decoded(
    device: EdgeRecogniser,
    config: DecodingConfig,
    words: WordModel | None,
    logits: list[Any],
    judged: Any,
) -> list[float]:
    """Word error rate, real-time factor and microseconds an output frame."""
    from rnn_apps.edge import SpeechDecoder
    from rnn_apps.speech.metrics import total, word_errors

    seconds = float(device.contract["seconds_per_output"])
    decoder = SpeechDecoder(device.labels, config, seconds, words)
    texts = []
    begun = time.process_time()
    for outputs in logits:
        for output in outputs:
            decoder.push(output[None])
        texts.append(decoder.finish()[0].text)
    spent = time.process_time() - begun
    frames = sum(len(outputs) for outputs in logits)
    heard = sum(len(samples) for samples in judged.samples) / device.sample_rate
    rate = total(word_errors(judged.transcripts, texts)).rate
    return [rate, spent / heard, 1e6 * spent / frames]


def table(header: list[str], rows: list[list[Any]]) -> list[str]:
    """A table in Markdown."""
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    return lines + [f"| {' | '.join(map(_shown, row))} |" for row in rows]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
