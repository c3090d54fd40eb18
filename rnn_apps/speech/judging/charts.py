"""The pictures of the report, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from rnn_apps.application.reporting.charts import MODEL_COLOUR, WIDTH, chart
from rnn_apps.training.learning_curves import course

_MOST_LABELS = 12


def heard(
    features: npt.NDArray[np.float32],
    probabilities: npt.NDArray[np.float32],
    names: Sequence[str],
    hop_seconds: float,
    output_seconds: float,
    padding_seconds: float = 0.0,
) -> Figure:
    """The features that the model read, above, and the probability of its labels, below.

    Args:
        features: features of one recording [frames, size].
        probabilities: label probabilities [output frames, labels], the blank last.
        names: names of the labels.
        hop_seconds: time from one frame to the next in seconds.
        output_seconds: time from one output frame to the next in seconds.
        padding_seconds: length of the noise that was added before the recording, in seconds; the
            recording begins at 0.
    """
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    start, end = -padding_seconds, len(features) * hop_seconds - padding_seconds
    above.imshow(
        features.T, origin="lower", aspect="auto", extent=(start, end, 0, features.shape[1]),
        cmap="magma", interpolation="nearest",
    )  # fmt: skip
    above.set_ylabel("feature (number)")
    times = (np.arange(len(probabilities)) + 0.5) * output_seconds - padding_seconds
    blank = probabilities.shape[1] - 1
    below.fill_between(times, probabilities[:, blank], color="#dddddd", step="mid")
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
    below.set_ylabel("probability (0 to 1)")
    below.set_xlabel("time (seconds)")
    for axes in (above, below):
        axes.tick_params(labelsize=9)
    return figure


def errors_by_length(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Word error rate of utterances by their number of words."""
    figure, axes = chart("length of the utterance (words said)", "word error rate (%)")
    axes.bar(
        [f"{row['words']}\n({row['utterances']} utterances)" for row in rows],
        [100 * row["rate"] for row in rows], color=MODEL_COLOUR, width=0.6,
    )  # fmt: skip
    return figure


def error_rates_over_epochs(history: Mapping[str, Sequence[float]]) -> Figure:
    """Word and character error rate on the validation part over the training."""
    unit, places = course(history)
    figure, axes = chart(unit, "error rate (%)")
    for column, name in (("val_wer", "words"), ("val_cer", "characters")):
        values = 100 * np.asarray(history[column])
        axes.plot(places, values, marker=".", label=name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=9)
    return figure
