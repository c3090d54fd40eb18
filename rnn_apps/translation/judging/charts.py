"""The pictures of the report, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from matplotlib.figure import Figure

_MODEL = "#1f6fb4"


def quality_by_length(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Mean chrF of a sentence by the length of its source."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.bar([row["words"] for row in rows], [row["chrf"] for row in rows], color=_MODEL, width=0.6)
    axes.set_xlabel("words of the source")
    axes.set_ylabel("mean chrF of a sentence")
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    return figure


def attention_map(
    weights: npt.NDArray[Any], source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> Figure:
    """Where the decoder looked while it wrote each token.

    Args:
        weights: [target tokens, source tokens], each row summing to 1.
        source_tokens, target_tokens: as they can be printed.
    """
    size = (1.5 + 0.28 * len(source_tokens), 1.2 + 0.24 * len(target_tokens))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(source_tokens)), list(source_tokens), rotation=60, ha="left")
    axes.xaxis.set_ticks_position("top")
    axes.set_yticks(range(len(target_tokens)), list(target_tokens))
    axes.tick_params(labelsize=8, length=0)
    for axis in (axes.xaxis, axes.yaxis):
        for label in axis.get_ticklabels():
            # A dollar sign is a token, not mathematics.
            label.set_parse_math(False)
    return figure
