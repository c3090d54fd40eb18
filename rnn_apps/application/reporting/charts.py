"""One size and one look for all charts, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 8.0
"""Width of every chart in inches: charts of one page are equally wide."""
HEIGHT = 3.0
MODEL_COLOUR = "#1f6fb4"
TRUTH_COLOUR = "#222222"


def chart(horizontal: str, vertical: str, height: float = HEIGHT) -> tuple[Figure, Any]:
    """A figure with one pair of axes.

    Args:
        horizontal: label of the horizontal axis, with the unit.
        vertical: label of the vertical axis, with the unit.
        height: height of the figure in inches.

    Returns:
        The figure and its axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    plain_look(axes)
    return figure, axes


def plain_look(axes: Any) -> None:
    """A light grid behind the data, and labels that stay legible where the page is narrow."""
    axes.set_axisbelow(True)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=9)
