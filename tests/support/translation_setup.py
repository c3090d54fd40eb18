"""Small translation models: one that has learnt to read digits backwards, and wild ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer
from pipelines.tokenizers.sentence_ids import (
    START,
    padded,
    sentence_ids,
    vocabulary_size,
)
from rnn_apps.application.run_training import claimed_run
from rnn_apps.translation.config import APPLICATION, TranslationConfig
from rnn_apps.translation.judging.example_pairs import FILE, save_examples
from rnn_apps.translation.network.model import Network, TranslationModel
from rnn_apps.translation.network.objective import make_objective
from rnn_apps.translation.run import Run, load
from rnn_apps.translation.trained import save_tokenizers

DIGITS = CharacterTokenizer("0123456789")
WORDS = WordTokenizer(["zero", "one", "two", "three", "four"])


def wild_model(
    source: Tokenizer = DIGITS, target: Tokenizer = DIGITS, seed: int = 3, **options: Any
) -> TranslationModel:
    """Weights far from their start, so that hypotheses differ."""
    sizes = {"units": 12, "embedding_size": 8, "tied": "none", **options}
    model = TranslationModel(Network(vocabulary_size(source), vocabulary_size(target), **sizes))
    generator = np.random.default_rng(seed)
    model.set_weights([generator.normal(0, 0.6, w.shape) for w in model.get_weights()])
    return model


def digit_pairs(count: int, seed: int = 0, longest: int = 6) -> list[tuple[str, str]]:
    """Strings of 1 to `longest` digits, and the same backwards."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, longest + 1, count)
    rows = ["".join(map(str, generator.integers(0, 10, length))) for length in lengths]
    return [(row, row[::-1]) for row in rows]


def trained_model(steps: int = 400, **options: Any) -> TranslationModel:
    """Reads digits backwards, nearly always rightly."""
    keras.utils.set_random_seed(5)
    size = vocabulary_size(DIGITS)
    model = TranslationModel(Network(size, size, **{"units": 48, "embedding_size": 24, **options}))
    objective = make_objective(0.0)
    optimizer = keras.optimizers.Adam(5e-3)
    optimizer.build(model.trainable_variables)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)] * 2, autograph=False)
    def step(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        starts = tf.fill([tf.shape(target)[0], 1], START)
        before = tf.concat([starts, target[:, :-1]], axis=1)
        weights = tf.cast(target != 0, tf.float32)
        with tf.GradientTape() as tape:
            batch = ({"source": source, "target": before}, target, weights)
            # Without dropout both are alike; what trains is compiled, which takes longer than this.
            loss, weight = objective(model, batch, False)
            loss /= weight
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    for number in range(steps):
        pairs = digit_pairs(64, seed=number + 1)
        source, target = (
            padded([sentence_ids(DIGITS, pair[side]) for pair in pairs]) for side in (0, 1)
        )
        step(tf.constant(source), tf.constant(target))
    return model


def made_run(folder: Path, model: TranslationModel, pairs: list[tuple[str, str]]) -> Run:
    """A run as training leaves it, with a model over `DIGITS` that was made elsewhere."""
    config = TranslationConfig(
        run=str(folder / "run"),
        tokenizer="characters",
        cell=model.network.cell,
        beam_width=3,
        # Every sentence is one word, and BLEU counts sequences of four.
        bleu_tokenizer="char",
    )
    with claimed_run(config.run, APPLICATION) as made:
        with made.begin(config) as beside:
            save_tokenizers(beside, DIGITS, DIGITS)
        with made.finish() as beside:
            model.save(beside / made.model.name)
            save_examples(beside / FILE, *zip(*pairs, strict=True))
    return load(made.path)
