"""How fast a trained translation model is decoded: in the graph, and on a device's runtime.

    python -m benchmarks.translation_decoding --run runs/en-de --to benchmarks/results

In the graph, batches of 32 sentences are decoded at several beam widths on one thread and
compared with greedy search; the goal is that width 5 takes at most 6 times as long. On LiteRT,
sentences per second are measured for each exported file: one thread, one sentence at a time, with
greedy search and with a beam of 5. Times are processor time, so that other work on the machine
does not count.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import write_json, write_text

if TYPE_CHECKING:
    from rnn_apps.translation.run import Run

BATCH = 32
WIDTHS = (1, 2, 3, 5, 10)
DEVICE_WIDTHS = (1, 5)
MOST_TIMES_GREEDY = 6.0
FORMATS = ("tflite", "tflite_dynamic", "tflite_int8")


def graph_rows(run: Run, sentences: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """Seconds per batch at each width: medians of alternating rounds."""
    import tensorflow as tf

    from pipelines.tokenizers.sentence_ids import padded, sentence_ids
    from rnn_apps.edge.translation.sentences import one_line
    from rnn_apps.translation.search.beam_search import translate

    ids = [sentence_ids(run.source_tokenizer, one_line(one)) for one in sentences[:BATCH]]
    tokens = tf.constant(padded(ids))
    searches = {}
    for width in WIDTHS:
        options = dataclasses.replace(run.search_options, beam_width=width)
        searches[width] = tf.function(
            lambda given, options=options: translate([run.model], given, options), autograph=False
        )
        searches[width](tokens)
    seconds: dict[int, list[float]] = {width: [] for width in WIDTHS}
    for _ in range(rounds):
        for width, search in searches.items():
            began = time.process_time()
            search(tokens).tokens.numpy()
            seconds[width].append(time.process_time() - began)
    greedy = statistics.median(seconds[1])
    return [
        {
            "beam_width": width,
            "seconds_a_batch": statistics.median(found),
            "sentences_a_second": len(ids) / statistics.median(found),
            "times_greedy": statistics.median(found) / greedy,
        }
        for width, found in seconds.items()
    ]


def device_rows(run: Run, sentences: Sequence[str]) -> list[dict[str, Any]]:
    """Sentences per second on LiteRT, for each file."""
    from rnn_apps.translation.device.trial import try_translator

    searches = {
        str(width): dataclasses.replace(run.search_options, beam_width=width)
        for width in DEVICE_WIDTHS
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        exported = run.export(folder, FORMATS)
        for [file, kib, bleu, *_] in exported["table"]["rows"]:
            found = try_translator(Path(folder), file, sentences, searches)
            speeds = {width: found[width].sentences_a_second for width in searches}
            rows.append({"file": file, "KiB": kib, "BLEU": bleu, "sentences_a_second": speeds})
            print(f"{file}: {speeds}", file=sys.stderr)
    return rows


def as_markdown(found: dict[str, Any]) -> str:
    """The page of results."""
    widest = next(row for row in found["graph"] if row["beam_width"] == 5)["times_greedy"]
    lines = [
        "# Decoding translations",
        "",
        f"{found['model']}. One thread of {found['machine']}, processor time, medians.",
        "",
        f"In the graph, {BATCH} sentences per batch. Width 5 takes {widest:.1f} times as long as "
        "greedy search; "
        f"the goal is at most {MOST_TIMES_GREEDY:g}.",
        "",
        "| beam width | ms per batch | sentences per second | times the time of greedy |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['beam_width']} | {1000 * row['seconds_a_batch']:.0f} "
        f"| {row['sentences_a_second']:.1f} | {row['times_greedy']:.2f} |"
        for row in found["graph"]
    ]
    lines += [
        "",
        "On LiteRT, one sentence at a time, tokenizer and search included.",
        "",
        "| file | KiB | BLEU, greedy | sentences per second, greedy | beam 5 |",
        "|---|---|---|---|---|",
    ]
    for row in found["device"]:
        speeds = " | ".join(f"{speed:.1f}" for speed in row["sentences_a_second"].values())
        lines.append(f"| {row['file']} | {row['KiB']:.0f} | {row['BLEU']:.2f} | {speeds} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", required=True, help="folder of a trained run")
    parser.add_argument("--to", default="benchmarks/results", help="folder for the results")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)

    import rnn_apps  # noqa: F401  (turns on oneDNN before TensorFlow is there)

    import tensorflow as tf  # isort: skip

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from rnn_apps.translation.judging.example_pairs import examples_of
    from rnn_apps.translation.run import load

    run = load(options.run)
    sentences = [source for source, _ in examples_of(run)]
    network = run.model.network
    found = {
        "model": f"{network.cell} of {network.units} units, decoder {network.decoder}, attention "
        f"{network.attention}, {network.target_vocabulary:,} target tokens; sentences of "
        f"{re.sub('[^,:]*/', '', run.config.data) or 'the run'}",
        "machine": platform.processor() or platform.machine(),
        "graph": graph_rows(run, sentences, options.rounds),
        "device": device_rows(run, sentences),
    }
    folder = Path(options.to)
    write_json(folder / "translation_decoding.json", found)
    write_text(folder / "translation_decoding.md", as_markdown(found))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
