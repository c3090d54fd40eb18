"""What a model is for, measured before and after its export, and judged before a file is published.

Errors of single numbers say little about a quantised model that feeds its own state back; word
errors or bits per token do. The metric is one function, which is given the model twice: as Keras
computes it and as the written file on its target's runtime, both behind the same interface
(`rnn_apps.edge.EdgeModel`), so that a `StreamingSession` or a decoder runs on either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_apps.edge.runtime.flatbuffer import ModelFile, Subgraph
from rnn_apps.edge.runtime.model import EdgeModel, load
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec
from rnn_apps.export.planning.plans import SignaturePlan
from rnn_apps.export.results import ExportError, MetricResult


@dataclass(frozen=True)
class TaskMetric:
    """How a model is judged.

    Attributes:
        name: name of the metric, with its unit.
        measure: function that runs the model on the task's data and returns the figure. It may
            raise ExportError itself, where the file is wrong in a way that no figure shows.
        most_loss: largest difference by which the file may be worse than Keras, in the metric's own
            unit.
        larger_is_better: true if a larger figure is better.
        measured_on: description of the data for the card.
        keras: Keras' own figure, where it is known already; otherwise `measure` is called with
            Keras.
    """

    name: str
    measure: Callable[[EdgeModel], float]
    most_loss: float
    larger_is_better: bool = False
    measured_on: str = ""
    keras: float | None = None


def judge(
    metric: TaskMetric, plans: Sequence[SignaturePlan], path: Path, target: str
) -> MetricResult:
    """Measures Keras and the file at `path` and compares the two figures.

    The file runs in this process: its proof in another one has shown that it neither hangs nor
    crashes.

    Raises:
        ExportError: the file is worse than Keras by more than is allowed, or gives no number.
    """
    before = metric.measure(keras_model(plans)) if metric.keras is None else metric.keras
    after = metric.measure(load(path, target))
    loss = before - after if metric.larger_is_better else after - before
    # Written so that a figure that is not a number is refused.
    if not loss <= metric.most_loss:
        raise ExportError(
            f"{metric.name}: {after:.5g} in the {target} file where Keras has {before:.5g}; "
            f"at most {metric.most_loss:.4g} may be lost. Choose another quantisation, more or "
            "longer representative_data, or allow more"
        )
    return MetricResult(metric.name, float(before), float(after), metric.measured_on)


def keras_model(plans: Sequence[SignaturePlan]) -> EdgeModel:
    """What Keras computes, called as a file with these signatures would be."""
    signatures = {
        plan.name: Signature(plan.name, number, _given(plan), _got(plan))
        for number, plan in enumerate(plans)
    }
    graphs = tuple(Subgraph(plan.name, (), (), (), ()) for plan in plans)
    nothing = ModelFile(3, "", graphs, (), (), {}, 0)
    return EdgeModel(_KerasRuntime({plan.name: plan for plan in plans}), signatures, nothing)


class _KerasRuntime:
    """Keras behind the interface of a runtime. It keeps no state from call to call."""

    def __init__(self, plans: Mapping[str, SignaturePlan]) -> None:
        self._plans = plans

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature once."""
        return self._plans[signature.key].reference(dict(inputs))

    def invocation(
        self, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[], object]:
        """What runs the signature on these inputs."""
        return lambda: self.call(signature, inputs)

    def reset(self) -> None:
        """Nothing: every call is given its states."""


def _given(plan: SignaturePlan) -> dict[str, TensorSpec]:
    return {
        input.name: TensorSpec(
            input.name, index, tuple(-1 if n is None else n for n in input.shape), input.dtype
        )
        for index, input in enumerate(plan.inputs)
    }


def _got(plan: SignaturePlan) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(name, index, (-1,) * value.ndim, value.dtype.name)
        for index, (name, value) in enumerate(plan.outputs.items(), start=len(plan.inputs))
    }
