"""The process that extracts features: for each line with a request it writes one with an answer.

    python -m pipelines.speech.feature_extraction.extraction_worker

This is a separate program instead of `multiprocessing`, so that training scripts need no `__main__`
guard, and a file on which the decoder crashes costs only one recording.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import ConfigurationError, UserError
from pipelines.speech.audio.levels import LevelMeter
from pipelines.speech.audio.reading import AudioError, Samples, read_audio
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.extraction_pool import Request


def extract(request: Request, config: FeatureConfig, most_seconds: float) -> dict[str, Any]:
    """Computes the features of a recording and writes them to the target of the request (.npy).

    Args:
        request: the recording and the file for its features.
        config: features to compute.
        most_seconds: longest allowed recording, in seconds.

    Returns:
        {"frames": number of frames, "notes": peculiarities}, or {"error": [kind, problem]}. Notes
        and errors are stored next to the features for later runs.
    """
    import numpy as np

    path, target = request.path, request.target
    meter = LevelMeter()
    try:
        samples = read_audio(
            path, config.sample_rate, most_seconds=most_seconds, observe=meter,
            offset=request.offset, seconds=request.seconds, channel=request.channel,
        )  # fmt: skip
        if problem := meter.unusable:
            raise AudioError(*problem, path)
        values = _features(samples, config, path)
    except AudioError as error:
        answer: dict[str, Any] = {"error": [error.kind, error.explanation]}
        # Errors that depend on the caller, or may disappear, are not stored.
        if error.kind not in ("missing", "too long"):
            write_json(Path(target).with_suffix(".json"), answer)
        return answer
    answer = {"frames": len(values), "notes": meter.notes}
    if answer["notes"]:
        write_json(Path(target).with_suffix(".json"), answer)
    # Written whole or not at all, but not flushed to the disk like results: features lost in a
    # crash of the machine are computed again, and flushing would take longer than computing.
    beside = Path(f"{target}.{os.getpid()}.partial")
    with open(beside, "wb") as file:
        np.save(file, values)
    os.replace(beside, target)
    return answer


def _features(samples: Samples, config: FeatureConfig, path: str) -> Samples:
    """The features of samples.

    Raises:
        AudioError: the samples cannot be used. Any other error would end the extraction of all.
    """
    from pipelines.speech.feature_extraction.librosa_features import features

    try:
        return features(samples, config)
    except ConfigurationError:
        raise
    except UserError as error:
        raise AudioError("absurd samples", str(error), path) from None


def main() -> None:
    """Answers requests until the input ends; the first line is the configuration."""
    setup = json.loads(sys.stdin.readline())
    config = FeatureConfig(**setup["config"])
    for line in sys.stdin:
        request = json.loads(line)
        answer = extract(Request(**request), config, setup["most_seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
