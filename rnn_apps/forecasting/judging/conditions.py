"""The conditions of a backtest, in the words of its title and of its report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rnn_apps.forecasting.judging.conformal import Calibration

# What the run itself knows of each part of its own data.
_TRAINED_ON = ("train", "all")
_CALIBRATED_ON = {
    "validation": "the very windows that are judged here, so that their coverage is near its "
    "nominal share by construction",
    "all": "windows that are among those judged here, so that their coverage is closer to its "
    "nominal share than on new data",
}


@dataclass(frozen=True)
class Conditions:
    """How a backtest was made.

    Args:
        part: name of the part that is judged.
        stride: number of rows between neighbouring origins.
        data: address of data other than the run's own; empty for the run's own.
        note: note on quantiles that too few windows calibrate; empty if there are none.
        caveat: note on what the run knew of the rows that are judged; empty if it knew nothing.
        every: number of origins after which the model is fitted again; 0 for the run as it is.
        begin: weights that every fit begins with, "run" or "scratch"; empty without fits.
        fits: calibrations of the fits, in their order; none without fits.
    """

    part: str
    stride: int = 1
    data: str = ""
    note: str = ""
    caveat: str = ""
    every: int = 0
    begin: str = ""
    fits: tuple[Calibration, ...] = ()

    def title(self, about: str) -> str:
        """The title of the table: what is judged, the stride, and what has to be known of it.

        Args:
            about: words on the data, the windows and the model.
        """
        if self.stride > 1:
            about += f", stride {self.stride}"
        remarks = " ".join(remark for remark in (self.note, self.caveat) if remark)
        return f"{about}. {remarks}" if remarks else about

    def command(self, run: str) -> str:
        """The command that judges a run in this way, without names of columns and covariates.

        Args:
            run: folder of the run.
        """
        words = ["rnn-apps", "forecast", "evaluate", "--run", run]
        words += ["--data", self.data] if self.data else []
        words += ["--part", self.part]
        words += ["--stride", str(self.stride)] if self.stride > 1 else []
        words += ["--refit", str(self.every), "--refit-from", self.begin] if self.every else []
        return shlex.join(words)

    def origins(self) -> str:
        """A sentence on the windows that count, and on what is fitted as the origin moves."""
        windows = (
            f"one window in {self.stride} of each series in this part of the data"
            if self.stride > 1
            else "every window of this part of the data"
        )
        fitted = (
            f"the first row's model is fitted again after every {self.every} origins, and those of "
            "the other rows never"
            if self.every
            else "no model is fitted again"
        )
        return f"Rolling-origin backtest: {windows} is forecast and counted, and {fitted}."

    def calibrated_on(self, windows: int) -> str:
        """A sentence on the windows that calibrate the judged forecaster's intervals.

        Args:
            windows: number of windows that calibrate the run's own intervals.
        """
        method = "by split conformal prediction, for each horizon step and quantile level."
        if not self.fits:
            return f"Calibrated on {windows} windows of the validation part {method}"
        counts = sorted({fit.windows for fit in self.fits})
        shown = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        return (
            f"Each fit is calibrated on {shown} windows of a validation part of its own, before "
            f"its first origin, {method}"
        )

    def known(self, *, online: bool) -> str:
        """Sentences on what the rows of the table know of the part that is judged.

        Args:
            online: switch for a table with a row of online intervals.
        """
        told = []
        if online:
            told.append(
                "The intervals called 'online intervals' keep learning during the backtest, from "
                "true values that were known at each origin."
            )
        if self.every:
            told.append("Fits learn from what comes before their first origin in this part, too.")
        none = "No other row of the table uses" if told else "No row of the table uses"
        told.append(self.caveat or f"{none} anything of the tested part.")
        return " ".join(told)


def own_caveat(part: str, *, calibrated: bool, refitted: bool = False) -> str:
    """What a run knew of a part of its own data; "" if nothing.

    Args:
        part: name of the part that is judged.
        calibrated: switch for a run whose intervals are calibrated on its validation part.
        refitted: switch for a backtest whose first row is of fits that know nothing of what they
            forecast.
    """
    told = []
    if part in _TRAINED_ON:
        told.append(
            f"The run {'as it is ' if refitted else ''}and NLinear were trained on rows that are "
            "judged here, so that their figures are too good."
        )
    if calibrated and part in _CALIBRATED_ON:
        whose = "The intervals of all rows but the first" if refitted else "Intervals"
        told.append(
            f"{whose} are calibrated on {_CALIBRATED_ON[part]}; they choose the strength of "
            "NLinear's ridge, too."
        )
    return " ".join(told)
