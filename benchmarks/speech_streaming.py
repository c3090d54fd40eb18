"""A recogniser on one thread: offline and streaming, float and quantised, side by side.

    python -m benchmarks.speech_streaming --run RUN --exported FOLDER [--data file:TEST.jsonl]
        [--whole file:LIST.jsonl ...]

Exports every format of a trained run and lets each recognise recordings in a process of its own
with one thread, streams in chunks of 50 ms. The real-time factor is the processor time of
features, model and greedy decoding divided by the recordings' length. Memory is the largest
growth of the process beyond Python, NumPy and the runtime's library. Delay is how late the text
of a stream appears, by construction: half a Fourier transform, one step, and the frames that the
model looks ahead. A call is a step of a stream, or an utterance. The second table decodes the
outputs of the float stream, step by step, in several ways. Lists given with `--whole` are
streamed to their end, through the float file and the int8 file.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.processor import each_once, processor_name
from pipelines.base.atomic_files import write_json, write_text
from rnn_apps.export.results import ExportError

if TYPE_CHECKING:
    from rnn_apps.edge import DecodingConfig, EdgeRecogniser
    from rnn_apps.edge.speech.word_model import WordModel

GOAL = 0.03
STREAMS = ("streaming.tflite", "streaming_int8.tflite")


def main() -> None:
    """Measures; formats that are already in the JSON file next to the table are kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a trained run")
    parser.add_argument(
        "--data", default="", help="recordings to judge on; default: those of the run"
    )
    parser.add_argument(
        "--whole", nargs="*", default=[], help="lists of recordings to stream to their end"
    )
    parser.add_argument(
        "--exported", type=Path, required=True, help="folder for the exported files"
    )
    parser.add_argument("--formats", nargs="+", help="formats to measure; default: all")
    parser.add_argument(
        "--again", action="store_true", help="measure again what has a result already"
    )
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/speech_streaming.md"))
    arguments = parser.parse_args()
    store = arguments.to.with_suffix(".json")
    known: dict[str, Any] = {"rows": {}}
    if store.is_file() and not arguments.again:
        known = json.loads(store.read_text(encoding="utf-8"))
    measure(arguments.run, arguments.data, arguments.exported, arguments.formats, known, store)
    for source in arguments.whole:
        rows = known.setdefault("whole", {})
        if source not in rows:
            rows[source] = whole_list(arguments.run, arguments.exported, source)
            _note_conditions(known, source)
            write_json(store, known)
    write_text(arguments.to, report(known))
    print(report(known))


def measure(
    run_folder: Path, data: str, folder: Path, formats: list[str] | None, known: Any, store: Path
) -> None:
    """Exports and measures what has no result yet; every result is kept at once."""
    from rnn_apps.speech.device.contract import FILES
    from rnn_apps.speech.device.export_recordings import judged_recordings
    from rnn_apps.speech.device.exporting import FORMATS, HEADER, export
    from rnn_apps.speech.network.capabilities import can_stream
    from rnn_apps.speech.run import load

    run = load(run_folder)
    config = run.config
    wanted = formats or [
        name
        for name in FORMATS
        if name not in FILES or can_stream(config) or not FILES[name].streaming
    ]
    known |= {
        "header": HEADER,
        "model": f"{config.layers} {config.cell.upper()} layers of {config.units} units, "
        f"{len(config.filters)} convolutions, {run.model.count_params():,} weights, "
        f"{config.sample_rate} Hz, an output every {1000 * config.seconds_per_output:.0f} ms, "
        f"lookahead {config.lookahead} outputs",
    }

    for name in wanted:
        if name in known["rows"] or name in known.get("not written", {}):
            continue
        try:
            table = export(run, folder, [name], data)["table"]
            known["title"] = table["title"]
            known["rows"][name] = table["rows"][-1]
            _note_conditions(known, name)
        except ExportError as error:
            known.setdefault("not written", {})[name] = str(error)
        write_json(store, known)
    if "decoding" not in known and (folder / "streaming.tflite").exists():
        known["decoding"] = decoding_rows(run, folder, judged_recordings(run, data))
        _note_conditions(known, "decoding")
        write_json(store, known)


def whole_list(run_folder: Path, folder: Path, source: str) -> list[list[Any]]:
    """Rows of the word error rate of each streaming file on all recordings of a list."""
    from rnn_apps.speech.device.trial import try_recogniser
    from rnn_apps.speech.judging.metrics import total, word_errors
    from rnn_apps.speech.run import load
    from rnn_apps.speech.run_data import load_source, one_part

    run = load(run_folder)
    recordings = list(one_part(load_source(run.config, source), "test"))
    samples = [one.read(run.config.sample_rate) for one in recordings]
    said = [run.labels.tidy(one.transcript) for one in recordings]
    rows: list[list[Any]] = []
    for file in STREAMS:
        if (folder / file).exists():
            trial = try_recogniser(folder, file, "litert", samples)
            rate = total(word_errors(said, trial.texts)).rate
            rows.append([Path(source).name, len(samples), file, rate, trial.real_time_factor])
    return rows


def report(known: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = list(known["rows"].values())
    streaming = [row[6] for row in rows if row[1] == "a stream" and "tflm" not in row[0]]
    lines = [
        "# Speech on one thread: offline and streaming, float and quantised",
        "",
        " ".join(__doc__.split("\n\n")[2].split()),
        "",
        f"The model: {known['model']}. {known['title']}.",
        "",
        *table(known["header"], rows),
        "",
    ]
    for name, why in known.get("not written", {}).items():
        lines += [f"Not written: {name}: {why}", ""]
    if streaming:
        met = "met" if max(streaming) < GOAL else "not met"
        lines += [
            f"Goal: a stream on LiteRT under {GOAL} times real time: {met} "
            f"({max(streaming):.4f} at most).",
            "",
        ]
    if "decoding" in known:
        header = ["decoding", "word error rate", "real-time factor of decoding",
                  "microseconds an output"]  # fmt: skip
        lines += [*table(header, known["decoding"]), ""]
    if known.get("whole"):
        header = ["list", "recordings", "file", "word error rate", "real-time factor"]
        lines += [*table(header, [row for rows in known["whole"].values() for row in rows]), ""]
    measured = [*known["rows"], *(["decoding"] if "decoding" in known else [])]
    measured += known.get("whole", {})
    conditions = known.get("measured_on", {})
    lines += [f"{text}." for text in each_once({n: conditions.get(n, "") for n in measured})]
    return "\n".join([*lines, ""])


def _note_conditions(known: dict[str, Any], name: str) -> None:
    """Keeps with a new result what it was measured on: later ones may be measured elsewhere."""
    packages = ("ai-edge-litert", "tflite-micro", "tensorflow", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    machine = f"{processor_name()}, Python {platform.python_version()}"
    known.setdefault("measured_on", {})[name] = f"{machine}, {versions}"


def decoding_rows(run: Any, folder: Path, judged: Any) -> list[list[Any]]:
    """Cost and result of each way of decoding, on the same outputs."""
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
    """Word error rate, real-time factor and microseconds per output frame."""
    from rnn_apps.edge import SpeechDecoder
    from rnn_apps.speech.judging.metrics import total, word_errors

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
