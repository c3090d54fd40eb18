"""The pictures of the report, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from matplotlib.figure import Figure

from rnn_apps.application.reporting.charts import MODEL_COLOUR, WIDTH, chart

_CELL = 0.28
"""Height of a map's row, and greatest width of its columns, in inches."""
_MARGIN = 1.6


def quality_by_length(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Mean chrF of a sentence by the length of its source."""
    figure, axes = chart("length of the source sentence (words)", "mean sentence chrF (0 to 100)")
    colour = MODEL_COLOUR
    axes.bar([row["words"] for row in rows], [row["chrf"] for row in rows], color=colour, width=0.6)
    return figure


def attention_map(
    weights: npt.NDArray[Any], source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> Figure:
    """Where the decoder looked while it wrote each token.

    Args:
        weights: attention weights [target tokens, source tokens], where each row sums to 1.
        source_tokens, target_tokens: tokens in the form in which they can be printed.
    """
    figure = Figure(figsize=(WIDTH, _MARGIN + _CELL * len(target_tokens)), layout="constrained")
    axes = figure.subplots()
    # Columns of a short sentence stay narrow: the map takes part of the width, from the left.
    widest = (WIDTH - 2 * _MARGIN) / len(source_tokens)
    shape = max(1.0, _CELL / widest)
    image = axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0, aspect=shape)
    axes.set_anchor("NW")
    axes.set_xticks(range(len(source_tokens)), list(source_tokens), rotation=60, ha="left")
    axes.xaxis.set_ticks_position("top")
    axes.xaxis.set_label_position("top")
    axes.set_yticks(range(len(target_tokens)), list(target_tokens))
    axes.set_xlabel("token of the source")
    axes.set_ylabel("token of the translation")
    axes.tick_params(labelsize=9, length=0)
    figure.colorbar(image, ax=axes, label="attention weight", shrink=0.8, pad=0.02)
    for axis in (axes.xaxis, axes.yaxis):
        for label in axis.get_ticklabels():
            # A dollar sign is a token, not mathematics.
            label.set_parse_math(False)
    return figure
