"""Every forecasting network and output, and every kind of attention, is right as C."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from rnn_apps.export import SignatureRequest
from rnn_apps.export.c import export_c, export_c_functions
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.build import build_model
from rnn_apps.forecasting.network.capabilities import capabilities
from rnn_apps.forecasting.network.inputs import input_specification
from rnn_apps.layers import load_model
from rnn_apps.translation.device.device_models import TOKENS, decoding_examples, device_models

LOOKBACK, HORIZON, ROWS = 12, 6, 4
SERIES = DataDescription(
    series_names=("a", "b", "c"), location=(1.0, -2.0, 30.0), scale=(1.0, 2.0, 10.0),
    step_minutes=60.0, span_minutes=1e6,
    past_names=("flow",), past_location=(1.0,), past_scale=(2.0,),
    future_names=("price", "holiday"), future_location=(3.0, 0.0), future_scale=(1.0, 1.0),
    static_names=("size",), static_location=(0.0,), static_scale=(1.0,),
)  # fmt: skip
CALENDAR = ("time_of_day", "day_of_week", "day_of_month", "day_of_year")
# Each network with some outputs, cells, transformations and normalisations.
FORECASTERS: dict[str, dict[str, Any]] = {
    "segment": {"output": "quantiles", "calendar": CALENDAR, "transform": "log1p"},
    "segment counts": {"model": "segment", "output": "negative_binomial", "normalisation": "none"},
    "segment averaged": {"model": "segment", "output": "point", "ensemble_level_steps": (1, 3)},
    "direct": {"output": "gaussian", "normalisation": "revin", "cell": "lstm"},
    "encoder_decoder": {"output": "student_t", "scaling": "window", "cell": "mingru"},
    "deepar": {"output": "student_t", "normalisation": "last_value", "cell": "cifg"},
    "deepar counts": {"model": "deepar", "output": "negative_binomial", "normalisation": "none"},
}
TRANSLATORS = sorted(
    (Path(__file__).parents[1] / "fixtures" / "translation_models").glob("*.keras")
)


def description_for(network: str) -> DataDescription:
    """The series without the covariates that the network cannot take."""
    taken, changes = capabilities()[network], {}
    for kind in ("past", "future", "static"):
        if not getattr(taken, kind):
            changes |= {f"{kind}_names": (), f"{kind}_location": (), f"{kind}_scale": ()}
    return dataclasses.replace(SERIES, **changes)


def windows(config: ForecastingConfig, description: DataDescription) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}
    for name, (shape, dtype) in input_specification(config, description).items():
        if name == "times":
            start = draw.integers(2**24, 2**25, (ROWS, 1))
            made[name] = (start + 60 * np.arange(shape[0])).astype(np.int32)
        elif dtype == "int32":
            made[name] = (np.arange(ROWS) % 3).astype(np.int32)
        else:
            made[name] = draw.uniform(0.5, 6.0, (ROWS, *shape)).astype(np.float32)
    return made


def check_forecaster(name: str, folder: Path) -> None:
    settings = {"model": name, "calendar": ("none",), **FORECASTERS[name]}
    config = ForecastingConfig(
        lookback=LOOKBACK, horizon=HORIZON, units=5, segment_length=3, **settings
    )
    description = description_for(config.model)
    keras.utils.set_random_seed(3)
    model = deployment_model(build_model(config, description), config, description)

    result = export_c(
        model, folder / "code", representative_data=windows(config, description), tolerance=2e-5
    )

    assert {error.output for error in result.errors} == set(model.output)
    assert all(error.within for error in result.errors)


def test_a_forecaster_with_a_calendar_and_a_logarithm(tmp_path: Path) -> None:
    check_forecaster("segment", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FORECASTERS if name != "segment"])
def test_every_network_forecasts_as_c(name: str, tmp_path: Path) -> None:
    check_forecaster(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", TRANSLATORS, ids=lambda path: path.stem)
def test_every_attention_decodes_as_c(path: Path, tmp_path: Path) -> None:
    model = load_model(path)
    encoder, decoder = device_models(model, positions=8)
    draw = np.random.default_rng(1)
    size = model.network.source_vocabulary
    sources = [draw.integers(3, size, length).astype(np.int32) for length in (3, 5, 7)]
    padded = [np.pad(np.append(source, 2), (0, 7 - len(source))) for source in sources]
    padded = [source.astype(np.int32) for source in padded]
    steps = decoding_examples(encoder, decoder, padded, 9)

    written = export_c_functions(
        {
            "encode": SignatureRequest(
                encoder, representative_data=[{TOKENS: one[None]} for one in padded]
            ),
            "decode_step": SignatureRequest(decoder, representative_data=steps, batch_size=1),
        },
        tmp_path / "code",
        name="translator",
    )

    for result in written.functions.values():
        assert all(error.within for error in result.errors)
