"""How fast features of speech are computed, compared with librosa, all in one thread.

    python -m benchmarks.speech_features

Ten seconds of speech-like sound at 16 kHz become 80 log-mel bands (and 13 MFCC with two deltas)
by librosa, by NumPy as on the device, by the Keras layer in TensorFlow, and by that layer
converted to TFLite on LiteRT. The contenders take turns, so that a slow moment of the machine
affects all of them. Reported are medians of processor time and the largest difference from
librosa. `--to FILE.json` keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pipelines.base.atomic_files import write_json
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.librosa_features import features
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures as NumpyFeatures
from rnn_apps.edge.speech.features import FeatureStream

SECONDS = 10.0
CHUNK = 320
"""Samples that a stream takes at a time: 20 ms."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Contender = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--to", help="JSON file for the figures")
    arguments = parser.parse_args()
    if not single_threaded():
        # NumPy starts its threads when it is imported, so only a new process can do without.
        command = [sys.executable, "-m", "benchmarks.speech_features", *sys.argv[1:]]
        raise SystemExit(
            subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode
        )
    figures = {
        name: measure(config, arguments.rounds)
        for name, config in (
            ("log-mel", FeatureConfig(normalisation="none")),
            ("mfcc", FeatureConfig(kind="mfcc", deltas=2, normalisation="none")),
        )
    }
    if arguments.to:
        write_json(arguments.to, figures)
    print(json.dumps(figures, indent=1))


def single_threaded() -> bool:
    return all(os.environ.get(name) == value for name, value in ONE_THREAD.items())


def measure(config: FeatureConfig, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of processor time per second of sound and error, by contender."""
    samples = sound(config.sample_rate)
    contenders: dict[str, Contender] = {
        "librosa": lambda audio: features(audio, config),
        "numpy": NumpyFeatures(config),
        "numpy, in chunks of 20 ms": lambda audio: streamed(FeatureStream(config), audio),
        **graph_contenders(config),
    }
    expected = features(samples, config)
    differences = {name: float(np.abs(run(samples) - expected).max())
                   for name, run in contenders.items()}  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.process_time()
            run(samples)
            times[name].append(time.process_time() - start)
    librosa = float(np.median(times["librosa"]))
    return {
        name: {
            "milliseconds_per_second": round(1e3 * float(np.median(seconds)) / SECONDS, 3),
            "times_librosa_s_speed": round(librosa / float(np.median(seconds)), 2),
            "largest_difference": float(f"{differences[name]:.1e}"),
        }
        for name, seconds in times.items()
    }


def sound(sample_rate: int) -> np.ndarray:
    """A gliding tone with overtones, in syllables, with noise, float32."""
    at = np.arange(int(SECONDS * sample_rate)) / sample_rate
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 0.7 * at)) / sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    noise = np.random.default_rng(0).standard_normal(len(at))
    return (0.1 * tone * np.maximum(np.sin(6 * np.pi * at), 0) + 0.002 * noise).astype(np.float32)


def streamed(stream: FeatureStream, samples: np.ndarray) -> np.ndarray:
    chunks = [stream.push(samples[at : at + CHUNK]) for at in range(0, len(samples), CHUNK)]
    return np.concatenate([*chunks, stream.finish()])


def graph_contenders(config: FeatureConfig) -> dict[str, Contender]:
    """The layer in TensorFlow and, by both transforms that convert, on LiteRT."""
    import tensorflow as tf

    from rnn_apps.layers.speech_features import SpeechFeatures

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found: dict[str, Contender] = {}
    for transform in ("float64", "float32", "matrix"):
        function, module = as_function(SpeechFeatures(config, transform=transform))
        found[f"TensorFlow, {transform}"] = in_tensorflow(function)
        if transform != "float64":
            content = tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
            found[f"LiteRT, {transform}"] = on_litert(content)
    return found


def as_function(layer: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    module = tf.Module()
    module.layer = layer

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32, name="samples"),
            tf.TensorSpec([None], tf.int32, name="sample_lengths"),
        ]
    )
    def call(samples: Any, sample_lengths: Any) -> Any:
        return layer({"samples": samples, "sample_lengths": sample_lengths})["features"]

    module.call = call
    return call.get_concrete_function(), module


def in_tensorflow(function: Any) -> Contender:
    import tensorflow as tf

    def run(samples: np.ndarray) -> np.ndarray:
        return function(tf.constant(samples[None]), tf.constant([len(samples)])).numpy()[0]

    return run


def on_litert(content: bytes) -> Contender:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=content, num_threads=1).get_signature_runner()

    def run(samples: np.ndarray) -> np.ndarray:
        outputs = runner(samples=samples[None], sample_lengths=np.array([len(samples)], np.int32))
        return next(iter(outputs.values()))[0]

    return run


if __name__ == "__main__":
    main()
