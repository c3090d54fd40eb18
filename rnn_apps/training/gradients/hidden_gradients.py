"""How the gradient flows back through time: the norm of dLoss/dh_t against t.

If it falls geometrically towards early time steps, the network cannot learn from them; if it
grows, training is unstable (Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013).

The total derivative comes from a perturbation: a zero is added to the hidden state of every
step, and the loss is differentiated with respect to these zeros.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import UserError
from rnn_apps.layers.layers_within import layers_within
from rnn_apps.training.gradients.probing import ProbedLayer
from rnn_apps.training.variables import undisturbed

_log = logging.getLogger(__name__)

Flow = dict[str, np.ndarray]
"""The mean norm of dLoss/dh_t by the name of each recurrent layer, float32 [timesteps]."""


class NoRecurrentLayerError(UserError):
    """A model through whose time steps no gradient can be followed."""


def gradient_flow(
    model: keras.Model,
    inputs: Any,
    targets: Any,
    loss: Callable[[Any, Any], Any],
) -> Flow:
    """The norm of dLoss/dh_t of every recurrent layer, for each time step t of its input.

    h_t is the state that the layer passes on and gives out after step t (of an LSTM h, not the
    cell's memory c). The derivative is the total one, through all later steps.

    Works for Functional, Sequential and subclassed models with SimpleRNN, LSTM, GRU or
    `keras.layers.RNN` of any cells whose output and first state are h, also wrapped in
    Bidirectional, stacked or in inner models; not for cells that a model calls in a loop of its
    own. The model runs without dropout, and neither its weights nor its states change.

    Args:
        model: built Functional, Sequential or subclassed model.
        inputs: one batch of the model's inputs.
        targets: targets of the batch, as the loss takes them.
        loss: function `loss(targets, outputs)` that gives the mean over the batch, such as a Keras
            loss.

    Returns:
        The layers in the order in which they are called, by name; a layer called twice has
        " (2)" after its name the second time. The norm is of one example's loss and is averaged
        over the examples that the mask leaves at this step.

    Raises:
        NoRecurrentLayerError: the model has none, or calls cells in a loop of its own.
    """
    return compile_flow(model, lambda: loss(targets, model(inputs, training=False)))()


def compile_flow(model: keras.Model, compute_loss: Callable[[], Any]) -> Callable[[], Flow]:
    """A function that gives the flow of a model each time it is called, compiled once.

    Args:
        model: built model, as for `gradient_flow`.
        compute_loss: function that runs the model on a fixed batch, without dropout, and gives the
            mean loss.
    """
    labels: list[str] = []

    def norms_by_layer() -> list[tf.Tensor]:
        with tf.GradientTape() as tape, probed(model, tape) as probes:
            loss = tf.convert_to_tensor(compute_loss())
        calls = [(call, probe.label(call)) for probe in probes for call in probe.calls]
        calls.sort(key=lambda labelled: (labelled[0].order, labelled[0].cell))
        labels[:] = _numbered([label for _, label in calls])
        zeros = [call.zeros for call, _ in calls]
        gradients = tape.gradient(loss, zeros, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [call.mean_norms(g) for (call, _), g in zip(calls, gradients, strict=True)]

    compiled = tf.function(norms_by_layer, autograph=False).get_concrete_function()
    if not labels:
        raise NoRecurrentLayerError(f"the model {model.name!r} calls no recurrent layer")

    def flow() -> Flow:
        with undisturbed(model):
            norms = compiled()
        return {label: n.numpy() for label, n in zip(labels, norms, strict=True)}

    return flow


def _numbered(labels: list[str]) -> list[str]:
    """The labels, with " (2)" and so on where one comes again."""
    return [
        label if label not in labels[:i] else f"{label} ({labels[:i].count(label) + 1})"
        for i, label in enumerate(labels)
    ]


@contextlib.contextmanager
def probed(model: keras.Model, tape: tf.GradientTape) -> Iterator[list[ProbedLayer]]:
    """Inside the block every recurrent layer of the model adds zeros to its hidden states."""
    layers = [x for x in layers_within(model) if isinstance(x, keras.layers.RNN)]
    counter = itertools.count()
    probes = [ProbedLayer(layer, tape, counter) for layer in layers]
    with contextlib.ExitStack() as stack:
        for probe in probes:
            stack.enter_context(probe)
        yield probes


class GradientFlow(keras.callbacks.Callback):
    """Records the gradient flow at the ends of epochs in `gradient_flow.json`.

    The file holds {"layers": {name: {"epochs": [1, ...], "norms": [[...], ...]}}}: one list of
    norms, over the time steps, for each recorded epoch.

    A model that calls no recurrent layer is not recorded.

    Args:
        folder: folder of the run.
        compute_loss: function `compute_loss(model)` that runs the model on a fixed batch, without
            dropout, and gives the mean loss.
        every: number of epochs between two records; the first epoch is always recorded.
    """

    def __init__(
        self, folder: Path, compute_loss: Callable[[keras.Model], Any], every: int = 1
    ) -> None:
        super().__init__()
        self._path = folder / "gradient_flow.json"
        # Read here too, so that a damaged file is refused before training changes anything.
        self.flows = read_flows(self._path) if self._path.exists() else {}
        self._compute_loss = compute_loss
        self._every = every
        self._flow: Callable[[], Flow] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reads what an earlier session of the run recorded."""
        self.flows = read_flows(self._path) if self._path.exists() else {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the epoch if it is its turn."""
        # Epochs that a killed session had recorded and this one trains again are replaced.
        self.flows = {e: flow for e, flow in self.flows.items() if e <= epoch}
        if epoch % self._every != 0:
            return
        if self._flow is None:
            model = self.model
            try:
                self._flow = compile_flow(model, lambda: self._compute_loss(model))
            except NoRecurrentLayerError as error:
                _log.info("No gradient flow is recorded: %s", error)
                self._flow = dict
        flow = self._flow()
        # An earlier session may have had other names: Keras numbers the layers of a process.
        self.flows = {e: dict(zip(flow, f.values(), strict=True)) for e, f in self.flows.items()}
        self.flows[epoch + 1] = flow
        write_flows(self._path, self.flows)


def write_flows(path: Path, flows: dict[int, Flow]) -> None:
    """Writes the flows of several epochs as JSON; what is not finite becomes null."""
    layers: dict[str, dict[str, list[Any]]] = {}
    for epoch, flow in sorted(flows.items()):
        for name, norms in flow.items():
            record = layers.setdefault(name, {"epochs": [], "norms": []})
            record["epochs"].append(epoch)
            finite = [float(n) if np.isfinite(n) else None for n in norms]
            record["norms"].append(finite)
    write_json(path, {"layers": layers})


def read_flows(path: Path) -> dict[int, Flow]:
    """The inverse of `write_flows`: of each recorded epoch the flow of every layer.

    Raises:
        UserError: the file is damaged.
    """
    flows: dict[int, Flow] = {}
    try:
        for name, record in json.loads(path.read_text(encoding="utf-8"))["layers"].items():
            for epoch, norms in zip(record["epochs"], record["norms"], strict=True):
                flows.setdefault(int(epoch), {})[name] = np.array(norms, np.float32)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(
            f"{path} is damaged. Remove it, and the gradient flow is recorded from now on"
        ) from None
    return flows
