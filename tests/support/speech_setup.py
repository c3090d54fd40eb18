"""A small speech recogniser for tests: untrained, or one that learns in seconds to read tones."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from sound_files import write_sound

from pipelines.speech import read_audio
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from rnn_apps.application.run_training import claimed_run
from rnn_apps.speech.config import APPLICATION, SpeechConfig
from rnn_apps.speech.network.build import build_model
from rnn_apps.speech.network.objective import make_objective
from rnn_apps.speech.run import Run, load
from rnn_apps.speech.run_data import load_parts, train_labels
from rnn_apps.speech.streaming import raw_features
from rnn_apps.speech.trained import TOKENIZER

ALPHABET = "abcdef "
BATCH = 32


def small_config(folder: Path, **options) -> SpeechConfig:
    small = {
        "run": str(folder / "run"),
        "data": f"file:{folder / 'recordings' / 'manifest.csv'}",
        "cache_dir": str(folder / "cache"),
        "processes": 1,
        "sample_rate": 8000,
        "bands": 20,
        "cell": "gru",
        "units": 12,
        "layers": 2,
        "filters": (4, 4),
        "time_kernel": 3,
        "frequency_kernel": 3,
        "lookahead": 2,
    }
    return SpeechConfig(**{**small, **options})


def small_model(config: SpeechConfig, labels: int) -> keras.Model:
    """With weights that make the outputs change from frame to frame and from label to label."""
    keras.utils.set_random_seed(3)
    size = config.feature_config().size
    statistics = (np.full(size, -12.0, np.float32), np.full(size, 4.0, np.float32))
    model = build_model(config, size, labels, statistics)
    generator = np.random.default_rng(5)
    for weight in model.trainable_weights:
        scale = 1.5 if weight.path.startswith("output") else 0.2
        weight.assign(weight + scale * generator.normal(size=weight.shape).astype("float32"))
    return model


def spoken(text: str, seed: int, length: int = 8000) -> np.ndarray:
    """A text in tones: each letter is a tone of its own, a space is silence; float32 at 8 kHz."""
    generator = np.random.default_rng(seed)
    time = np.arange(800) / 8000
    parts = [np.zeros(400 + generator.integers(400))]
    for character in text:
        pitch = 500 * (1 + ALPHABET.index(character)) * generator.uniform(0.97, 1.03)
        tone = 0.2 * np.hanning(len(time)) * np.sin(2 * np.pi * pitch * time)
        parts += [np.zeros_like(time) if character == " " else tone, np.zeros(240)]
    joined = np.concatenate(parts)[:length]
    joined = np.pad(joined, (0, length - len(joined)))
    return (joined + 0.002 * generator.normal(size=length)).astype(np.float32)


def write_recordings(folder: Path, count: int = 150) -> None:
    """Recordings of one length, a tenth of them for the test, and the list of them."""
    generator = np.random.default_rng(0)
    rows = ["path,transcript,speaker,part"]
    for number in range(count):
        words = ["".join(generator.choice(list(ALPHABET[:-1]), 2)) for _ in range(2)]
        text = " ".join(words)
        write_sound(folder / f"{number}.wav", spoken(text, number), 8000)
        part = "test" if number % 10 == 9 else "train"
        rows.append(f"{number}.wav,{text},s{number % 2},{part}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def tone_run(folder: Path, steps: int = 200, **options) -> Run:
    """A run that was trained, in seconds, to write what the tones say."""
    write_recordings(folder / "recordings")
    config = small_config(folder, **options)
    parts = load_parts(config)
    labels = train_labels(config, parts["train"])
    extract = SpeechFeatures(raw_features(config))
    features = np.stack([extract(read_audio(one.path, 8000)) for one in parts["train"]])
    texts = [labels.tokenizer.encode(one.transcript) for one in parts["train"]]
    keras.utils.set_random_seed(1)
    statistics = (features.mean((0, 1)), features.std((0, 1)))
    model = build_model(config, features.shape[-1], labels.size, statistics)
    everything = (tf.constant(features), tf.constant(np.stack(texts)))
    frames, length = features.shape[1], len(texts[0])
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(numbers: tf.Tensor) -> tf.Tensor:
        heard, said = (tf.gather(one, numbers) for one in everything)
        inputs = {"features": heard, "frame_lengths": tf.fill([BATCH], frames)}
        targets = {"labels": said, "label_lengths": tf.fill([BATCH], length)}
        with tf.GradientTape() as tape:
            loss, count = make_objective()(model, (inputs, targets, tf.ones([BATCH])), True)
            loss /= count
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    generator = np.random.default_rng(2)
    for _ in range(steps):
        loss = step(tf.constant(generator.choice(len(features), BATCH, replace=False)))
    assert float(loss) < 0.2, f"the tones were not learnt: {float(loss):.2f} nats a label"
    with claimed_run(config.run, APPLICATION) as found:
        with found.begin(config) as beside:
            labels.tokenizer.save(beside / TOKENIZER)
        with found.finish(training={}) as beside:
            model.save(beside / found.model.name)
    return load(found.path)
