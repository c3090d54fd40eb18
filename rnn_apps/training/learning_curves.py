"""The learning curves of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from rnn_apps.application.charts import chart

_NAMES = {"loss": "training", "val_loss": "validation"}


def plot_learning_curves(history: Mapping[str, Sequence[float]], label: str = "loss") -> Figure:
    """Training and validation loss against the epoch; other columns of the history are left out.

    Args:
        history: columns of the run's history, as `rnn_apps.training.history.read_history` gives
            them.
        label: label of the vertical axis, with the unit of the loss.
    """
    figure, axes = chart("epoch", label)
    for name, values in history.items():
        if name.endswith("loss") and len(values):
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, marker=".", label=_NAMES.get(name, name))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=9)
    return figure
