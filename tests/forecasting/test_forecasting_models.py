"""The forecasting models: every network and cell, raw values in and out, and what is refused."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.series.splits import parse_split
from pipelines.series.time_series import SeriesSet, TimeSeries
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.features.calendar_features import CalendarFeatures
from rnn_apps.forecasting.features.calendar_names import CALENDAR_FEATURES, usable_features
from rnn_apps.forecasting.features.description import DataDescription, describe
from rnn_apps.forecasting.going_on import Beginning
from rnn_apps.forecasting.network.build import build_model
from rnn_apps.forecasting.network.capabilities import (
    calendar_features,
    capabilities,
    capability_table,
    check_capabilities,
)
from rnn_apps.forecasting.network.inputs import input_specification, model_part
from rnn_apps.forecasting.network.normalisation import WindowScaler
from rnn_apps.forecasting.network.objective import make_objective
from rnn_apps.forecasting.network.registry import network_names
from rnn_apps.forecasting.network.segment import ParallelDecoder
from rnn_apps.forecasting.sampling.sample_paths import (
    RankTrajectories,
    rank_trajectories,
    sample_paths,
)
from rnn_apps.training.optimisation.precision import layer_precision

LOOKBACK, HORIZON, BATCH = 12, 10, 4
CELLS = ("simple", "lstm", "gru")
PLAIN = DataDescription(
    series_names=("only",), location=(5.0,), scale=(2.0,), step_minutes=60.0, span_minutes=1e6
)
RICH = dataclasses.replace(
    PLAIN,
    series_names=("a", "b", "c"), location=(1.0, -2.0, 30.0), scale=(1.0, 2.0, 10.0),
    past_names=("flow",), past_location=(1.0,), past_scale=(2.0,),
    future_names=("price", "holiday"), future_location=(3.0, 0.0), future_scale=(1.0, 1.0),
    static_names=("size",), static_location=(0.0,), static_scale=(1.0,),
)  # fmt: skip
NO_PAST = dataclasses.replace(RICH, past_names=(), past_location=(), past_scale=())


def config_of(**changes: Any) -> ForecastingConfig:
    settings: dict[str, Any] = {
        "lookback": LOOKBACK, "horizon": HORIZON, "units": 6, "segment_length": 4, "layers": 2,
        "calendar": ("none",), "output": "point", "dropout": 0.2,
    }  # fmt: skip
    return ForecastingConfig(**{**settings, **changes})


def batch_of(
    config: ForecastingConfig, description: DataDescription, seed: int = 0
) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    batch: dict[str, Any] = {}
    for name, (shape, dtype) in input_specification(config, description).items():
        if name == "times":
            start = generator.integers(2**24, 2**25, (BATCH, 1))
            batch[name] = (start + 60 * np.arange(shape[0])).astype(np.int32)
        elif dtype == "int32":
            batch[name] = (np.arange(BATCH) % len(description.series_names)).astype(np.int32)
        else:
            batch[name] = generator.normal(3.0, 2.0, (BATCH, *shape)).astype(np.float32)
    return {name: tf.constant(value) for name, value in batch.items()}


def truth_of(seed: int = 9) -> tf.Tensor:
    values = np.random.default_rng(seed).poisson(3.0, (BATCH, HORIZON))
    return tf.constant(values.astype(np.float32))


def forecast(config: ForecastingConfig, description: DataDescription, batch: Any) -> np.ndarray:
    keras.utils.set_random_seed(3)
    deployed = deployment_model(build_model(config, description), config, description)
    return deployed(batch)["forecast"].numpy()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("model", network_names())
def test_every_model_and_cell_trains_saves_and_forecasts(
    model: str, cell: str, tmp_path: Path
) -> None:
    """One pass with everything the model takes: gradients reach all weights; a file keeps all."""
    outputs = {"direct": "quantiles", "deepar": "student_t", "segment": "gaussian"}
    output = outputs.get(model, "point")
    config = config_of(
        model=model, cell=cell, output=output, normalisation="revin", series_embedding=2,
        calendar=("time_of_day", "day_of_week"),
    )  # fmt: skip
    description = RICH if capabilities()[model].past else NO_PAST
    network = build_model(config, description)
    batch = batch_of(config, description)
    objective = make_objective(config)
    with tf.GradientTape() as tape:
        loss, weight = objective(network, (batch, truth_of(), tf.ones((BATCH, HORIZON))), True)
    gradients = tape.gradient(loss, network.trainable_variables)
    assert float(weight) == BATCH * HORIZON
    assert np.isfinite(float(loss))
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        if "bias" not in variable.path:
            assert np.abs(np.asarray(tf.convert_to_tensor(gradient))).max() > 0, variable.path
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    first = deployment_model(network, config, description)(batch)
    second = deployment_model(again, config, description)(batch)
    assert first["forecast"].shape == (BATCH, HORIZON)
    assert ("quantiles" in first) == (output != "point" and model != "deepar")
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


@pytest.mark.parametrize("output", ["point", "gaussian", "negative_binomial"])
@pytest.mark.parametrize("cell", CELLS)
def test_deepar_forecasts_as_teacher_forcing_with_its_own_forecast(cell: str, output: str) -> None:
    """The exported loop and the training graph are one recurrence."""
    normalisation = "none" if output == "negative_binomial" else "last_value"
    config = config_of(
        model="deepar", cell=cell, output=output, normalisation=normalisation, series_embedding=2
    )
    description = NO_PAST
    if output == "negative_binomial":
        description = dataclasses.replace(NO_PAST, location=(0.0, 0.0, 0.0))
    network = build_model(config, description)
    batch = batch_of(config, description)
    loop = deployment_model(network, config, description)(batch)["forecast"]
    outputs = network({**batch, "future_target": loop})
    # Parameter 0 is the mean of all three heads.
    mean = outputs["parameters"][..., 0] * outputs["scale"] + outputs["location"]
    np.testing.assert_allclose(mean, loop, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("model", ["direct", "encoder_decoder", "deepar"])
def test_the_options_of_a_cell_reach_every_recurrent_layer(model: str) -> None:
    config = config_of(model=model, cell="mogrifier", cell_options=("rounds=2", "rank=0"))
    network = build_model(config, NO_PAST)
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.RNN)]
    assert layers and all(layer.cell.rounds == 2 and layer.cell.rank == 0 for layer in layers)
    batch = batch_of(config, NO_PAST)
    deployed = deployment_model(network, config, NO_PAST)(batch)["forecast"]
    if model == "deepar":
        outputs = network({**batch, "future_target": deployed})
        mean = outputs["parameters"][..., 0] * outputs["scale"] + outputs["location"]
        np.testing.assert_allclose(mean, deployed, rtol=2e-5, atol=2e-5)


def test_deepar_sees_only_what_came_before() -> None:
    config = config_of(model="deepar", normalisation="last_value")
    network = build_model(config, PLAIN)
    batch = batch_of(config, PLAIN)
    truth = truth_of().numpy()
    changed = truth.copy()
    changed[:, 6:] += 50.0
    first, second = (
        network({**batch, "future_target": tf.constant(values)})["parameters"].numpy()
        for values in (truth, changed)
    )
    # The value of step 6 is fed to step 7 first.
    np.testing.assert_array_equal(first[:, :7], second[:, :7])
    assert (first[:, 7] != second[:, 7]).all()


@pytest.mark.parametrize("model", network_names())
def test_the_scaler_is_inside(model: str) -> None:
    """Data in another unit, described as such, gives the same forecast in that unit."""
    config = config_of(model=model, normalisation="none")
    batch = batch_of(config, PLAIN)
    other = dataclasses.replace(PLAIN, location=(5.0 * 16 + 3,), scale=(2.0 * 16,))
    moved = {"past_target": batch["past_target"] * 16.0 + 3.0}
    expected = forecast(config, PLAIN, batch) * 16.0 + 3.0
    np.testing.assert_allclose(forecast(config, other, moved), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("model", network_names())
def test_last_value_moves_with_the_level_of_the_window(model: str) -> None:
    config = config_of(model=model, normalisation="last_value")
    batch = batch_of(config, PLAIN)
    moved = {"past_target": batch["past_target"] + 64.0}
    expected = forecast(config, PLAIN, batch) + 64.0
    np.testing.assert_allclose(forecast(config, PLAIN, moved), expected, atol=1e-3)


@pytest.mark.parametrize("changes", [{"normalisation": "revin"}, {"scaling": "window"}])
def test_revin_and_window_scaling_follow_level_and_spread(changes: dict[str, str]) -> None:
    config = config_of(model="segment", **{"normalisation": "none", **changes})
    batch = batch_of(config, PLAIN)
    moved = {"past_target": batch["past_target"] * 4.0 + 20.0}
    expected = forecast(config, PLAIN, batch) * 4.0 + 20.0
    np.testing.assert_allclose(forecast(config, PLAIN, moved), expected, rtol=2e-3, atol=1e-2)


@pytest.mark.parametrize("unit", [1e-28, 1e-9, 1e21, 1e37])
def test_scaling_by_the_window_is_free_of_units(unit: float) -> None:
    window = np.random.default_rng(0).normal(10.0, 1.0, (3, 16)).astype(np.float32)
    plain, location, scale = WindowScaler()(window)
    # The statistics that runs were trained with before windows were divided by their largest value.
    variance = window.var(axis=1, keepdims=True) + 1e-6 * np.square(location)
    np.testing.assert_allclose(scale, np.sqrt(variance), rtol=1e-5)
    scaled, moved, wider = WindowScaler()(window * np.float32(unit))
    np.testing.assert_allclose(scaled, plain, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moved, location * unit, rtol=1e-5)
    np.testing.assert_allclose(wider, scale * unit, rtol=1e-4)


def test_constant_windows_have_a_scale() -> None:
    window = np.array([[0.0] * 8, [5.0] * 8, [-3e30] * 8], np.float32)
    scaled, location, scale = WindowScaler()(window)
    np.testing.assert_allclose(location[:, 0], [0.0, 5.0, -3e30], rtol=1e-6)
    np.testing.assert_allclose(scale[:, 0], [1e-6, 5e-3, 3e27], rtol=1e-5)
    assert not np.asarray(scaled).any()


def test_an_ensemble_is_the_mean_of_its_networks(tmp_path: Path) -> None:
    config = config_of(
        model="segment", output="quantiles", ensemble_level_steps=(4,), series_embedding=2
    )
    network = build_model(config, RICH)
    batch = batch_of(config, RICH)
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    found = deployment_model(again, config, RICH)(batch)["quantiles"].numpy()
    assert (np.diff(found, axis=-1) >= 0).all()
    restored = keras.Model(network.input, network.get_layer("window_restore").output)
    first, second = restored(batch), network.get_layer("member_2")(batch)["parameters"]
    assert not np.allclose(first, second)
    outputs = network(batch)
    np.testing.assert_allclose(outputs["parameters"], (first + second) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("output", ["point", "quantiles", "gaussian", "student_t"])
def test_a_linear_shortcut_moves_the_forecast_by_a_linear_map_of_the_window(output: str) -> None:
    config = config_of(model="segment", output=output, shortcut="linear")
    network = build_model(config, PLAIN)
    deployed = deployment_model(network, config, PLAIN)
    batch = batch_of(config, PLAIN)
    before = deployed(batch)
    kernel, bias = network.get_layer("shortcut").weights
    assert not np.any(kernel)
    line = np.random.default_rng(0).normal(size=kernel.shape)
    kernel.assign(line)
    bias.assign(np.arange(config.horizon))
    normalised = batch["past_target"] - batch["past_target"][:, -1:]
    # Scaling is linear: the location falls out of the difference, the scale out of the map.
    moved = np.asarray(normalised) @ line + PLAIN.scale[0] * np.arange(config.horizon)
    after = deployed(batch)
    np.testing.assert_allclose(after["forecast"] - before["forecast"], moved, rtol=1e-3, atol=1e-3)
    for name in set(before) - {"forecast"}:
        difference = after[name] - before[name]
        np.testing.assert_allclose(
            difference, np.broadcast_to(moved[..., None], difference.shape), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("cell", CELLS)
def test_the_parallel_decoder_is_one_step_of_the_keras_cell(cell: str) -> None:
    units, segments = 6, 3
    decoder = ParallelDecoder(cell, units, segments)
    generator = np.random.default_rng(0)
    states = [
        tf.constant(generator.normal(size=(BATCH, units)).astype(np.float32))
        for _ in range(2 if cell == "lstm" else 1)
    ]
    context = tf.constant(generator.normal(size=(BATCH, 2)).astype(np.float32))
    found = decoder(states, context=context).numpy()
    kinds = {
        "simple": keras.layers.SimpleRNNCell, "lstm": keras.layers.LSTMCell,
        "gru": keras.layers.GRUCell,
    }  # fmt: skip
    reference = kinds[cell](units)
    reference.build((None, units // 2 + 2))
    kernel = np.concatenate([decoder.position.kernel, decoder.described.kernel])
    recurrent_bias = np.asarray(decoder.recurrent.bias)
    bias = np.asarray(decoder.bias)
    both = np.stack([bias, recurrent_bias]) if cell == "gru" else bias + recurrent_bias
    reference.set_weights([kernel, np.asarray(decoder.recurrent.kernel), both])
    for segment in range(segments):
        position = np.broadcast_to(np.asarray(decoder.positions)[segment], (BATCH, units // 2))
        expected, _ = reference(np.concatenate([position, context], axis=1), states)
        np.testing.assert_allclose(found[:, segment], expected, atol=1e-6)


@pytest.mark.parametrize("model", network_names())
def test_mixed_precision_deploys_in_float32(model: str) -> None:
    config = config_of(model=model, precision="mixed_bfloat16", normalisation="none")
    with layer_precision("mixed_bfloat16"):
        network = build_model(config, PLAIN)
    batch = {"past_target": 1e6 + batch_of(config, PLAIN)["past_target"]}
    outputs = network(model_part({**batch, "future_target": truth_of()}, network))
    assert {value.dtype for value in outputs.values()} == {tf.float32}
    deployed = deployment_model(network, config, PLAIN)
    assert {layer.compute_dtype for layer in deployed.layers} == {"float32"}
    assert np.isfinite(deployed(batch)["forecast"]).all()


def test_a_missing_truth_has_no_part_in_the_loss() -> None:
    config = config_of(model="direct", dropout=0.0)
    network, objective = build_model(config, PLAIN), make_objective(config)
    batch, truth = batch_of(config, PLAIN), truth_of().numpy()
    weights = np.ones_like(truth)
    weights[1] = 0.0
    truth[1] = np.nan
    with tf.GradientTape() as tape:
        loss, weight = objective(network, (batch, tf.constant(truth), tf.constant(weights)), True)
    rest = {"past_target": tf.gather(batch["past_target"], [0, 2, 3])}
    expected, _ = objective(
        network, (rest, tf.constant(truth[[0, 2, 3]]), tf.ones((3, HORIZON))), True
    )
    assert float(weight) == 3 * HORIZON
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    gradients = tape.gradient(loss, network.trainable_variables)
    assert all(np.isfinite(np.asarray(tf.convert_to_tensor(g))).all() for g in gradients)


@pytest.mark.parametrize("settings", [
    {"output": "point", "loss": "mae"},
    {"output": "point", "loss": "mse"},
    {"output": "quantiles", "scaling": "window"},
])  # fmt: skip
def test_training_counts_errors_as_mase_does(settings: dict[str, Any]) -> None:
    """Weighted fully, the loss of a window is its error over the seasonal error of its series."""
    several = dataclasses.replace(
        PLAIN, series_names=("a", "b", "c"), location=(1.0, 2.0, 3.0), scale=(1.0, 4.0, 0.5)
    )
    config = config_of(model="segment", dropout=0.0, mase_weighting=1.0, **settings)
    network, batch = build_model(config, several), batch_of(config, PLAIN)
    batch["series_index"] = tf.constant([0, 1, 1, 2])
    seasonal = np.array([0.5, 8.0, np.nan], np.float32)
    weighted = make_objective(config, seasonal)
    plain = make_objective(dataclasses.replace(config, mase_weighting=0.0))
    scales = network(model_part(batch, network))["scale"].numpy()[:, 0]
    for row in range(BATCH):
        one = {name: value[row : row + 1] for name, value in batch.items()}
        example = (one, truth_of()[row : row + 1], tf.ones((1, HORIZON)))
        loss, weight = weighted(network, example, False)
        unweighted, count = plain(network, example, False)
        ratio = scales[row] / seasonal[int(batch["series_index"][row])]
        expected = 1.0 if np.isnan(ratio) else ratio ** (2 if settings.get("loss") == "mse" else 1)
        assert float(weight) == pytest.approx(float(count) * expected, rel=1e-4)
        assert float(loss) == pytest.approx(float(unweighted) * expected, rel=1e-4)


def test_calendar_features_are_those_of_the_calendar() -> None:
    times = pd.date_range("1999-12-01", "2004-03-10", freq="7h13min")
    minutes = np.asarray(times, "datetime64[m]").astype(np.int64).astype(np.int32)
    found = CalendarFeatures(CALENDAR_FEATURES)(minutes[None]).numpy()[0]
    march = pd.to_datetime([f"{t.year - (t.month < 3)}-03-01" for t in times])
    positions = {
        "time_of_day": (times.hour * 60 + times.minute) / 1440,
        "day_of_week": times.dayofweek / 7,
        "day_of_month": (times.day - 1) / 31,
        "day_of_year": (times.normalize() - march).days / 366,
    }
    for index, name in enumerate(CALENDAR_FEATURES):
        angle = 2 * np.pi * positions[name]
        np.testing.assert_allclose(found[:, 2 * index], np.sin(angle), atol=2e-6)
        np.testing.assert_allclose(found[:, 2 * index + 1], np.cos(angle), atol=2e-6)


def test_auto_takes_the_cycles_that_the_data_covers_twice() -> None:
    day = 1440.0
    assert usable_features(30.0, 365 * day) == ("time_of_day", "day_of_week", "day_of_month")
    assert usable_features(day, 800 * day) == ("day_of_week", "day_of_month", "day_of_year")
    assert usable_features(60.0, 1.5 * day) == ()
    assert usable_features(31 * day, 3650 * day) == ("day_of_year",)
    config = config_of(calendar=("auto",))
    assert calendar_features(config, PLAIN) == usable_features(60.0, 1e6)


def series_set_of(values: np.ndarray, **changes: Any) -> SeriesSet:
    rows = len(values)
    times = np.datetime64("2024-01-01", "s") + np.arange(rows) * np.timedelta64(3600, "s")
    none = np.zeros((rows, 0), np.float32)
    one = TimeSeries(
        "calls", times, values.astype(np.float32), np.isfinite(values), none, none,
        np.zeros(0, np.float32),
    )  # fmt: skip
    return SeriesSet((one,), "h", **changes)


def test_the_description_knows_the_training_part_alone(tmp_path: Path) -> None:
    values = np.concatenate([np.tile([1.0, 3.0], 35), np.full(30, 1e6)])
    found = describe(series_set_of(values), parse_split("0.7,0.1,0.2"), config_of())
    assert (found.location, found.scale) == ((2.0,), (1.0,))
    assert (found.step_minutes, found.span_minutes) == (60.0, 69 * 60.0)
    found.save(tmp_path / "data.json")
    assert DataDescription.load(tmp_path / "data.json") == found
    counts = describe(
        series_set_of(values), parse_split("0.7,0.1,0.2"),
        config_of(output="negative_binomial", normalisation="none"),
    )  # fmt: skip
    assert (counts.location, counts.scale) == ((0.0,), (2.0,))


def test_negative_counts_are_refused() -> None:
    config = config_of(output="negative_binomial", normalisation="none")
    with pytest.raises(DataError, match=r"'calls'.*-4.*student_t"):
        describe(series_set_of(np.array([1.0, -4.0] * 20)), parse_split("0.7,0.1,0.2"), config)


@pytest.mark.parametrize(
    ("changes", "description", "message"),
    [
        ({"model": "deepar"}, RICH, "deepar.*past covariates.*flow.*direct"),
        ({"model": "deepar", "output": "quantiles"}, PLAIN, "quantiles.*deepar.*student_t"),
        ({"model": "deepar", "lookback": 1}, PLAIN, "at least 2"),
        ({"model": "segment", "lookback": 14}, PLAIN, "not a multiple.*lookback = 16"),
        ({"output": "quantiles", "quantiles": (0.1, 0.9)}, PLAIN, "lack 0.5"),
        ({"output": "quantiles", "quantiles": (0.5, 0.1)}, PLAIN, "rising"),
        ({"output": "negative_binomial"}, PLAIN, "needs normalisation = 'none'"),
        ({"scaling": "window", "series_embedding": 3}, PLAIN, "series_embedding"),
        ({"level_steps": 13}, PLAIN, "13 steps is more than lookback = 12"),
        ({"model": "deepar", "ensemble_level_steps": (2,)}, PLAIN, "other than 'deepar'"),
        ({"model": "deepar", "shortcut": "linear"}, PLAIN, "step by step.*shortcut = none"),
        (
            {"output": "negative_binomial", "normalisation": "none", "shortcut": "linear"},
            PLAIN,
            "counts start at 0",
        ),
        ({"output": "gaussian", "mase_weighting": 0.5}, PLAIN, "likelihood.*mase_weighting = 0"),
        ({"calendar": ("auto", "day_of_week")}, PLAIN, "'auto' cannot be combined"),
        ({"calendar": ("none", "day_of_week")}, PLAIN, "'none' cannot be combined"),
        ({"cell": "elman"}, PLAIN, "choose from simple, lstm, gru"),
        ({"cell_options": ("rounds=1",)}, PLAIN, "has no option 'rounds'. Available: none"),
        ({"cell": "mogrifier"}, PLAIN, "which model = 'segment' computes beforehand"),
        ({"dropout": 1.0}, PLAIN, "below 1"),
    ],
)
def test_what_does_not_go_together_is_refused(
    changes: dict[str, Any], description: DataDescription, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){message}"):
        build_model(config_of(**changes), description)


def test_what_the_table_allows_is_taken() -> None:
    for model, capability in capabilities().items():
        description = RICH if capability.past else NO_PAST
        for output in capability.outputs:
            normalisation = "none" if output == "negative_binomial" else "revin"
            check_capabilities(
                config_of(model=model, output=output, normalisation=normalisation), description
            )


def test_the_documents_table_is_the_codes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "forecasting-models.md").read_text("utf-8")
    shown = text.split("<!-- capabilities -->")[1].split("<!-- /capabilities -->")[0]
    assert shown.strip() == capability_table()


def test_keras_reads_a_saved_model_once_the_package_names_are_imported() -> None:
    """The file was written when its layers stood in other modules: only their names remain."""
    root = Path(__file__).parents[2]
    file = root / "saved_models/forecast/electricity-demand/model.keras"
    script = (
        "import keras; from rnn_apps.forecasting import build_model; "
        f"print(keras.saving.load_model({str(file)!r}, compile=False).name)"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert found.stdout.strip().endswith("segment_gru"), found.stderr


def test_paths_of_a_deepar_follow_the_seed_and_its_mean() -> None:
    config = config_of(model="deepar", output="gaussian", normalisation="last_value")
    network = build_model(config, PLAIN)
    batch = batch_of(config, PLAIN)
    paths = sample_paths(network, config, PLAIN, batch, paths=300, seed=1)
    assert paths.shape == (BATCH, 300, HORIZON)
    np.testing.assert_array_equal(
        paths, sample_paths(network, config, PLAIN, batch, paths=300, seed=1)
    )
    assert (paths != sample_paths(network, config, PLAIN, batch, paths=300, seed=2)).any()
    # Nothing has been fed back before the first step: its draws are those of its distribution.
    first = network({**batch, "future_target": truth_of()})["parameters"][:, 0].numpy()
    mean, deviation = first[:, 0] * 2.0 + 5.0, first[:, 1] * 2.0
    assert (np.abs(paths[:, :, 0].mean(axis=1) - mean) < 4 * deviation / np.sqrt(300)).all()
    np.testing.assert_allclose(paths[:, :, 0].std(axis=1), deviation, rtol=0.2)


def test_joined_paths_keep_each_step_and_the_order_of_the_past() -> None:
    config = config_of(model="direct", output="gaussian", normalisation="none")
    network = build_model(config, PLAIN)
    batch = batch_of(config, PLAIN)
    # In the past, a window was above its forecast at all even steps or at none.
    side = np.random.default_rng(0).uniform(0.01, 0.99, (500, 1))
    flip = np.where(np.arange(HORIZON) % 2, -1.0, 1.0)
    trajectories = RankTrajectories(0.5 + flip * (side - 0.5))
    paths = sample_paths(
        network, config, PLAIN, batch, paths=400, seed=0, trajectories=trajectories
    )
    joined = np.corrcoef(paths[0].T)
    assert joined[0, 2] > 0.95
    assert joined[0, 1] < -0.95
    outputs = network(batch)
    mean = outputs["parameters"][..., 0] * 2.0 + 5.0
    deviation = outputs["parameters"][..., 1] * 2.0
    np.testing.assert_allclose(paths.mean(axis=1), mean, atol=0.02 * float(np.max(deviation)))
    np.testing.assert_allclose(paths.std(axis=1), deviation, rtol=0.03)


def test_trajectories_are_learnt_from_whole_windows(tmp_path: Path) -> None:
    config = config_of(model="direct", output="quantiles", normalisation="none")
    network = build_model(config, PLAIN)
    batch = batch_of(config, PLAIN)
    weights = np.ones((BATCH, HORIZON), np.float32)
    weights[2, 4] = 0.0
    found = rank_trajectories(network, config, [(batch, truth_of(), weights)])
    assert found.probabilities.shape == (BATCH - 1, HORIZON)
    assert (found.probabilities > 0).all() and (found.probabilities < 1).all()
    found.save(tmp_path / "trajectories.npy")
    kept = RankTrajectories.load(tmp_path / "trajectories.npy")
    np.testing.assert_allclose(kept.probabilities, found.probabilities, atol=1e-6)
    (tmp_path / "damaged.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match="damaged"):
        RankTrajectories.load(tmp_path / "damaged.npy")


def test_a_point_has_no_paths() -> None:
    config = config_of(model="direct")
    with pytest.raises(ConfigurationError, match="no distribution"):
        sample_paths(build_model(config, PLAIN), config, PLAIN, {}, paths=1, seed=0)


def test_a_window_of_zeros_does_not_outweigh_all_others() -> None:
    config = config_of(model="direct", dropout=0.0, scaling="window")
    draw = np.random.default_rng(0)
    past = draw.poisson(2.0, (65, LOOKBACK)).astype(np.float32)
    truth = draw.poisson(2.0, (65, HORIZON)).astype(np.float32)
    past[64], truth[64] = 0.0, np.arange(HORIZON) % 2
    network, objective = build_model(config, PLAIN), make_objective(config)

    def mean_loss(windows: int) -> float:
        batch = {"past_target": tf.constant(past[:windows])}
        weights = tf.ones((windows, HORIZON))
        loss, weight = objective(network, (batch, tf.constant(truth[:windows]), weights), False)
        return float(loss) / float(weight)

    assert mean_loss(65) == pytest.approx(mean_loss(64), rel=0.1)


def test_going_on_reads_the_calendar_in_the_order_of_the_weights() -> None:
    begun = Beginning(None, PLAIN, ("time_of_day", "day_of_week"))
    for calendar in (("auto",), ("day_of_week", "time_of_day"), begun.calendar):
        assert begun.config(config_of(calendar=calendar)).calendar == begun.calendar
    for calendar in (("day_of_week", "day_of_year"), ("time_of_day",), ("none",)):
        with pytest.raises(ConfigurationError, match="reads time_of_day, day_of_week"):
            begun.config(config_of(calendar=calendar))
    plain = Beginning(None, PLAIN, ("none",))
    assert plain.config(config_of(calendar=("none",))).calendar == ("none",)
