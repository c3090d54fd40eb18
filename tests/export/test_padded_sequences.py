"""Models that mask are proven on padded sequences too, whatever the data, and keep their masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers, ops

from rnn_apps.export.planning.plans import SignaturePlan, sequence_plan
from rnn_apps.export.processes.runtime_process import RuntimeCall

STEPS = 6
WITHOUT_PADDING = np.random.default_rng(0).integers(1, 10, (4, STEPS))


class Kept(layers.Dense):
    """A layer of one timestep, which gives nothing where it is masked."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        outputs = super().call(inputs)
        return outputs if mask is None else outputs * ops.cast(mask, "float32")[..., None]


class RunsTraced:
    """A runtime whose file computes what was traced for it, after `change` of its inputs."""

    def __init__(self, plan: SignaturePlan, change: Callable[[Any], Any] = lambda x: x) -> None:
        self._call = tf.function(plan.function({}), autograph=False)
        self._change = change

    def run(self, path: Path, calls: Sequence[RuntimeCall]) -> list[dict[str, np.ndarray]]:
        given = [{n: self._change(tf.constant(v)) for n, v in c.inputs.items()} for c in calls]
        return [{n: v.numpy() for n, v in self._call(inputs).items()} for inputs in given]


def model_of(inner: layers.Layer) -> Model:
    keras.utils.set_random_seed(0)
    ids = Input((STEPS,), dtype="int32", name="ids")
    embedded = layers.Embedding(10, 4, mask_zero=True)(ids)
    return Model(ids, layers.TimeDistributed(inner)(embedded))


@pytest.mark.parametrize("inner", [Kept(3), layers.Dense(3)], ids=["takes a mask", "takes none"])
def test_the_layer_within_is_given_the_mask_that_keras_gives_it(inner: layers.Layer) -> None:
    model = model_of(inner)
    plan = sequence_plan("serve", model)
    [error] = plan.prove(RunsTraced(plan), Path("m.tflite"), 1e-5)
    assert error.within
    padded = WITHOUT_PADDING.copy()
    padded[:, 4:] = 0
    [found] = RunsTraced(plan).run(Path(), [RuntimeCall({"ids": padded.astype("int32")}, "")])
    (values,) = found.values()
    np.testing.assert_allclose(values, model(padded), atol=1e-6)


def test_a_file_that_loses_the_mask_is_found_out_without_padding_in_the_data() -> None:
    plan = sequence_plan("serve", model_of(Kept(3)), data=WITHOUT_PADDING)
    runtime = RunsTraced(plan, lambda ids: tf.maximum(ids, 1))
    [error] = plan.prove(runtime, Path("m.tflite"), 1e-5)
    assert not error.within


@pytest.mark.parametrize(("value", "added"), [(0.0, 1), (-999.0, 0)])
def test_a_number_that_the_data_do_not_reach_is_not_put_in(value: float, added: int) -> None:
    inputs = Input((STEPS, 2), name="x")
    model = Model(inputs, layers.Dense(2)(layers.Masking(value)(inputs)))
    data = np.random.default_rng(0).normal(size=(2, STEPS, 2))
    comparison = sequence_plan("serve", model, data=data).comparison
    assert comparison is not None
    masked = [i for i in comparison.inputs if (i["x"] == value).all(axis=2).any()]
    assert len(masked) == added
