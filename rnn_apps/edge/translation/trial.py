"""A translator tried on sentences in a process of its own, which imports what a device has.

    python -m rnn_apps.edge.translation.trial FOLDER FILE < REQUEST.json

The request is {"sentences": [...], "searches": {NAME: options}}; the last line of standard output
is the result as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.base.child_processes import child_environment
from pipelines.base.errors import UserError
from rnn_apps.edge.translation.options import SearchOptions
from rnn_apps.edge.translation.sentences import encode_source
from rnn_apps.edge.translation.translator import EdgeTranslator

# One sentence may take so long; a busy machine is no reason to give up.
SECONDS_A_SENTENCE, STARTING_SECONDS = 5.0, 120.0


@dataclass(frozen=True)
class Found:
    """What one search gave for all sentences.

    Attributes:
        texts: the best translation of each sentence.
        ids: its ids as the model knows them, without an end.
        log_probabilities: its own, in nats; where it ended, the end included.
        complete: whether it came to its end.
        sentences_a_second: of processor time, one thread; encoding, search and decoding together.
    """

    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    log_probabilities: tuple[float, ...]
    complete: tuple[bool, ...]
    sentences_a_second: float


def try_translator(
    folder: Path, file: str, sentences: Sequence[str], searches: Mapping[str, SearchOptions]
) -> dict[str, Found]:
    """Translates in a child process.

    Args:
        folder: an export, or what is to become one.
        file: the .tflite file in it.
        sentences: none of them empty.
        searches: by name.

    Raises:
        UserError: the child process failed, or took too long.
    """
    request = {
        "sentences": list(sentences),
        "searches": {name: asdict(options) for name, options in searches.items()},
    }
    limit = STARTING_SECONDS + SECONDS_A_SENTENCE * len(sentences) * len(searches)
    command = [sys.executable, "-m", __name__, str(folder), file]
    try:
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True,
            env=child_environment(), timeout=limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"{file}: translating took more than {limit:.0f} seconds") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{file}: its trial ended with code {done.returncode}: {last}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return {
        name: Found(
            tuple(one["texts"]),
            tuple(tuple(ids) for ids in one["ids"]),
            tuple(one["log_probabilities"]),
            tuple(one["complete"]),
            one["sentences_a_second"],
        )
        for name, one in answer.items()
    }


def _run(
    translator: EdgeTranslator, sentences: Sequence[str], options: SearchOptions
) -> dict[str, object]:
    # The first call allocates.
    translator.translate(sentences[0], options)
    began = time.process_time()
    texts = [best.text for [best, *_] in translator.translate(sentences, options)]
    seconds = time.process_time() - began
    hypotheses = [
        translator.search(
            encode_source(translator.source_tokenizer, sentence, row, options), options
        )[0]
        for row, sentence in enumerate(sentences, 1)
    ]
    return dataclasses.asdict(
        Found(
            tuple(texts),
            tuple(one.tokens for one in hypotheses),
            tuple(float(one.log_probability) for one in hypotheses),
            tuple(one.complete for one in hypotheses),
            len(sentences) / seconds,
        )
    )


def _main() -> None:
    folder, file = sys.argv[1:]
    request = json.load(sys.stdin)
    translator = EdgeTranslator(folder, file)
    answer = {
        name: _run(translator, request["sentences"], SearchOptions(**options))
        for name, options in request["searches"].items()
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    _main()
