"""The learning curves of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from rnn_apps.application.reporting.charts import chart

_NAMES = {"loss": "training", "val_loss": "validation"}


def plot_learning_curves(history: Mapping[str, Sequence[float]], label: str = "loss") -> Figure:
    """Training and validation loss over the training; other columns of the history are left out.

    Args:
        history: columns of the run's history, as `rnn_apps.training.history.read_history` gives
            them.
        label: label of the vertical axis, with the unit of the loss.
    """
    unit, places = course(history)
    figure, axes = chart(unit, label)
    for name, values in history.items():
        if name.endswith("loss") and len(values):
            axes.plot(places, values, marker=".", label=_NAMES.get(name, name))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=9)
    return figure


def course(history: Mapping[str, Sequence[float]]) -> tuple[str, npt.NDArray[np.float64]]:
    """What the rows of a history are plotted against: epochs, or steps where epochs have several.

    Args:
        history: columns of the run's history.

    Returns:
        The name of the axis, and the place of each row on it.
    """
    epochs = np.asarray(history.get("epoch", ()), np.float64)
    if len(np.unique(epochs)) < len(epochs):
        return "step", np.asarray(history["step"], np.float64)
    rows = max(map(len, history.values()), default=0)
    return "epoch", np.arange(1.0, rows + 1)
