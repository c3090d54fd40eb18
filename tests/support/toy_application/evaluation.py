"""The evaluation of a run: its error compared with that of repeating the latest number."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_apps.application.reporting.report import Report
from toy_application.data import LOOKBACK, NUMBERS, about
from toy_application.trained import TrainedToy


def evaluate(run: TrainedToy, data: str | None = None) -> dict[str, Any]:
    """Judges the run on its test part, or on other numbers; writes metrics.json and the report."""
    run.folder.check_evaluable()
    if data is None:
        trained_on = about(run.own.part("train"))
        run.folder.check_own_data(NUMBERS, run.own.name, sha256=trained_on["sha256"])
        part = run.own.judged_part
        numbers = run.own.part(part)
    else:
        part, numbers = "other_data", run.own.other(data)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, LOOKBACK + 1)[..., None]
    truth = windows[:, -1, 0]
    errors = {
        "model": np.abs(run.forecasts(windows[:, :-1]) - truth).mean(),
        "repeat last": np.abs(windows[:, -2, 0] - truth).mean(),
    }
    rows = [[name, float(error)] for name, error in errors.items()]
    table = {"title": f"{len(truth)} windows", "header": ["guessed by", "error"], "rows": rows}
    page = run.folder.write_evaluation(part, {"errors": errors}, table, judged=data is None)
    report = Report(f"Toy run {run.folder.path.name}")
    report.table(table["title"], table["header"], table["rows"], marked=[0])
    report.write(page)
    return {"table": table, "report": str(page)}
