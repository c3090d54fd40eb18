"""Targets that are transformed inside the model: what is trained, deployed, drawn and refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from pipelines import SeriesSet, load_series
from pipelines.base.errors import ConfigurationError, DataError
from rnn_apps import forecasting
from rnn_apps.edge import EdgeForecaster, load
from rnn_apps.forecasting.network.transforms import (
    check_transformable,
    restored,
    transformed,
)

CONFIG = forecasting.ForecastingConfig(
    run="", lookback=12, horizon=4, segment_length=4, units=8, epochs=2, batch_size=32,
    calendar=("none",), gradient_flow=False, transform="log", quantiles=(0.1, 0.5, 0.9),
)  # fmt: skip


def growth(steps: int = 240, start: float = 100.0) -> pd.DataFrame:
    """A series that grows by shares of itself: its logarithm is a line with a season."""
    step = np.arange(steps)
    values = start * np.exp(0.02 * step + 0.3 * np.sin(step * np.pi / 6))
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=steps, freq="h"), "y": values})


@pytest.mark.parametrize("transform", ["log", "log1p", "softplus", "none"])
def test_restoring_undoes_a_transformation(transform: str) -> None:
    values = tf.constant([1e-3, 0.5, 1.0, 7.0, 3e4])
    np.testing.assert_allclose(
        restored(transformed(values, transform), transform), values, rtol=1e-5, atol=1e-6
    )


def test_values_without_weight_stay_finite() -> None:
    values = tf.Variable([0.0, -1.0, 2.0])
    for transform in ("log", "log1p", "softplus"):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(transformed(values, transform) * tf.constant([0.0, 0.0, 1.0]))
        assert np.isfinite(tape.gradient(loss, values)).all()
    assert np.isfinite(restored(tf.constant([1e9]), "log")).all()


@pytest.mark.parametrize("settings", [
    {"output": "quantiles", "shortcut": "linear"},
    pytest.param({"output": "student_t", "model": "deepar"}, marks=pytest.mark.slow),
    pytest.param({"output": "gaussian", "scaling": "window"}, marks=pytest.mark.slow),
    pytest.param(
        {"output": "point", "loss": "mae", "ensemble_level_steps": (6,)}, marks=pytest.mark.slow
    ),
    pytest.param(
        {"output": "quantiles", "transform": "log1p", "model": "direct"}, marks=pytest.mark.slow
    ),
    pytest.param({"output": "quantiles", "transform": "softplus"}, marks=pytest.mark.slow),
], ids=lambda settings: "-".join(map(str, settings.values())))  # fmt: skip
def test_a_transformed_model_is_right_from_training_to_the_device(
    settings: dict, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, run=str(tmp_path / "run"), **settings)
    frame = growth()
    run = forecasting.train(config, data=frame)
    run.evaluate()
    forecast = run.predict(frame)
    assert (forecast["forecast"] > 0).all()
    # Another unit is another location of the logarithm; a window's own scale takes it out.
    if config.scaling == "window":
        tenfold = run.predict(frame.assign(y=frame.y * 10.0))
        np.testing.assert_allclose(tenfold["forecast"], 10.0 * forecast["forecast"], rtol=1e-3)
    run.export(tmp_path / "exported", formats=("tflite",))
    file = next((tmp_path / "exported").glob("*.tflite"))
    device = EdgeForecaster(load(file))
    window = frame.y.to_numpy(np.float32)[-config.lookback :]
    point = device(past_target=window)["forecast"]
    np.testing.assert_allclose(point, forecast["forecast"], rtol=1e-3)
    check_every_call(file, window, point)
    # Corrections are in units of the series, far more than these values: no quantile is below 0.
    assert run.yardsticks.calibrations["model"].smallest == 0
    small = frame.assign(y=frame.y / 1e4)
    quantiles = run.predict(small).filter(like="quantile").to_numpy()
    assert (quantiles >= 0).all()
    given = device(past_target=small.y.to_numpy(np.float32)[-config.lookback :])["quantiles"]
    np.testing.assert_allclose(given.reshape(quantiles.shape), quantiles, rtol=1e-3, atol=1e-5)


def check_every_call(file: Path, window: np.ndarray, point: np.ndarray) -> None:
    """Whatever the memory held before, no call of LiteRT's own interpreter differs from the first.

    With sizes that the file computed while it ran, every tenth interpreter did from its second call
    on.
    """
    content, generator, kept = file.read_bytes(), np.random.default_rng(0), []
    for _ in range(100):
        kept = (kept + [np.ones(size) for size in generator.integers(10, 5000, 20)][::2])[-500:]
        interpreter = Interpreter(model_content=content, num_threads=1)
        run = interpreter.get_signature_runner()
        for _ in range(3):
            np.testing.assert_allclose(run(past_target=window[None])["forecast"][0], point, 1e-4)


@pytest.mark.slow
def test_sample_paths_are_in_the_unit_of_the_data(tmp_path: Path) -> None:
    frame = growth()
    for model, output in (("segment", "quantiles"), ("deepar", "gaussian")):
        config = dataclasses.replace(
            CONFIG, run=str(tmp_path / model), model=model, output=output, epochs=1
        )
        run = forecasting.train(config, data=frame)
        forecast = run.predict(frame, samples=20, seed=1)
        values = forecast.filter(like="sample").to_numpy()
        assert values.shape == (config.horizon, 20)
        last = float(frame.y.iloc[-1])
        assert (values > 0).all()
        assert last / 100 < np.median(values) < last * 100


@pytest.mark.parametrize("value, transform, needed, advice", [
    (0.0, "log", "values above 0", "transform = log1p"),
    (-2.0, "log", "values above 0", "transform = none"),
    (-2.0, "log1p", "values of 0 or more", "transform = none"),
    (-2.0, "softplus", "values of 0 or more", "transform = none"),
])  # fmt: skip
def test_values_without_a_logarithm_are_refused(
    value: float, transform: str, needed: str, advice: str, tmp_path: Path
) -> None:
    frame = growth()
    frame.loc[50, "y"] = value
    config = dataclasses.replace(CONFIG, run=str(tmp_path / "run"), transform=transform)
    with pytest.raises(DataError, match=f"holds {value:g} at 2024-01-03 02:00.*{needed}") as caught:
        forecasting.train(config, data=frame)
    assert advice in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_trained_run_refuses_them_too(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, run=str(tmp_path / "run"), epochs=1)
    run = forecasting.train(config, data=growth())
    with pytest.raises(DataError, match="holds -1 at"):
        run.predict(growth().assign(y=-1.0))


def test_counts_are_not_transformed(tmp_path: Path) -> None:
    config = dataclasses.replace(
        CONFIG, run=str(tmp_path / "run"), output="negative_binomial", normalisation="none"
    )
    frame = growth().assign(y=lambda table: table.y.round())
    with pytest.raises(ConfigurationError, match="transform = 'log' is not available"):
        forecasting.train(config, data=frame)


def daily(values: list[float], missing: str = "forward_fill") -> SeriesSet:
    times = pd.date_range("2024", periods=len(values), freq="D")
    return load_series(pd.DataFrame({"a": values}, index=times), missing=missing)


def test_gaps_that_zeros_fill_have_no_logarithm() -> None:
    values = [1.0, 2.0, np.nan, 4.0, 5.0, 6.0]
    with pytest.raises(DataError, match=r"no value at 2024-01-03.*missing = zero") as caught:
        check_transformable(daily(values, "zero"), "log")
    assert "forward_fill" in str(caught.value)
    check_transformable(daily(values, "zero"), "log1p")
    check_transformable(daily(values), "log")
    check_transformable(daily([1.0, 2.0, 3.0], "zero"), "log")


def test_a_series_that_softplus_would_round_is_refused() -> None:
    with pytest.raises(DataError, match=r"holds 0.0005 at 2024-01-02.*softplus") as caught:
        check_transformable(daily([0.002, 5e-4, 0.003]), "softplus")
    assert "Multiply" in str(caught.value)
    check_transformable(daily([0.0, 5.0, 0.0]), "softplus")
    check_transformable(daily([3.0, 5e-4, 5.0]), "softplus")
    check_transformable(daily([0.3, 5e-4, 0.2]), "softplus")
    # A trained run cannot be given other units.
    check_transformable(daily([0.002, 5e-4, 0.003]), "softplus", to_train_on=False)
