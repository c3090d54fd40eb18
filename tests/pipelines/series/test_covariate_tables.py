"""Covariates in a table of their own: joined by id and time, checked at each step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import DataError, load_series
from pipelines.series import SeriesSet, load_covariates
from pipelines.series.covariates.covariate_tables import continued

DAYS = pd.date_range("2024-01-01", periods=30, freq="D")


def sales(shops: tuple[str, ...] = ("north", "south"), rows: int = 20) -> pd.DataFrame:
    """Sales of each shop in the first days."""
    return pd.concat(
        [
            pd.DataFrame({"day": DAYS[:rows], "shop": shop, "sold": np.arange(rows) + 1.0})
            for shop in shops
        ],
        ignore_index=True,
    )


def plans(shops: tuple[str, ...] = ("north", "south")) -> pd.DataFrame:
    """Offers and prices of each shop on all days, with another name for the day."""
    return pd.concat(
        [
            pd.DataFrame(
                {"date": DAYS, "shop": shop, "offer": np.arange(30) % 3, "price": 10.0 + number}
            )
            for number, shop in enumerate(shops)
        ],
        ignore_index=True,
    )


def together(table: pd.DataFrame, data: pd.DataFrame | None = None) -> SeriesSet:
    return load_series(sales() if data is None else data, covariates=table, id_column="shop")


def test_values_are_joined_by_id_and_time(tmp_path: Path) -> None:
    shuffled = plans().sample(frac=1, random_state=3)
    series_set = together(shuffled)
    assert series_set.future_names == ("offer", "price")
    for name, price in (("north", 10), ("south", 11)):
        values = series_set[name].future_covariates
        assert values[:, 0].tolist() == (np.arange(30) % 3).tolist()
        assert set(values[:, 1]) == {price}
    # A file is named in the options, which read it again.
    shuffled.to_csv(tmp_path / "plans.csv", index=False)
    named = load_series(
        sales(), id_column="shop", covariates=f"file:{tmp_path / 'plans.csv'}",
        future_covariates="price",
    )  # fmt: skip
    again = load_series(sales(), named.options)
    assert again.future_names == named.future_names == ("price",)
    np.testing.assert_array_equal(
        again["south"].future_covariates, named["south"].future_covariates
    )


def test_a_table_without_ids_is_for_all_series() -> None:
    table = plans(("north",)).drop(columns="shop")
    series_set = together(table)
    assert all(set(one.future_covariates[:, 1]) == {10} for one in series_set)
    wide = pd.DataFrame({"day": DAYS[:20], "a": np.arange(20.0), "b": np.arange(20.0)})
    assert load_series(wide, covariates=table)["b"].future_covariates.shape == (30, 2)


def test_a_series_with_several_targets_is_one_id() -> None:
    data = sales().assign(returned=1.0)
    series_set = together(plans(), data)
    assert set(series_set["south/returned"].future_covariates[:, 1]) == {11}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (plans(("north", "soth")), "no row for the series south. Did you mean soth"),
        (plans().drop(index=35), "no value for series 'south' at 2024-01-06.*column|'offer'"),
        (plans().drop(index=55), "no value for series 'south' at 2024-01-26, but later values"),
        (plans().iloc[5:], "no value for series 'north' at 2024-01-01, nor at 4 further of the 20"),
        (plans().rename(columns={"offer": "sold"}), "has the column 'sold', which the data has"),
        (plans().assign(price="9 EUR"), "column 'price': holds text .*without 'EUR'"),
    ],
)
def test_what_a_table_lacks(table: pd.DataFrame, words: str) -> None:
    with pytest.raises(DataError, match=words):
        together(table)


def test_an_empty_cell_is_a_missing_value() -> None:
    table = plans()
    table.loc[3, "price"] = np.nan
    with pytest.raises(DataError, match=r"column 'price': has no value for series 'north' at"):
        together(table)


def test_what_is_missing_is_named_by_its_row(tmp_path: Path) -> None:
    """Lines are counted with the header; rows in any order keep their own numbers."""
    path = tmp_path / "plans.csv"
    shuffled = plans(("north",)).drop(columns="shop").sample(frac=1, random_state=2)
    line = 2 + shuffled["date"].tolist().index(DAYS[6])
    lines = {shuffled["date"].iloc[place]: place + 2 for place in range(len(shuffled))}
    shuffled.assign(price=shuffled["price"].where(shuffled["date"] != DAYS[6])).to_csv(
        path, index=False
    )
    words = rf"plans.csv, row {line}, column 'price': .* at 2024-01-07.*: the cell is empty"
    with pytest.raises(DataError, match=words):
        load_series(sales(("north",)), id_column="shop", covariates=f"file:{path}")
    shuffled[shuffled["date"] != DAYS[6]].to_csv(path, index=False)
    before, after = (lines[day] - (lines[day] > line) for day in (DAYS[5], DAYS[7]))
    words = rf"there is no such row between row {before} and row {after}\. Add a row"
    with pytest.raises(DataError, match=words):
        load_series(sales(("north",)), id_column="shop", covariates=f"file:{path}")
    ordered = plans(("north",)).drop(columns="shop")
    for kept, place in ((ordered[3:], "before row 2"), (ordered[:12], "after row 13")):
        kept.to_csv(path, index=False)
        with pytest.raises(DataError, match=f"no such row {place}"):
            load_series(sales(("north",)), id_column="shop", covariates=f"file:{path}")


def test_an_empty_cell_of_a_category_is_refused_or_read_as_none(tmp_path: Path) -> None:
    path = tmp_path / "plans.csv"
    table = plans().assign(weather=["fog", "rain", "sun"] * 20)
    table.loc[[0, 34, 59], "weather"] = None
    table.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"row 2, column 'weather': .*unknown_categories 'zeros'"):
        load_series(sales(), id_column="shop", covariates=f"file:{path}")
    series_set = load_series(
        sales(), id_column="shop", covariates=f"file:{path}", unknown_categories="zeros"
    )
    weather = [one.future_covariates[:, 2].tolist() for one in series_set]
    expected = [[n % 3 for n in range(30)], [n % 3 for n in range(30)]]
    expected[0][0] = expected[1][4] = expected[1][29] = -1
    assert weather == expected
    [finding] = [f for f in series_set.report.findings if "empty cells" in f.kind]
    assert finding.count == 3 and "plans.csv, row 2, column 'weather'" in finding.places[0]
    # A day without a row, or an empty cell of numbers, is refused all the same.
    for wrong in (table.drop(index=34), table.assign(price=table["price"].where(table.index != 3))):
        with pytest.raises(DataError, match=r"no value for series"):
            load_series(sales(), id_column="shop", covariates=wrong, unknown_categories="zeros")


def test_other_series_and_other_zones_of_a_table() -> None:
    series_set = together(plans(("north", "south", "west")))
    assert series_set.names == ("north", "south")
    assert series_set.report.count("series of the table of covariates that the data does not have")
    hours = pd.date_range("2024-01-01", periods=30, freq="h")
    data = pd.DataFrame({"time": hours[:20], "load": np.arange(20.0)})
    aware = pd.DataFrame({"time": hours.tz_localize("Europe/Berlin"), "wind": 1.0})
    with pytest.raises(DataError, match=r"has times of the zone .*, the data has times without"):
        load_series(data, covariates=aware)


def test_a_table_of_the_future_follows_the_end_of_each_series() -> None:
    history = plans().rename(columns={"date": "day"})
    data = sales().merge(history, on=["day", "shop"])
    series_set = load_series(data, id_column="shop", future_covariates=("offer", "price"))
    table = plans()[lambda frame: frame["date"] > DAYS[14]].assign(price=99.0)
    later = continued(series_set, load_covariates(table, series_set, series_set.future_names))
    values = later["north"].future_covariates
    assert values.shape == (30, 2)
    # What the data says of its own time stays; the table's earlier rows are not read.
    assert values[:20, 1].tolist() == [10] * 20 and values[20:, 1].tolist() == [99] * 10
    assert values[:, 0].tolist() == (np.arange(30) % 3).tolist()
    with pytest.raises(DataError, match=r"there is no column 'price'.*Its columns: date, shop"):
        load_covariates(table.drop(columns="price"), series_set, series_set.future_names)


def test_text_in_a_table_is_read_as_categories() -> None:
    weather = ["fog", "rain", "sun"] * 20
    series_set = together(plans().assign(weather=weather))
    assert series_set.categories == {"weather": ("fog", "rain", "sun")}
    assert series_set["south"].future_covariates[:4, 2].tolist() == [0, 1, 2, 0]
    # Also without an id, and where the covariate is chosen.
    alike = pd.DataFrame({"date": DAYS, "weather": weather[:30], "staff": "few"})
    chosen = load_series(sales(), id_column="shop", covariates=alike, future_covariates="weather")
    assert chosen.future_names == ("weather",)
    assert chosen.categories == {"weather": ("fog", "rain", "sun")}
    # Numbers stay numbers: a later table cannot turn them into categories.
    numbers = load_series(sales(), id_column="shop", covariates=plans())
    words = load_covariates(plans().assign(offer=weather), numbers, numbers.future_names)
    with pytest.raises(DataError, match=r"'offer': holds text \('fog', .*the series have numbers"):
        continued(numbers, words)


def test_numbers_of_a_table_are_categories_if_that_is_stated(tmp_path: Path) -> None:
    plans().to_csv(tmp_path / "plans.csv", index=False)
    stated = load_series(
        sales().assign(code=7), id_column="shop", past_covariates="code",
        covariates=f"file:{tmp_path / 'plans.csv'}", categories=("offer", "code"),
    )  # fmt: skip
    assert stated.categories == {"code": ("7",), "offer": ("0", "1", "2")}
    assert set(stated.options.categories) == {"code", "offer"}
    again = load_series(sales().assign(code=7), stated.options)
    assert again.categories == stated.categories
    # A table of the future is read in the same way.
    future = load_covariates(plans(), stated, stated.future_names)
    values = continued(stated, future)["north"].future_covariates[20:, 0]
    assert values.tolist() == (np.arange(20, 30) % 3).tolist()
    with pytest.raises(DataError, match="'colour': is stated as a category, but is not"):
        load_series(sales(), id_column="shop", covariates=plans(), categories="colour")


def test_a_table_has_a_notation_of_its_own(tmp_path: Path) -> None:
    data, table = tmp_path / "data.csv", tmp_path / "plans.csv"
    sales().to_csv(data, index=False, sep=";", decimal=",", date_format="%d.%m.%Y")
    options = {"id_column": "shop", "delimiter": ";", "decimal": ",", "gaps": "error"}
    for form in ({}, {"sep": ";", "decimal": ","}, {"sep": "|"}):
        plans().to_csv(table, index=False, **form)
        series_set = load_series(f"file:{data}", covariates=f"file:{table}", **options)
        assert set(series_set["south"].future_covariates[:, 1]) == {11}
    # What cannot be detected is as stated for the data.
    plans().to_csv(table, index=False, sep="^", decimal=",")
    data.write_text(data.read_text().replace(";", "^"))
    options["delimiter"] = "^"
    assert load_series(f"file:{data}", covariates=f"file:{table}", **options).future_names


def test_a_calendar_of_all_days_serves_business_days() -> None:
    days = pd.bdate_range("2024-01-01", periods=20)
    data = pd.DataFrame({"day": days, "sold": np.arange(20.0)})
    table = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=40)})
    series_set = load_series(data, covariates=table.assign(number=np.arange(40.0)))
    assert series_set.frequency == "B"
    assert series_set[0].future_covariates[4:7, 0].tolist() == [4, 7, 8]
    assert len(series_set[0].future_covariates) == np.count_nonzero(table["day"].dt.weekday < 5)


def test_known_columns_are_those_of_the_table() -> None:
    data = sales().assign(stock=1.0)
    with pytest.raises(DataError, match=r"no column 'stock'.*known ahead comes from the table"):
        load_series(data, id_column="shop", future_covariates="stock", covariates=plans())


def test_counted_rows_are_joined_by_their_numbers() -> None:
    data = pd.DataFrame({"step": np.arange(20), "sold": np.arange(20.0)})
    table = pd.DataFrame({"step": np.arange(30), "offer": np.arange(30.0)})
    series_set = load_series(data, time_column="step", covariates=table)
    assert series_set.frequency == "step"
    assert series_set[0].future_covariates[:, 0].tolist() == np.arange(30).tolist()
