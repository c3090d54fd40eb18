"""The learning curves of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


def plot_learning_curves(history: Mapping[str, Sequence[float]], label: str = "loss") -> Figure:
    """Training and validation loss against the epoch; other columns of the history are left out.

    Args:
        history: from `rnn_apps.training.history.read_history`.
        label: what the loss is measured in.
    """
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for name, values in history.items():
        if name.endswith("loss") and len(values):
            axes.plot(np.arange(1, len(values) + 1), values, marker=".", label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8)
    return figure
