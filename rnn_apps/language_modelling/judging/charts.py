"""The pictures of the report, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

_MODEL = "#1f6fb4"


def cost_over_the_text(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Bits a token along the text."""
    figure, axes = _one_chart("tokens since the text's beginning", "bits a token")
    axes.plot([row["to"] for row in rows], [row["bits"] for row in rows], color=_MODEL)
    return figure


def cost_by_position(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Bits a token in the first ten tokens, the first hundred and so on."""
    figure, axes = _one_chart("tokens since the text's beginning", "bits a token")
    names = [f"{row['from']} to {row['to']}" for row in rows]
    axes.bar(names, [row["bits"] for row in rows], color=_MODEL, width=0.6)
    return figure


def reliability(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """How often the most probable token came, against the probability it was given."""
    figure, axes = _one_chart("probability of the most probable token", "share of it coming")
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":")
    axes.plot(
        [row["probability"] for row in rows],
        [row["came"] for row in rows],
        color=_MODEL,
        marker="o",
    )
    return figure


def _one_chart(horizontal: str, vertical: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    return figure, axes
