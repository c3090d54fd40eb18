"""The pictures of the report, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

_MODEL = "#1f6fb4"
_MOST_LABELS = 12


def heard(
    features: npt.NDArray[np.float32],
    probabilities: npt.NDArray[np.float32],
    names: Sequence[str],
    hop_seconds: float,
    output_seconds: float,
) -> Figure:
    """What the model read, above, and how probable it held which label when, below.

    Args:
        features: [frames, size].
        probabilities: [output frames, labels], the blank last.
        names: of the labels.
        hop_seconds: from frame to frame.
        output_seconds: from output frame to output frame.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    seconds = len(features) * hop_seconds
    above.imshow(
        features.T, origin="lower", aspect="auto", extent=(0, seconds, 0, features.shape[1]),
        cmap="magma", interpolation="nearest",
    )  # fmt: skip
    above.set_ylabel("feature")
    times = (np.arange(len(probabilities)) + 0.5) * output_seconds
    blank = probabilities.shape[1] - 1
    below.fill_between(times, probabilities[:, blank], color="#dddddd", step="mid", label="blank")
    peaks = probabilities[:, :blank].max(axis=0)
    shown = [int(i) for i in np.argsort(-peaks, kind="stable")[:_MOST_LABELS] if peaks[i] > 0.1]
    for label in sorted(shown):
        curve = probabilities[:, label]
        below.plot(times, curve, linewidth=1.2)
        top = int(curve.argmax())
        below.annotate(
            names[label], (times[top], curve[top]), fontsize=9, ha="center",
            xytext=(0, 2), textcoords="offset points",
        )  # fmt: skip
    below.set_ylim(0, 1.15)
    below.set_ylabel("probability")
    below.set_xlabel("seconds")
    for axes in (above, below):
        axes.tick_params(labelsize=8)
    return figure


def errors_by_length(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Word error rate of utterances by their number of words."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.bar(
        [f"{row['words']}\n({row['utterances']} utterances)" for row in rows],
        [100 * row["rate"] for row in rows], color=_MODEL, width=0.6,
    )  # fmt: skip
    axes.set_xlabel("words said")
    axes.set_ylabel("WER %")
    axes.grid(axis="y", alpha=0.25)
    axes.tick_params(labelsize=8)
    return figure


def error_rates_over_epochs(history: Mapping[str, Sequence[float]]) -> Figure:
    """Word and character error rate on the validation part against the epoch."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    for column, name in (("val_wer", "words"), ("val_cer", "characters")):
        values = 100 * np.asarray(history[column])
        axes.plot(np.arange(1, len(values) + 1), values, marker=".", label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("error rate %")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8)
    return figure
