"""A forecasting network of a user's own, from the recipe in CONTRIBUTING to the device."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps import forecasting
from rnn_apps.application.command_line import main
from rnn_apps.forecasting import ForecastingConfig
from rnn_apps.forecasting.config import OUTPUTS
from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network import registry
from rnn_apps.forecasting.network.build import build_model
from rnn_apps.forecasting.network.capabilities import capability_table
from rnn_apps.forecasting.network.inputs import input_specification
from rnn_apps.forecasting.network.network import Capability, Network, find_network, network
from rnn_apps.forecasting.sampling.sample_paths import sample_paths

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
LOOKBACK, HORIZON, ROWS = 12, 4, 200
SHAPE = ["--lookback", str(LOOKBACK), "--horizon", str(HORIZON), "--split", "120,40,40"]
ONE_SERIES = DataDescription(
    series_names=("only",), location=(5.0,), scale=(2.0,), step_minutes=60.0, span_minutes=1e6
)


@pytest.fixture(scope="module", autouse=True)
def _toys() -> Iterator[None]:
    """Registers the recipe's network, and one that feeds its forecast back, for this file alone."""
    known = set(registry.network_names())
    recipe = CONTRIBUTING.read_text("utf-8").split("\n### A forecasting network\n")[1]
    code = recipe.split("```python\n")[1].split("```")[0]
    exec(compile(code, CONTRIBUTING.name, "exec"), {"__name__": "network_of_the_recipe"})
    importlib.import_module("toy_feedback_network")
    assert set(registry.network_names()) - known == {"toy", "toy_feedback"}
    yield
    for name in set(registry.network_names()) - known:
        del registry._CLASSES[name]
    del sys.modules["toy_feedback_network"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A series of demand by the hour with a holiday that is known ahead, as CSV."""
    hours = np.arange(ROWS + HORIZON)
    holiday = (hours % 24 == 0).astype(float)
    demand = 20 + 5 * np.sin(2 * np.pi * hours / 24) + holiday
    demand += np.random.default_rng(1).normal(size=len(hours))
    demand[ROWS:] = np.nan
    times = pd.date_range("2024-01-01", periods=len(hours), freq="h")
    path = tmp_path_factory.mktemp("data") / "demand.csv"
    pd.DataFrame({"time": times, "demand": demand, "holiday": holiday}).to_csv(path, index=False)
    return f"file:{path}"


def settings(model: str, **changes: Any) -> ForecastingConfig:
    shape: dict[str, Any] = {
        "lookback": LOOKBACK, "horizon": HORIZON, "units": 4, "output": "point", "model": model,
    }  # fmt: skip
    return ForecastingConfig(**{**shape, **changes})


def test_it_trains_evaluates_predicts_and_exports_by_the_command_line(
    data: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def json_of(*arguments: str) -> dict[str, Any]:
        capfd.readouterr()
        assert main(["forecast", *arguments, "--json"]) == 0
        return dict(json.loads(capfd.readouterr().out))

    run = str(tmp_path / "run")
    json_of(
        "train", "--data", data, "--run", run, "--model", "toy", "--units", "4", *SHAPE,
        "--targets", "demand", "--future-covariates", "holiday", "--epochs", "1",
        "--no-gradient-flow",
    )  # fmt: skip
    evaluated = json_of("evaluate", "--run", run)
    assert evaluated["windows"] == 40 - HORIZON + 1
    # Intervals are calibrated on 37 validation windows, so that they cover about what they say.
    assert 0.5 < evaluated["coverage_80"] <= 1.0
    table = tmp_path / "forecast.csv"
    json_of("predict", "--run", run, "--to", str(table), "--samples", "3")
    frame = pd.read_csv(table)
    assert (frame["quantile_0.1"] < frame["quantile_0.9"]).all()
    assert frame[["sample_1", "sample_2", "sample_3"]].notna().all(axis=None)
    exported = tmp_path / "exported"
    written = json_of("export", "--run", run, "--to", str(exported))
    differences = [row[2] for row in written["table"]["rows"]]
    assert len(differences) == 2 and max(differences) < 1e-3

    reopened = forecasting.load(run)
    window = {name: value[:1] for name, value in np.load(Path(run) / "example_windows.npz").items()}
    served = tf.saved_model.load(exported / "saved_model")
    inputs = {tensor.name: tf.constant(window[tensor.name]) for tensor in reopened.deployed.inputs}
    found = served.signatures["serving_default"](**inputs)["forecast"]
    np.testing.assert_allclose(found, reopened.deployed(inputs)["forecast"], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--past-covariates", "holiday"], "'toy' takes no past covariates (holiday)"),
        (["--output", "gaussian"], "with model = 'toy'. Available: point, quantiles"),
        (["--calendar", "day_of_week"], "'toy' takes no calendar features (day_of_week)"),
        (["--series-embedding", "2"], "'toy' takes no series embedding"),
    ],
)
def test_what_it_has_not_declared_is_refused(
    arguments: list[str], message: str, data: str, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = tmp_path / "run"
    command = ["forecast", "train", "--data", data, "--run", str(run), "--model", "toy", *SHAPE]
    if "--past-covariates" not in arguments:
        command += ["--future-covariates", "holiday"]
    assert main([*command, "--targets", "demand", *arguments]) == 2
    said = " ".join(capfd.readouterr().err.split())
    assert message in said
    assert "Traceback" not in said
    assert not run.exists()


def test_a_calendar_that_is_chosen_by_itself_is_left_out() -> None:
    config = settings("toy", calendar=("auto",))
    assert list(input_specification(config, ONE_SERIES)) == ["past_target"]
    assert "times" in input_specification(settings("direct", calendar=("auto",)), ONE_SERIES)


def test_the_table_of_the_declarations_has_it() -> None:
    row = "| toy | no | yes | no | no | no | point, quantiles | copula |"
    assert row in capability_table().splitlines()


def test_an_autoregressive_network_is_deployed_and_sampled_as_one_recurrence() -> None:
    config = settings("toy_feedback", output="gaussian", normalisation="none")
    model = build_model(config, ONE_SERIES)
    past = tf.constant(np.random.default_rng(2).normal(5.0, 2.0, (3, LOOKBACK)), tf.float32)
    deployed = deployment_model(model, config, ONE_SERIES)({"past_target": past})
    assert "quantiles" not in deployed
    outputs = model({"past_target": past, "future_target": deployed["forecast"]})
    mean = outputs["parameters"][..., 0] * outputs["scale"] + outputs["location"]
    np.testing.assert_allclose(mean, deployed["forecast"], rtol=2e-5, atol=2e-5)
    paths = sample_paths(model, config, ONE_SERIES, {"past_target": past}, paths=400, seed=1)
    assert paths.shape == (3, 400, HORIZON)
    # Nothing has been fed back before the first step.
    deviation = (outputs["parameters"][:, 0, 1] * outputs["scale"][:, 0]).numpy()
    errors = np.abs(paths[:, :, 0].mean(axis=1) - deployed["forecast"][:, 0].numpy())
    assert (errors < 4 * deviation / np.sqrt(400)).all()


class Silent(Network):
    """A network that cannot be sampled."""

    def outputs(self, features: Any, width: int) -> Any:
        """Builds nothing: the config is refused before."""
        raise AssertionError("a refused network was built")


def test_paths_that_were_not_declared_are_refused() -> None:
    network("silent", outputs=("quantiles",))(Silent)
    config = settings("silent", output="quantiles")
    with pytest.raises(ConfigurationError, match=r"'silent' draws no sample paths.*direct"):
        sample_paths(None, config, ONE_SERIES, {}, paths=1, seed=0)


def test_declarations_that_cannot_be_served_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'deepar' is taken by .*network\.deepar"):
        network("deepar", outputs=OUTPUTS)(Silent)
    with pytest.raises(ConfigurationError, match="model = 'transformer': choose from direct"):
        find_network("transformer")
    with pytest.raises(ValueError, match=r"outputs = \('gamma',\): choose from point"):
        Capability(outputs=("gamma",))
    with pytest.raises(ValueError, match="paths by 'copula', or declares 'none'"):
        Capability(outputs=OUTPUTS, sample_paths="ancestral")
    with pytest.raises(ValueError, match="feeds its forecast back draws paths by 'ancestral'"):
        Capability(outputs=OUTPUTS, sample_paths="copula", autoregressive=True)
