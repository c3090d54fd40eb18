"""The task's own metric: measured with Keras and with the file, judged before it is published."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

from rnn_apps.edge import StreamingSession
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.export import ExportError, TaskMetric, export_tflite

DATA = np.random.default_rng(0).normal(size=(6, 9, 3)).astype(np.float32)
TARGETS = DATA.cumsum(axis=1)[:, :, :2]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(4)
    return Sequential(
        [
            Input((9, 3), name="series"),
            layers.GRU(6, return_sequences=True),
            layers.Dense(2, name="values"),
        ]
    )


def streamed_error(file: EdgeModel) -> float:
    """The mean absolute error of streams, one timestep at a time."""
    session = StreamingSession(file)
    errors = []
    for series, targets in zip(DATA[:2], TARGETS[:2], strict=True):
        session.reset()
        parts = [session.step(series[None, t : t + 1]) for t in range(len(series))]
        errors.append(np.abs(np.concatenate(parts, axis=1)[0] - targets).mean())
    return float(np.mean(errors))


def test_a_stream_is_measured_before_and_after_int8(model: keras.Model, tmp_path: Path) -> None:
    metric = TaskMetric("mean error", streamed_error, most_loss=0.05, measured_on="two series")
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target="tflm",
        mode="streaming",
        quantize="int8",
        representative_data=DATA,
        metric=metric,
    )
    assert result.metric is not None
    expected = np.abs(np.asarray(model(DATA[:2])) - TARGETS[:2]).mean()
    assert result.metric.keras == pytest.approx(expected, abs=1e-6)
    assert 0 < abs(result.metric.file - expected) <= 0.05
    assert result.card is not None
    card = json.loads(result.card.read_text(encoding="utf-8"))
    assert card["task_metric"] == {
        "name": "mean error",
        "keras": result.metric.keras,
        "file": result.metric.file,
        "measured_on": "two series",
    }
    assert "two series" in (tmp_path / "m.tflite.md").read_text(encoding="utf-8")


def test_a_file_that_does_its_task_badly_is_not_published(
    model: keras.Model, tmp_path: Path
) -> None:
    """Weights in float16 are off by something, of which nothing is allowed; larger is better."""
    path = tmp_path / "m.tflite"
    path.write_bytes(b"the old file")

    def accuracy(file: EdgeModel) -> float:
        values = [file({"series": row[None]})["values"][0] for row in DATA]
        reference = np.asarray(model(DATA))
        return 1.0 - float(np.abs(np.stack(values) - reference).max())

    metric = TaskMetric("agreement", accuracy, most_loss=1e-6, larger_is_better=True)
    options = {"batch_size": 1, "form": "rule", "representative_data": DATA, "metric": metric}
    with pytest.raises(ExportError, match=r"agreement: .* where Keras has 1"):
        export_tflite(model, path, quantize="float16", **options)
    assert path.read_bytes() == b"the old file"
    assert [file.name for file in tmp_path.iterdir()] == ["m.tflite"]
    assert export_tflite(model, path, **options).metric is not None


def test_no_number_is_no_metric_and_a_known_figure_is_not_measured(
    model: keras.Model, tmp_path: Path
) -> None:
    called = []

    def nothing(file: EdgeModel) -> float:
        called.append(file)
        return float("nan")

    metric = TaskMetric("nothing", nothing, most_loss=1.0, keras=0.5)
    with pytest.raises(ExportError, match=r"nan in the litert file where Keras has 0\.5"):
        export_tflite(model, tmp_path / "m.tflite", batch_size=1, form="rule", metric=metric)
    assert len(called) == 1
    assert not list(tmp_path.iterdir())
