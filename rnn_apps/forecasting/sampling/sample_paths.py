"""Sample paths: joint draws over the whole horizon.

A DeepAR draws step by step (`ancestral_sampling`). The other models forecast each step's own
distribution, and paths drawn from those one by one would jump about. Their draws are joined as the
truth was joined in the past, by the Schaake shuffle (Clark et al. 2004): for windows of the
validation part, the probability that the forecast gave to each step's truth makes a trajectory
over the horizon; n of these trajectories are taken, and at every step the n draws are put in the
order of the trajectories' ranks. So each step keeps its own forecast distribution exactly, and the
dependence between steps (the rank copula) is the one observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import ConfigurationError, DataError
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.heads.marginals import probabilities, values_at
from rnn_apps.forecasting.network.build import head_of
from rnn_apps.forecasting.network.inputs import model_part
from rnn_apps.forecasting.sampling.ancestral_sampling import AncestralSampler

Array = NDArray[np.float64]

_MOST_TRAJECTORIES = 2_000


class RankTrajectories:
    """The probabilities that past forecasts gave to the truth, window by window.

    Args:
        probabilities: [windows, horizon], in (0, 1).
    """

    def __init__(self, probabilities: Array) -> None:
        self.probabilities = np.asarray(probabilities, np.float64)

    def draw(self, paths: int, generator: np.random.Generator) -> Array:
        """Probabilities [paths, horizon]: evenly spread at each step, joined as observed."""
        count, horizon = self.probabilities.shape
        chosen = generator.choice(count, size=paths, replace=paths > count)
        # Noise far below any difference between probabilities breaks ties by chance.
        taken = self.probabilities[chosen] + generator.uniform(0.0, 1e-12, (paths, horizon))
        ranks = taken.argsort(axis=0).argsort(axis=0)
        return (ranks + generator.uniform(size=(paths, horizon))) / paths

    def save(self, path: str | Path) -> None:
        """Writes the trajectories as .npy, atomically."""
        with atomic_path(path) as beside, open(beside, "wb") as file:
            np.save(file, self.probabilities.astype(np.float32))

    @classmethod
    def load(cls, path: str | Path) -> RankTrajectories:
        """Reads what `save` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            stored = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"holds no rank trajectories: {error}", file=path) from None
        if stored.ndim != 2 or not len(stored):
            raise DataError("holds no rank trajectories", file=path)
        return cls(stored)


def rank_trajectories(
    model: keras.Model,
    config: ForecastingConfig,
    batches: Iterable[tuple[Mapping[str, Any], Any, Any]],
    *,
    most: int = _MOST_TRAJECTORIES,
) -> RankTrajectories:
    """Learns the dependence between steps from windows that training has not seen.

    Args:
        model: from `build_model`, trained.
        batches: (inputs, targets, weights), such as an epoch of the validation part; shuffled, if
            there are more than `most` windows.
        most: trajectories to keep. Only windows with all of their truth observed count.

    Raises:
        ConfigurationError: the output is a point.
        DataError: no window has all of its truth.
    """
    _check_samplable(config)
    generator = np.random.default_rng(config.seed)
    found: list[Array] = []
    for inputs, targets, weights in batches:
        whole = np.asarray(weights).min(axis=1) > 0
        parameters = _raw_parameters(model, config, inputs)[whole]
        truth = np.asarray(targets, np.float64)[whole]
        found.append(probabilities(config.output, parameters, truth, generator, config.quantiles))
        if sum(map(len, found)) >= most:
            break
    if not sum(map(len, found)):
        raise DataError("no validation window has all of its truth, from which paths are joined")
    return RankTrajectories(np.concatenate(found)[:most])


def sample_paths(
    model: keras.Model,
    config: ForecastingConfig,
    description: DataDescription,
    inputs: Mapping[str, Any],
    *,
    paths: int,
    seed: int,
    trajectories: RankTrajectories | None = None,
) -> NDArray[np.float32]:
    """Draws paths over the horizon for each window, in the data's unit.

    Args:
        model: from `build_model`, trained.
        config, description: those that it was built with.
        inputs: a batch of raw inputs.
        paths: how many are drawn for each window, at least 1.
        seed: the same seed gives the same paths.
        trajectories: from `rank_trajectories`; not needed by a DeepAR.

    Returns:
        float32 [batch, paths, horizon].

    Raises:
        ConfigurationError: the output is a point, or trajectories are missing.
    """
    _check_samplable(config)
    if paths < 1:
        raise ConfigurationError(f"paths = {paths} must be at least 1")
    if config.model == "deepar":
        sampler = AncestralSampler(model, config, description, paths)
        given: dict[str, Any] = {
            name: tf.convert_to_tensor(inputs[name]) for name in sampler.signature if name != "seed"
        }
        given["seed"] = tf.constant([seed, 0], tf.int32)
        return sampler.sample(given)["samples"].numpy()
    if trajectories is None:
        raise ConfigurationError(
            f"model = {config.model!r} joins its steps into paths as validation windows show, and "
            "no window of the validation part had all of its truth: train with another split"
        )
    generator = np.random.default_rng(seed)
    parameters = _raw_parameters(model, config, inputs)
    drawn = np.stack([trajectories.draw(paths, generator) for _ in parameters])
    repeated = np.broadcast_to(parameters[:, None], (len(parameters), paths, *parameters.shape[1:]))
    return values_at(config.output, repeated, drawn, config.quantiles).astype(np.float32)


def _check_samplable(config: ForecastingConfig) -> None:
    if config.output == "point":
        raise ConfigurationError(
            "output = 'point' has no distribution to draw from: train with output = 'quantiles', "
            "'gaussian', 'student_t' or 'negative_binomial'"
        )
    if config.output == "quantiles" and len(config.quantiles) < 2:
        raise ConfigurationError("sample paths need at least two quantiles")


def _raw_parameters(
    model: keras.Model, config: ForecastingConfig, inputs: Mapping[str, Any]
) -> Array:
    """The head's parameters [batch, horizon, K] in the data's unit."""
    taken = model_part({k: tf.convert_to_tensor(v) for k, v in inputs.items()}, model)
    outputs = model(taken, training=False)
    raw = head_of(config).affine(outputs["parameters"], outputs["location"], outputs["scale"])
    return np.asarray(raw, np.float64)
