"""Sample paths: joint draws over the whole horizon.

A network that feeds its forecast back draws step by step (`ancestral_sampling`). The other networks
forecast a distribution for each step on its own; independent draws from those would jump from step
to step. The Schaake shuffle (Clark et al. 2004) gives the draws the dependence that true values had
in the past. For each window of the validation part, the probabilities that the forecast gave to the
true values form a trajectory over the horizon. n of these trajectories are taken, and at every step
the n draws are put in the order of the trajectories' ranks. So each step keeps its own forecast
distribution exactly, and the dependence between steps (the rank copula) is the observed one.
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
from rnn_apps.forecasting.network.capabilities import capabilities
from rnn_apps.forecasting.network.inputs import model_part
from rnn_apps.forecasting.network.network import find_network
from rnn_apps.forecasting.network.outputs import head_of
from rnn_apps.forecasting.network.transforms import restored, transformed
from rnn_apps.forecasting.sampling.ancestral_sampling import AncestralSampler

Array = NDArray[np.float64]

_MOST_TRAJECTORIES = 2_000


class RankTrajectories:
    """The probabilities that past forecasts gave to the true values, window by window.

    Args:
        probabilities: probabilities [windows, horizon], in (0, 1).
    """

    def __init__(self, probabilities: Array) -> None:
        self.probabilities = np.asarray(probabilities, np.float64)

    def draw(self, paths: int, generator: np.random.Generator) -> Array:
        """Probabilities [paths, horizon]: uniform at each step, with the observed dependence."""
        count, horizon = self.probabilities.shape
        chosen = generator.choice(count, size=paths, replace=paths > count)
        # Noise far below any difference between probabilities breaks ties at random.
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
            raise DataError(f"does not hold rank trajectories: {error}", file=path) from None
        if stored.ndim != 2 or not len(stored):
            raise DataError("does not hold rank trajectories", file=path)
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
        model: trained model, from `build_model`.
        config: configuration that the model was built with.
        batches: batches of (inputs, targets, weights), such as an epoch of the validation part;
            shuffled, if there are more than `most` windows.
        most: number of trajectories to keep. Only windows whose true values were all observed
            count.

    Raises:
        ConfigurationError: the output is a point, or the network draws no sample paths.
        DataError: no window has all of its true values.
    """
    _check_samplable(config)
    generator = np.random.default_rng(config.seed)
    trajectories: list[Array] = []
    for inputs, targets, weights in batches:
        whole = np.asarray(weights).min(axis=1) > 0
        parameters = _raw_parameters(model, config, inputs)[whole]
        truth = np.asarray(transformed(tf.cast(targets, tf.float32), config.transform), np.float64)[
            whole
        ]
        trajectories.append(
            probabilities(config.output, parameters, truth, generator, config.quantiles)
        )
        if sum(map(len, trajectories)) >= most:
            break
    if not sum(map(len, trajectories)):
        raise DataError(
            "no validation window has all of its true values, so the dependence between horizon "
            "steps is unknown"
        )
    return RankTrajectories(np.concatenate(trajectories)[:most])


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
        model: trained model, from `build_model`.
        config: configuration that the model was built with.
        description: data description that the model was built with.
        inputs: batch of raw inputs by name.
        paths: number of paths per window, at least 1.
        seed: seed of the draws; the same seed gives the same paths.
        trajectories: observed dependence between steps, from `rank_trajectories`; None for a
            network that draws step by step.

    Returns:
        float32 [batch, paths, horizon].

    Raises:
        ConfigurationError: the output is a point, the network draws no sample paths, or
            trajectories are missing.
    """
    _check_samplable(config)
    if paths < 1:
        raise ConfigurationError(f"paths = {paths} must be at least 1")
    if find_network(config.model).capability.sample_paths == "ancestral":
        sampler = AncestralSampler(model, config, description, paths)
        tensors: dict[str, Any] = {
            name: tf.convert_to_tensor(inputs[name]) for name in sampler.signature if name != "seed"
        }
        tensors["seed"] = tf.constant([seed, 0], tf.int32)
        return sampler.sample(tensors)["samples"].numpy()
    if trajectories is None:
        raise ConfigurationError(
            f"model = {config.model!r} learns the dependence between horizon steps from validation "
            "windows, and there was none with all of its true values: train with another split"
        )
    generator = np.random.default_rng(seed)
    parameters = _raw_parameters(model, config, inputs)
    drawn = np.stack([trajectories.draw(paths, generator) for _ in parameters])
    repeated = np.broadcast_to(parameters[:, None], (len(parameters), paths, *parameters.shape[1:]))
    values = values_at(config.output, repeated, drawn, config.quantiles).astype(np.float32)
    return np.asarray(restored(values, config.transform))


def _check_samplable(config: ForecastingConfig) -> None:
    if find_network(config.model).capability.sample_paths == "none":
        able = [name for name, other in capabilities().items() if other.sample_paths != "none"]
        raise ConfigurationError(
            f"model = {config.model!r} draws no sample paths: choose model = {' or '.join(able)}"
        )
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
    """The head's parameters [batch, horizon, K] in the data's unit, or its transform's."""
    taken = model_part({k: tf.convert_to_tensor(v) for k, v in inputs.items()}, model)
    outputs = model(taken, training=False)
    raw = head_of(config).affine(outputs["parameters"], outputs["location"], outputs["scale"])
    return np.asarray(raw, np.float64)
