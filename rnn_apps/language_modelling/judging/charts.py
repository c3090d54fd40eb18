"""The pictures of the report, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from rnn_apps.application.reporting.charts import MODEL_COLOUR, chart

_POSITION = "position in the text (tokens since its beginning)"
_COST = "cost (bits per token)"


def cost_over_the_text(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Bits per token along the text."""
    figure, axes = chart(_POSITION, _COST)
    axes.plot([row["to"] for row in rows], [row["bits"] for row in rows], color=MODEL_COLOUR)
    return figure


def cost_by_position(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Bits per token in the first ten tokens, the first hundred and so on."""
    figure, axes = chart(_POSITION, _COST)
    names = [f"{row['from']} to {row['to']}" for row in rows]
    axes.bar(names, [row["bits"] for row in rows], color=MODEL_COLOUR, width=0.6)
    return figure


def reliability(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """How often the most probable token came, against the probability that the model gave it."""
    figure, axes = chart(
        "probability that the model gave its first choice (0 to 1)",
        "share of cases in which it came",
    )
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":", label="perfectly calibrated")
    axes.plot(
        [row["probability"] for row in rows],
        [row["came"] for row in rows],
        color=MODEL_COLOUR,
        marker="o",
        label="model",
    )
    axes.legend(fontsize=9)
    return figure
