"""The gradient flow as a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnn_apps.application.reporting.charts import WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnn_apps.training.gradients.hidden_gradients import Flow


def plot_gradient_flow(flows: Flow | dict[int, Flow], title: str = "Gradient flow") -> Figure:
    """The norm of dLoss/dh_t against t on a logarithmic scale, a line for each layer.

    Args:
        flows: gradient flow of one moment, as `gradient_flow` gives it; or flows by epoch, as
            `read_flows` gives them: then the first recorded epoch is dashed and the last is solid.
        title: title above the chart.

    Returns:
        A matplotlib figure that belongs to no window.
    """
    from matplotlib.figure import Figure

    by_epoch: dict[int | None, Flow] = {}
    for key, value in flows.items():
        if isinstance(key, int):
            by_epoch[key] = value  # type: ignore[assignment]
        else:
            by_epoch.setdefault(None, {})[key] = value  # type: ignore[assignment]
    figure = Figure(figsize=(WIDTH, 5), layout="constrained")
    axes = figure.add_subplot()
    epochs = list(by_epoch)
    shown = epochs if len(epochs) < 2 else [epochs[0], epochs[-1]]
    layers = list(by_epoch[shown[-1]]) if shown else []
    for epoch in shown:
        style = "--" if epoch != shown[-1] else "-"
        for index, name in enumerate(layers):
            norms = np.asarray(by_epoch[epoch].get(name, []), np.float64)
            label = name if epoch is None else f"{name}, epoch {epoch}"
            # What is zero or not finite has no place on a logarithmic scale.
            norms = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
            axes.plot(norms, style, color=f"C{index % 10}", label=label)
    axes.set_yscale("log")
    axes.set_xlabel("time step t of the layer's input (steps since the beginning)")
    axes.set_ylabel("mean norm of dLoss/dh$_t$")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    if layers:
        figure.legend(fontsize="small", loc="outside lower center", ncols=3)
    return figure
