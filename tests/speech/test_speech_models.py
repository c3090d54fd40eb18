"""The acoustic model and its loss: shapes, padding, what it may look at, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.normalisation import Normaliser
from rnn_apps.layers.feature_normalisation import FeatureNormalisation
from rnn_apps.layers.lookahead import Lookahead
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.network.build import build_model
from rnn_apps.speech.network.objective import _divergences, make_objective
from rnn_apps.training.optimisation.precision import layer_precision

SIZE, LABELS = 12, 6
LENGTHS = np.array([37, 24, 9], np.int32)


def config(**options: Any) -> SpeechConfig:
    small = {"bands": SIZE, "filters": (3, 4), "units": 5, "layers": 2, "time_kernel": 3}
    return SpeechConfig(**{**small, **options})


def model_of(settings: SpeechConfig) -> keras.Model:
    """With weights large enough that every part of the model shows in its outputs."""
    keras.utils.set_random_seed(2)
    statistics = (np.linspace(-3, 2, SIZE), np.linspace(0.5, 3, SIZE))
    model = build_model(settings, SIZE, LABELS, statistics)
    generator = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.3 * generator.standard_normal(weight.shape).astype(np.float32))
    return model


def inputs(seed: int = 0) -> dict[str, np.ndarray]:
    features = np.random.default_rng(seed).normal(size=(3, 37, SIZE)).astype(np.float32)
    return {"features": features, "frame_lengths": LENGTHS}


VARIANTS = (
    {"cell": "gru", "lookahead": 3},
    {"cell": "lstm", "bidirectional": True, "layers": 1},
    {"cell": "simple", "layer_normalisation": "batch", "lookahead": 1},
    {"cell": "mogrifier", "cell_options": ("rounds=1", "rank=0"), "layers": 1},
    {"filters": (), "normalisation": "utterance", "layers": 1, "layer_normalisation": "none"},
)


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(map(str, options)))
def test_padding_changes_nothing_and_the_file_holds_everything(
    options: dict[str, Any], tmp_path: Path
) -> None:
    settings = config(**options)
    model = model_of(settings)
    batch = inputs()
    found = {name: value.numpy() for name, value in model(batch).items()}
    expected = [-(-length // settings.subsampling) for length in LENGTHS.tolist()]
    assert found["lengths"].tolist() == expected
    assert found["logits"].shape == (3, expected[0], LABELS)
    garbage = batch["features"].copy()
    for row, length in enumerate(LENGTHS.tolist()):
        garbage[row, length:] = 7.0
    polluted = model({**batch, "features": garbage})["logits"]
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(
            {"features": batch["features"][row : row + 1, :length],
             "frame_lengths": LENGTHS[row : row + 1]}
        )["logits"]  # fmt: skip
        for other in (alone[0], polluted[row, : expected[row]]):
            np.testing.assert_allclose(found["logits"][row, : expected[row]], other, atol=2e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(batch)["logits"], found["logits"])


def test_a_model_of_one_direction_looks_no_further_ahead_than_it_says() -> None:
    # Wide enough that no frame has all its units cut off by the activation.
    settings = config(lookahead=2, units=24)
    model = model_of(settings)
    features = inputs()["features"][:1]
    lengths = LENGTHS[:1]
    before = model({"features": features, "frame_lengths": lengths})["logits"].numpy()[0]
    changed = features.copy()
    changed[:, 28:] = 3.0 * inputs(1)["features"][:1, 28:]
    after = model({"features": changed, "frame_lengths": lengths})["logits"].numpy()[0]
    same = np.isclose(before, after, atol=1e-6).all(axis=-1)
    # Output t sees the frames up to subsampling x (t + lookahead): 4 x (4 + 2) = 24, 28 for t = 5.
    assert same.tolist() == [True] * 5 + [False] * 5


def test_the_loss_is_that_of_the_dense_reference_and_padding_costs_nothing() -> None:
    model = model_of(config())
    batch = inputs()
    labels = np.array([[1, 2, 3, 3], [4, 0, 0, 0], [2, 1, 0, 0]], np.int32)
    lengths = np.array([4, 1, 2], np.int32)
    weights = np.array([1, 0, 1], np.float32)
    targets = {"labels": labels, "label_lengths": lengths}
    found = make_objective()(model, (batch, targets, weights), False)
    outputs = model(batch)
    reference = tf.nn.ctc_loss(
        labels, outputs["logits"], lengths, outputs["lengths"], logits_time_major=False,
        blank_index=LABELS - 1,
    ).numpy()  # fmt: skip
    np.testing.assert_allclose(found[0], reference[0] + reference[2], rtol=1e-5)
    assert float(found[1]) == 6.0
    wider = {
        "features": np.pad(batch["features"], ((0, 0), (0, 20), (0, 0))), "frame_lengths": LENGTHS
    }  # fmt: skip
    more = {"labels": np.pad(labels, ((0, 0), (0, 3))), "label_lengths": lengths}
    padded = make_objective()(model, (wider, more, weights), False)
    np.testing.assert_allclose(padded[0], found[0], rtol=1e-5)


def test_consistency_adds_the_divergence_of_the_other_copy_which_is_taken_as_given() -> None:
    model = model_of(config(dropout=0.0))
    batch = inputs()
    other = batch["features"] + np.float32(0.5)
    both = {
        "features": np.concatenate([batch["features"], other]),
        "frame_lengths": np.tile(LENGTHS, 2),
    }
    labels = {"labels": np.ones((6, 1), np.int32), "label_lengths": np.ones(6, np.int32)}
    weights = np.array([1, 0, 1, 1, 0, 1], np.float32)
    outputs = model(both)
    scores = tf.nn.log_softmax(outputs["logits"]).numpy().astype(np.float64)
    expected = 0.0
    for row in (0, 2):
        for own, given in ((scores[row], scores[row + 3]), (scores[row + 3], scores[row])):
            frames = (np.exp(given) * (given - own)).sum(axis=-1)
            expected += frames[: int(outputs["lengths"][row])].sum()
    plain, count = make_objective()(model, (both, labels, weights), True)
    found, _ = make_objective(0.3)(model, (both, labels, weights), True)
    assert float(count) == 4.0 and expected > 1e-3
    np.testing.assert_allclose(found - plain, 0.3 * expected, rtol=1e-4)
    validated, _ = make_objective(0.3)(model, (both, labels, weights), False)
    np.testing.assert_allclose(validated, plain, rtol=1e-6)
    # What the other copy predicts has no gradient: the pull of both halves is p - q.
    logits = tf.constant(outputs["logits"])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        divergence = tf.reduce_sum(_divergences({"logits": logits, "lengths": outputs["lengths"]}))
    gradient = tape.gradient(divergence, logits).numpy()
    wanted = np.exp(scores) - np.exp(scores[[3, 4, 5, 0, 1, 2]])
    real = np.arange(wanted.shape[1])[None, :] < outputs["lengths"].numpy()[:, None]
    np.testing.assert_allclose(gradient, wanted * real[..., None], atol=1e-5)


def test_half_precision_keeps_the_logits_and_the_loss_in_float32() -> None:
    with layer_precision("mixed_bfloat16"):
        model = build_model(config(lookahead=2), SIZE, LABELS)
    outputs = model(inputs(), training=True)
    assert outputs["logits"].dtype == tf.float32
    assert model.get_layer("gru_1").compute_dtype == "bfloat16"
    targets = {"labels": np.ones((3, 1), np.int32), "label_lengths": np.ones(3, np.int32)}
    loss, _ = make_objective()(model, (inputs(), targets, np.ones(3, np.float32)), True)
    assert loss.dtype == tf.float32 and np.isfinite(float(loss))


def test_the_lookahead_is_a_weighted_sum_of_the_next_frames() -> None:
    layer = Lookahead(2)
    sequence = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    np.testing.assert_array_equal(layer(sequence), sequence)
    kernel = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    layer.set_weights([kernel])
    mask = np.arange(7) < np.array([[7], [5]])
    padded = np.pad(sequence * mask[..., None], ((0, 0), (0, 2), (0, 0)))
    expected = sum(kernel[j] * padded[:, j : j + 7] for j in range(3))
    found = layer(sequence, mask=tf.constant(mask)).numpy()
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(found[1, :5], expected[1, :5], atol=1e-6)
    assert Lookahead.from_config(layer.get_config()).frames == 2


@pytest.mark.parametrize("kind", ["global", "utterance"])
def test_normalisation_is_that_of_the_pipeline(kind: str) -> None:
    mean, deviation = np.linspace(-2, 2, SIZE), np.linspace(1e-5, 2, SIZE)
    normaliser = Normaliser(FeatureConfig(bands=SIZE, normalisation=kind), mean, deviation)
    layer = FeatureNormalisation(kind)
    features = inputs()["features"]
    real = np.arange(37) < LENGTHS[:, None]
    layer(features, real)
    if kind == "global":
        layer.set_statistics(mean, deviation)
    found = layer(features, real).numpy()
    for row, length in enumerate(LENGTHS.tolist()):
        expected = normaliser(features[row, :length])
        np.testing.assert_allclose(found[row, :length], expected, rtol=1e-4, atol=1e-4)
        assert not found[row, length:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_strides": (2,)}, "time_strides = 2 must be one number for each of the 2"),
        ({"bidirectional": True, "lookahead": 2}, "lookahead is for models that only know"),
        ({"jit_compile": True}, "XLA has no CTC loss"),
        ({"cell_options": ("rounds=1",)}, "cell = 'gru' has no option 'rounds'. Available: none"),
        ({"signal_to_noise": (20.0, 5.0)}, "signal_to_noise = 20.0,5.0 must be two numbers"),
        ({"window_seconds": 0.005}, "hop"),
        ({"bands": 40, "features": "mfcc", "coefficients": 50}, "coefficients = 50"),
    ],
)
def test_options_that_exclude_each_other_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_model(config(**options), SIZE, LABELS)
