"""Every forecasting model passes the contract that all applications' models share."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
import tensorflow as tf
from model_contract import check_model, check_saved_model, check_tflite
from test_forecasting_models import (
    BATCH,
    HORIZON,
    NO_PAST,
    RICH,
    batch_of,
    config_of,
    truth_of,
)

from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.network.build import build_model
from rnn_apps.forecasting.network.objective import make_objective


@pytest.mark.parametrize(
    ("model", "cell", "output"),
    [
        ("segment", "gru", "quantiles"),
        pytest.param("direct", "lstm", "student_t", marks=pytest.mark.slow),
        pytest.param("encoder_decoder", "simple", "point", marks=pytest.mark.slow),
        pytest.param("deepar", "gru", "gaussian", marks=pytest.mark.slow),
    ],
)
def test_contract(model: str, cell: str, output: str, tmp_path: Path) -> None:
    description = NO_PAST if model == "deepar" else RICH
    config = config_of(model=model, cell=cell, output=output, layers=1, series_embedding=2)
    inputs = batch_of(config, description)
    # In training a DeepAR also reads the truth, which the objective feeds to it.
    taught = {**inputs, "future_target": truth_of()} if model == "deepar" else inputs
    batch = (taught, truth_of(), tf.ones((BATCH, HORIZON)))
    keras.utils.set_random_seed(1)
    trained = check_model(
        lambda: build_model(config, description), batch, make_objective(config), tmp_path
    )
    deployed = deployment_model(trained, config, description)
    check_saved_model(deployed, inputs, tmp_path / "saved_model")
    check_tflite(deployed, inputs, tmp_path / "model.tflite")
