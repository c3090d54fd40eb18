"""The process that extracts features: reads a request a line, answers a line.

    python -m pipelines.speech.feature_extraction.extraction_worker

A process of its own, not `multiprocessing`: a script that trains needs no `__main__` guard, and a
file on which the decoder crashes costs one recording.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json
from pipelines.speech.audio.levels import LevelMeter
from pipelines.speech.audio.reading import AudioError, read_audio
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.extraction_pool import Request


def extract(request: Request, config: FeatureConfig, most_seconds: float) -> dict[str, Any]:
    """Computes the features of a recording and keeps them in the request's target (.npy).

    Returns:
        {"frames": their number, "notes": what is peculiar}, or {"error": [kind, problem]}. What is
        not just the frames is kept next to them, so that it is known the next time.
    """
    import numpy as np

    from pipelines.speech.feature_extraction.librosa_features import features

    path, target = request.path, request.target
    meter = LevelMeter()
    try:
        samples = read_audio(
            path, config.sample_rate, most_seconds=most_seconds, observe=meter,
            offset=request.offset, seconds=request.seconds,
        )  # fmt: skip
        if problem := meter.unusable:
            raise AudioError(*problem, path)
    except AudioError as error:
        answer: dict[str, Any] = {"error": [error.kind, error.explanation]}
        # What depends on the caller, or may be mended, is not kept.
        if error.kind not in ("missing", "too long"):
            write_json(Path(target).with_suffix(".json"), answer)
        return answer
    found = features(samples, config)
    answer = {"frames": len(found), "notes": meter.notes}
    if answer["notes"]:
        write_json(Path(target).with_suffix(".json"), answer)
    # Whole or not there, but not flushed to the disk as results are: what a crash of the machine
    # takes is made again, and flushing would take longer than the features.
    beside = Path(f"{target}.{os.getpid()}.partial")
    with open(beside, "wb") as file:
        np.save(file, found)
    os.replace(beside, target)
    return answer


def main() -> None:
    """Serves requests until the input ends; the first line is the configuration."""
    setup = json.loads(sys.stdin.readline())
    config = FeatureConfig(**setup["config"])
    for line in sys.stdin:
        request = json.loads(line)
        answer = extract(Request(**request), config, setup["most_seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
