"""Tables without times in which a column counts the steps of each series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import load_series
from pipelines.base.errors import DataError
from pipelines.series.options import SeriesOptions

STEPS = 40


def _long(ids: list[object], identity: str, counter: str, first: int = 0) -> pd.DataFrame:
    """A table with a value that tells its series and step."""
    rows = [
        {identity: name, counter: first + step, "sold": 100.0 * place + step}
        for place, name in enumerate(ids)
        for step in range(STEPS)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("ids", "identity", "counter", "first"),
    [
        (["north", "south"], "store", "step", 0),
        (["A", "B", "C"], "unique_id", "step", 1),
        (["A", "B"], "group", "time_idx", 1),
        ([0, 1, 2], "series", "t", 0),
        (["m1"], "machine", "cycle", 1),
        (["a", "b"], "sensor", "reading_number", 0),
    ],
)
@pytest.mark.parametrize("interleaved", [False, True])
def test_a_counter_of_each_series_is_its_time(
    tmp_path: Path, ids: list[object], identity: str, counter: str, first: int, interleaved: bool
) -> None:
    table = _long(ids, identity, counter, first)
    if interleaved:
        table = table.sort_values([counter, identity])
    table.to_csv(tmp_path / "data.csv", index=False)
    series_set = load_series(f"file:{tmp_path / 'data.csv'}")
    assert (series_set.frequency, series_set.names) == ("step", tuple(map(str, ids)))
    assert (series_set.options.time_column, series_set.options.id_column) == (counter, identity)
    for place, name in enumerate(ids):
        np.testing.assert_array_equal(
            series_set[str(name)].target, 100.0 * place + np.arange(STEPS)
        )


def test_several_words_and_a_stated_id() -> None:
    table = _long(["north", "south"], "store", "step")
    both = pd.concat([table.assign(item="milk"), table.assign(item="rice")])
    with pytest.raises(DataError, match="State id_column 'store,item'"):
        load_series(both)
    stated = load_series(both, SeriesOptions(columns=("id=store,item",)))
    assert len(stated.names) == 4 and stated.options.time_column == "step"


def test_what_may_count_steps_is_named_by_the_flag() -> None:
    table = _long(["north", "south"], "store", "visit")
    shuffled = table.sample(frac=1.0, random_state=0)
    with pytest.raises(DataError, match=r"state --column time=visit\.$"):
        load_series(shuffled)
    stated = load_series(shuffled, SeriesOptions(columns=("time=visit",)))
    assert stated["south"].target[3] == 103.0
    # Two counters, of which none has a name that tells.
    table["turn"] = table["visit"] + 1
    with pytest.raises(DataError, match=r"each of visit, turn counts.*--column time=visit, for"):
        load_series(table)
    # Numbers from 5 on may also be days of a spreadsheet.
    later = _long(["north", "south"], "store", "visit", 5)
    with pytest.raises(DataError, match=r"state --column time=visit --time-format steps\.$"):
        load_series(later)
    stated = SeriesOptions(columns=("time=visit",), time_format="steps")
    assert load_series(later, stated).names == ("north", "south")
    table = table.rename(columns={"turn": "time_idx"})
    assert load_series(table).options.time_column == "time_idx"


def test_an_id_of_numbers_without_a_name_is_not_forecast() -> None:
    table = _long([1, 2, 3], "unit", "cycle", 1)
    message = r"'cycle' counts rows anew.*--column id=unit --column time=cycle; .*--layout wide"
    with pytest.raises(DataError, match=message):
        load_series(table)
    # Nor are the series joined into one, if only the values are stated.
    with pytest.raises(DataError, match=message):
        load_series(table, SeriesOptions(targets=("sold",)))
    stated = load_series(table, SeriesOptions(columns=("id=unit", "time=cycle")))
    assert stated.names == ("1", "2", "3")
    wide = load_series(table, SeriesOptions(layout="wide"))
    assert wide.names == ("unit", "cycle", "sold")


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("late", [0, 5])
def test_a_counter_of_the_times_is_not_forecast(interleaved: bool, late: int) -> None:
    """As in PyTorch Forecasting: dates of business days, and time_idx."""
    table = _long(["north", "south"], "store", "time_idx")
    days = pd.date_range("2024-01-01", periods=STEPS + late, freq="B")
    begin = np.where(table["store"] == "south", late, 0)
    table.insert(0, "date", days[table["time_idx"] + begin])
    if interleaved:
        table = table.sort_values(["date", "store"], ignore_index=True)
        # A number of the date, since the rows of a series do not follow one another.
        table["time_idx"] += np.where(table["store"] == "south", late, 0)
    series_set = load_series(table)
    assert series_set.names == ("north", "south")
    assert series_set.report.count("columns that only count the times") == 1
    table["time_idx"] = table["time_idx"] ** 2
    assert load_series(table).names == (
        "north/time_idx", "north/sold", "south/time_idx", "south/sold",
    )  # fmt: skip


def test_a_number_of_the_row_in_the_file_is_not_taken_for_a_time() -> None:
    table = _long(["north", "south"], "store", "step").drop(columns="step")
    table.insert(0, "place", np.arange(len(table)))
    with pytest.raises(DataError, match=r"If place counts .* state --column time=place\.$"):
        load_series(table)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"date": "2024-01-01", "y": 1}\n', "row 1: has no 'target': JSON Lines hold"),
        ("a.json", '[{"date": "2024-01-01", "y": 1}]', "is an array in JSON, not a table"),
        ("a.feather", "ARROW1\0\0xyz", r"is an Arrow file \(Feather\), not a table"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        load_series(f"file:{tmp_path / name}")


def test_a_header_of_several_lines_is_named(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=30, freq="B")
    lines = ["Price,Close,High", "Ticker,AAPL,AAPL", "Date,,"]
    lines += [f"{day:%Y-%m-%d},{100 + number},101" for number, day in enumerate(days)]
    (tmp_path / "prices.csv").write_text("\n".join(lines) + "\n")
    message = r"row 3, column 'Price': has 'Date', the name of .* several lines. Write one line"
    with pytest.raises(DataError, match=message):
        load_series(f"file:{tmp_path / 'prices.csv'}")
    (tmp_path / "prices.csv").write_text("\n".join(["Date,Close,High", *lines[3:]]) + "\n")
    assert load_series(f"file:{tmp_path / 'prices.csv'}").names == ("Close", "High")
