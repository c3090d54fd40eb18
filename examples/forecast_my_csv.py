"""Forecast the series of a CSV file.

    python examples/forecast_my_csv.py sales.csv --horizon 24 --to out

The file has a time column and one column per series, or an id, a time and a value column. What
was understood of it is printed before training starts. Expect a table of errors on the last fifth
of the data: the network is worth its cost if its MASE is well below that of "seasonal naive". The
folder holds the report (run/report.html), the forecast of what comes next (forecast.csv) and a
model that takes and gives raw values (exported/model.tflite).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rnn_apps import forecasting


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains on the file, judges, forecasts and exports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="CSV or Parquet file")
    parser.add_argument("--horizon", type=int, default=24, help="number of rows to forecast")
    parser.add_argument("--lookback", type=int, default=96, help="number of past rows to read")
    parser.add_argument("--units", type=int, default=64, help="size of the recurrent state")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data")
    parser.add_argument("--minutes", type=float, default=5.0, help="longest training time")
    parser.add_argument("--to", type=Path, default=Path("forecast"), help="folder of the results")
    options = parser.parse_args(arguments)

    config = forecasting.ForecastingConfig(
        data=f"file:{options.table}",
        run=str(options.to / "run"),
        lookback=options.lookback,
        horizon=options.horizon,
        model="direct",
        cell="gru",
        units=options.units,
        # A column that is known ahead would have to reach past the end of the series to forecast.
        future_covariates=("none",),
        output="quantiles",
        epochs=options.epochs,
        max_minutes=options.minutes,
    )
    run = forecasting.train(config)
    table = run.metrics["table"]
    for row in [table["header"], *table["rows"]]:
        print(*row, sep="\t")
    run.predict().to_csv(options.to / "forecast.csv", index=False)
    run.export(options.to / "exported", formats=["tflite"])
    print(f"The report is {run.folder.report}")


if __name__ == "__main__":
    main()
