"""The heads against scipy's distributions, and what must hold by construction."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rnn_apps.forecasting.config import OUTPUTS
from rnn_apps.forecasting.heads.heads import Head, make_head
from rnn_apps.forecasting.heads.marginals import probabilities, values_at

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
ZERO, ONE = tf.zeros((1, 1)), tf.ones((1, 1))


def parameters(output: str, *values: float) -> tf.Tensor:
    """[1, 1, K]"""
    return tf.constant([[values]], tf.float32)


def row(batch: int, *values: float) -> tf.Tensor:
    return tf.constant([[value] for value in values[:batch]], tf.float32)


@settings(max_examples=60, deadline=None)
@given(
    raw=st.lists(st.floats(-1e4, 1e4, width=32), min_size=5, max_size=5),
    shift=st.floats(-1e6, 1e6, width=32),
    factor=st.floats(2.0**-13, 1e5, width=32),
)
def test_quantiles_never_cross(raw: list[float], shift: float, factor: float) -> None:
    head = make_head("quantiles", quantiles=LEVELS)
    found = head.parameters(tf.constant([[raw]], tf.float32))
    moved = head.affine(found, row(1, shift), row(1, factor))
    for values in (found, moved):
        assert (np.diff(values.numpy(), axis=-1) >= 0).all()


def test_the_first_raw_number_is_the_median_and_steps_go_outwards() -> None:
    head = make_head("quantiles", quantiles=LEVELS)
    raw = tf.constant([[[7.0, 0.0, 1.0, 2.0, 3.0]]])
    steps = np.log1p(np.exp([0.0, 1.0, 2.0, 3.0]))
    expected = [7 - steps[0] - steps[1], 7 - steps[0], 7, 7 + steps[2], 7 + steps[2] + steps[3]]
    np.testing.assert_allclose(head.parameters(raw).numpy()[0, 0], expected, rtol=1e-6)
    assert head.forecast(head.parameters(raw)).numpy()[0, 0] == 7.0


def test_pinball_loss_is_least_at_the_quantile() -> None:
    head = make_head("quantiles", quantiles=(0.1, 0.5, 0.9))
    truth = np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32)
    zeros, ones = tf.zeros((4000, 1)), tf.ones((4000, 1))

    def loss(levels: np.ndarray) -> float:
        spread = tf.constant(np.broadcast_to(levels, (4000, 1, 3)).astype(np.float32))
        return float(tf.reduce_mean(head.loss(spread, truth, zeros, ones)))

    right = stats.norm.ppf([0.1, 0.5, 0.9])
    assert loss(right) < min(loss(right + 0.2), loss(right - 0.2), loss(right * 1.3))


@pytest.mark.parametrize("error", ["mse", "mae", "huber"])
def test_point_losses(error: str) -> None:
    head = make_head("point", error=error)
    found = head.loss(parameters("point", 3.0), tf.constant([[9.0]]), row(1, 1.0), row(1, 2.0))
    # The truth is (9 - 1) / 2 = 4 in scaled space, the error 1.
    assert found.numpy()[0, 0] == pytest.approx({"mse": 1.0, "mae": 1.0, "huber": 0.5}[error])
    far = head.loss(parameters("point", 3.0), tf.constant([[15.0]]), row(1, 1.0), row(1, 2.0))
    assert far.numpy()[0, 0] == pytest.approx({"mse": 16.0, "mae": 4.0, "huber": 3.5}[error])


@pytest.mark.parametrize(
    ("output", "values", "truth", "expected"),
    [
        ("gaussian", (1.0, 2.0), 0.3, -stats.norm.logpdf(0.3, 1.0, 2.0)),
        ("student_t", (3.0, 1.0, 2.0), 9.0, -stats.t.logpdf(9.0, 3.0, 1.0, 2.0)),
        ("student_t", (200.0, 0.0, 0.5), 0.1, -stats.t.logpdf(0.1, 200.0, 0.0, 0.5)),
        ("negative_binomial", (4.0, 0.5), 7.0, -stats.nbinom.logpmf(7, 2.0, 1 / 3)),
        ("negative_binomial", (4.0, 0.5), 0.0, -stats.nbinom.logpmf(0, 2.0, 1 / 3)),
        ("negative_binomial", (1e4, 1e-5), 9950.0, -stats.nbinom.logpmf(9950, 1e5, 1 / 1.1)),
    ],
)
def test_losses_are_the_negative_log_likelihood(
    output: str, values: tuple[float, ...], truth: float, expected: float
) -> None:
    found = make_head(output).loss(parameters(output, *values), tf.constant([[truth]]), ZERO, ONE)
    assert found.dtype == tf.float32
    assert found.numpy()[0, 0] == pytest.approx(expected, rel=2e-4, abs=2e-4)


@pytest.mark.parametrize("degrees", [2.01, 2.5, 4.0, 30.0, 1e4])
def test_student_t_quantiles_match_scipy(degrees: float) -> None:
    levels = (0.005, 0.1, 0.5, 0.75, 0.99)
    found = make_head("student_t").quantiles(parameters("t", degrees, 1.0, 2.0), levels).numpy()
    np.testing.assert_allclose(found[0, 0], stats.t.ppf(levels, degrees, 1.0, 2.0), rtol=2e-4,
                               atol=1e-5)  # fmt: skip


@pytest.mark.parametrize(
    ("mean", "dispersion"), [(0.2, 3.0), (4.0, 0.5), (90.0, 0.05), (300.0, 1.0)]
)
def test_negative_binomial_quantiles_are_scipys(mean: float, dispersion: float) -> None:
    found = make_head("negative_binomial").quantiles(
        parameters("nb", mean, dispersion), (0.1, 0.5, 0.9)
    )
    successes = 1 / dispersion
    expected = stats.nbinom.ppf((0.1, 0.5, 0.9), successes, successes / (successes + mean))
    # One count of rounding where the cumulative probability meets the level.
    assert np.abs(found.numpy()[0, 0] - expected).max() <= (0 if mean < 100 else 1)


def test_negative_binomial_quantiles_of_little_dispersion_are_scipys() -> None:
    levels = (0.005, 0.1, 0.5, 0.9, 0.975, 0.99, 0.995, 0.999)
    mean, dispersion = np.meshgrid([0.1, 5.0, 40.0, 100.0, 200.0, 600.0], 10.0 ** np.arange(-9, 0))
    parameters = np.stack([mean.ravel(), dispersion.ravel()], axis=-1).astype(np.float32)
    found = make_head("negative_binomial").quantiles(tf.constant(parameters), levels).numpy()
    mean, dispersion = parameters.astype(np.float64).T[..., np.newaxis]
    expected = stats.nbinom.ppf(levels, 1 / dispersion, 1 / (1 + dispersion * mean))
    within = expected < 1000
    assert within.mean() > 0.9
    np.testing.assert_allclose(found[within], expected[within], atol=1)
    assert (found[within] == expected[within]).mean() > 0.98


def test_negative_binomial_quantiles_beyond_the_table_are_close() -> None:
    found = make_head("negative_binomial").quantiles(
        parameters("nb", 20_000.0, 0.01), (0.1, 0.5, 0.9)
    )
    expected = stats.nbinom.ppf((0.1, 0.5, 0.9), 100, 100 / 20_100)
    np.testing.assert_allclose(found.numpy()[0, 0], expected, rtol=2e-3)


@pytest.mark.parametrize(
    ("output", "values", "mean", "deviation"),
    [
        ("gaussian", (1.0, 2.0), 1.0, 2.0),
        ("student_t", (6.0, 1.0, 2.0), 1.0, 2.0 * np.sqrt(6 / 4)),
        ("negative_binomial", (4.0, 0.5), 4.0, np.sqrt(4 + 0.5 * 16)),
    ],
)
def test_samples_have_the_moments_and_follow_the_seed(
    output: str, values: tuple[float, ...], mean: float, deviation: float
) -> None:
    head = make_head(output)
    many = tf.repeat(parameters(output, *values), 60_000, axis=0)
    seed = tf.constant([3, 5], tf.int32)
    drawn = head.sample(many, seed).numpy()
    assert drawn.mean() == pytest.approx(mean, abs=0.05)
    assert drawn.std() == pytest.approx(deviation, rel=0.04)
    assert (drawn == head.sample(many, seed).numpy()).all()
    assert (drawn != head.sample(many, seed + 1).numpy()).any()


@pytest.mark.parametrize(
    ("output", "values"),
    [("gaussian", (0.5, 0.2)), ("student_t", (4.0, 0.5, 0.2)), ("quantiles", (0.1, 0.2, 0.5))],
)
def test_affine_moves_quantiles_with_the_values(output: str, values: tuple[float, ...]) -> None:
    head = make_head(output, quantiles=(0.1, 0.5, 0.9))
    before = head.quantiles(parameters(output, *values), (0.1, 0.5, 0.9))
    moved = head.affine(parameters(output, *values), row(1, 10.0), row(1, 3.0))
    after = head.quantiles(moved, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(after, before * 3.0 + 10.0, rtol=1e-6)


def test_counts_scale_twice_as_they_scale_at_once() -> None:
    head = make_head("negative_binomial")
    zero = row(1, 0.0)
    twice = head.affine(parameters("nb", 2.0, 0.5), zero, row(1, 3.0))
    twice = head.affine(twice, zero, row(1, 5.0))
    once = head.affine(parameters("nb", 2.0, 0.5), zero, row(1, 15.0))
    np.testing.assert_allclose(twice, once, rtol=1e-6)


@pytest.mark.parametrize("output", OUTPUTS)
def test_extreme_outputs_of_the_network_give_finite_losses(output: str) -> None:
    head: Head = make_head(output, quantiles=LEVELS)
    for size in (-60.0, 0.0, 60.0):
        raw = tf.fill((2, 3, head.width), tf.constant(size, tf.float16))
        found = head.parameters(raw)
        assert found.dtype == tf.float32
        loss = head.loss(found, tf.fill((2, 3), 2.0), tf.zeros((2, 1)), tf.ones((2, 1)))
        assert np.isfinite(loss.numpy()).all()


@pytest.mark.parametrize(
    ("output", "values", "levels"),
    [
        ("gaussian", (1.0, 2.0), ()),
        ("student_t", (4.0, 1.0, 2.0), ()),
        ("quantiles", (-1.0, 0.5, 4.0), (0.1, 0.5, 0.9)),
    ],
)
def test_probabilities_and_values_are_each_others_inverse(
    output: str, values: tuple[float, ...], levels: tuple[float, ...]
) -> None:
    chance = np.linspace(0.02, 0.98, 49)
    given_parameters = np.broadcast_to(np.asarray(values), (49, len(values)))
    found = values_at(output, given_parameters, chance, levels)
    assert (np.diff(found) > 0).all()
    back = probabilities(output, given_parameters, found, np.random.default_rng(0), levels)
    np.testing.assert_allclose(back, chance, atol=1e-9)


def test_count_probabilities_of_the_truth_are_uniform() -> None:
    generator = np.random.default_rng(1)
    truth = stats.nbinom.rvs(2.0, 1 / 3, size=20_000, random_state=2).astype(float)
    given_parameters = np.broadcast_to(np.array([4.0, 0.5]), (20_000, 2))
    found = probabilities("negative_binomial", given_parameters, truth, generator)
    assert stats.kstest(found, "uniform").statistic < 0.015
