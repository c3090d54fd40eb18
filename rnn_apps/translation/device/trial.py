"""Trying an exported translator on sentences, in a process that imports what a device has.

    python -m rnn_apps.translation.device.trial FOLDER FILE TARGET < REQUEST.json

The request is {"sentences": [...], "searches": {NAME: options}}. What is written to standard output
is the result as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.base.child_processes import WorkerError, reserve_standard_output, run_worker
from pipelines.base.errors import UserError
from rnn_apps.edge.translation.options import SearchOptions
from rnn_apps.edge.translation.sentences import encode_source
from rnn_apps.edge.translation.translator import EdgeTranslator

# A trial may take this long per sentence and search, after this many seconds to start.
SECONDS_A_SENTENCE, STARTING_SECONDS = 5.0, 120.0


@dataclass(frozen=True)
class Found:
    """What one search gave for all sentences.

    Attributes:
        texts: the best translation of each sentence.
        ids: the ids of each translation as the model knows them, without an end.
        log_probabilities: the log probability of each translation in nats, its end included.
        complete: True if each translation came to its end.
        sentences_a_second: sentences per second of processor time on one thread, for encoding,
            search and decoding together.
    """

    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    log_probabilities: tuple[float, ...]
    complete: tuple[bool, ...]
    sentences_a_second: float


def try_translator(
    folder: Path,
    file: str,
    sentences: Sequence[str],
    searches: Mapping[str, SearchOptions],
    target: str = "litert",
) -> dict[str, Found]:
    """Translates in a child process.

    Args:
        folder: an exported folder, or one that is still being written.
        file: the name of the .tflite file, or of the folder of C code, in it.
        sentences: the sentences to translate, none of them empty.
        searches: the options of each search by its name.
        target: the runtime: "litert" or "c".

    Raises:
        UserError: the child process failed, or took too long.
    """
    request = {
        "sentences": list(sentences),
        "searches": {name: asdict(options) for name, options in searches.items()},
    }
    limit = STARTING_SECONDS + SECONDS_A_SENTENCE * len(sentences) * len(searches)
    try:
        content = run_worker(
            __name__,
            [str(folder), file, target],
            request=json.dumps(request).encode(),
            time_limit=limit,
        )
    except WorkerError as failure:
        if failure.hung:
            problem = f"translating took more than {limit:.0f} seconds"
        else:
            problem = (
                f"its trial ended with {failure.ending}: {(failure.said or ['no message'])[-1]}"
            )
        raise UserError(f"{file}: {problem}") from None
    answer = json.loads(content)
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
    folder, file, target = sys.argv[1:]
    answers = reserve_standard_output()
    request = json.load(sys.stdin)
    translator = EdgeTranslator(folder, file, target=target)
    answer = {
        name: _run(translator, request["sentences"], SearchOptions(**options))
        for name, options in request["searches"].items()
    }
    answers.write(json.dumps(answer).encode())
    answers.close()


if __name__ == "__main__":
    _main()
