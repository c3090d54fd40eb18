"""What a file is compared with: where the compiled model misled, the model itself decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from rnn_apps.export.planning.plans import SignaturePlan, sequence_plan
from rnn_apps.export.processes.runtime_process import RuntimeCall


class RunsKeras:
    """A runtime whose file gives exactly what a model gives, or that and more."""

    def __init__(self, model: keras.Model, more: float = 0.0) -> None:
        self._model = model
        self._more = more

    def run(self, path: Path, calls: Sequence[RuntimeCall]) -> list[dict[str, np.ndarray]]:
        outputs = [self._model(call.inputs["x"]).numpy() for call in calls]
        return [{"sum": value + self._more} for value in outputs]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,), name="x")
    return keras.Model(inputs, keras.layers.Dense(2, name="sum")(inputs))


def plan_of(model: keras.Model) -> SignaturePlan:
    return sequence_plan("serve", model, data=np.eye(3, dtype=np.float32))


def errors_of(plan: SignaturePlan, runtime: Any) -> tuple[float, bool]:
    [error] = plan.prove(runtime, Path("m.tflite"), 1e-5)
    return error.maximum_absolute, error.within


@pytest.mark.parametrize("place", [1, 3])
def test_a_wrong_reference_is_found_out_by_calling_the_model(
    model: keras.Model, place: int
) -> None:
    plan = plan_of(model)
    assert plan.comparison is not None
    expected = plan.comparison.expected
    right = expected[place]["sum"].copy()
    expected[place] = {"sum": right + 19.4}
    found, within = errors_of(plan, RunsKeras(model))
    assert within
    assert found < 1e-6
    np.testing.assert_allclose(expected[place]["sum"], right, atol=1e-6)


def test_a_wrong_file_is_refused_and_the_reference_stays(model: keras.Model) -> None:
    plan = plan_of(model)
    assert plan.comparison is not None
    kept = [outputs["sum"] for outputs in plan.comparison.expected]
    found, within = errors_of(plan, RunsKeras(model, more=0.5))
    assert not within
    assert found == pytest.approx(0.5, abs=1e-6)
    assert all(a["sum"] is b for a, b in zip(plan.comparison.expected, kept, strict=True))


def test_outputs_of_the_plain_model_share_no_memory_with_tensorflow(model: keras.Model) -> None:
    plan = plan_of(model)
    assert plan.comparison is not None
    assert all(outputs["sum"].flags.owndata for outputs in plan.comparison.expected[:1])
