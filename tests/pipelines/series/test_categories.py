"""Covariates of text and of codes: their lists, unknown ones, holidays."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import ConfigurationError, DataError, load_series, parse_split
from pipelines.base.errors import UserError
from pipelines.series import load_covariates, with_holidays
from pipelines.series.covariates.categories import recoded, training_categories
from pipelines.series.covariates.covariate_tables import continued
from pipelines.series.covariates.holiday_calendar import without_holidays
from pipelines.series.time_series import SeriesSet

DAYS = pd.date_range("2024-04-20", periods=24, freq="D")
WEATHER = ["sun", "rain", "fog"] * 8


def sales(**columns: object) -> pd.DataFrame:
    frame = pd.DataFrame({"day": DAYS, "sold": np.arange(24.0), "weather": WEATHER, "code": 7})
    frame.loc[20:, "sold"] = np.nan
    return frame.assign(**columns)


def test_text_is_read_as_codes_in_alphabetic_order() -> None:
    series_set = load_series(sales(), targets="sold", future_covariates="weather")
    assert series_set.categories == {"weather": ("fog", "rain", "sun")}
    assert series_set[0].future_covariates[:4, 0].tolist() == [2, 1, 0, 2]
    assert len(series_set[0].future_covariates) == 24
    # Other data is read in the same way, though its first rows look like numbers.
    again = load_series(sales(weather=[1, 2, 3] * 8), series_set.options)
    assert again.categories == {"weather": ("1", "2", "3")}


def test_none_and_na_are_names_where_names_are_wanted(tmp_path: Path) -> None:
    frame = sales(promotion=["Sale", "None", "NA", ""] * 6)
    frame.loc[20:, "promotion"] = "None"
    frame["shop"] = "NA"
    frame.to_csv(tmp_path / "sales.csv", index=False)
    columns = {"id_column": "shop", "targets": "sold", "future_covariates": "promotion"}
    read = load_series(f"file:{tmp_path / 'sales.csv'}", **columns)
    given = load_series(frame.replace("", None), **columns)
    assert read.names == ("NA",)
    assert read.categories == given.categories == {"promotion": ("NA", "None", "Sale")}
    codes = read["NA"].future_covariates[:, 0]
    assert codes.tolist() == given["NA"].future_covariates[:, 0].tolist()
    assert codes[:4].tolist() == [2, 1, 0, 0] and len(codes) == 24
    assert read.report.count("words that may also mean a missing value") == 3
    # Among numbers they are missing values, as before.
    frame.assign(code=["1", "NA"] * 12).to_csv(tmp_path / "sales.csv", index=False)
    columns["past_covariates"] = "code"
    assert load_series(f"file:{tmp_path / 'sales.csv'}", **columns).categories == read.categories


def test_a_run_of_before_none_was_a_name_reads_it_as_missing() -> None:
    words = ["None", "Sale", "None", "Plain", "NA", "None", *["Sale"] * 18]
    series_set = load_series(sales(offer=words), targets="sold", future_covariates="offer")
    read = recoded(series_set, {"offer": ("Plain", "Sale")}, "error")
    assert read[0].future_covariates[:7, 0].tolist() == [-1, 1, 1, 0, 0, 0, 1]
    kind = "words for a missing value that the training part does not have as names"
    assert read.report.count(kind) == 4
    # A list that has the word keeps it, and a series of nothing else is not made up.
    same = recoded(series_set, {"offer": ("NA", "None", "Plain", "Sale")}, "error")
    assert same[0].future_covariates[:3, 0].tolist() == [1, 3, 1]
    nothing = load_series(sales(offer="None"), targets="sold", future_covariates="offer")
    with pytest.raises(DataError, match="holds the category 'None'"):
        recoded(nothing, {"offer": ("Sale",)}, "error")


def test_none_and_na_are_names_in_static_columns_and_parts_of_an_id(tmp_path: Path) -> None:
    def read(**columns: object) -> SeriesSet:
        both = [sales(land=land, shop="s", offer=land, **columns) for land in ("NA", "DE")]
        pd.concat(both).to_csv(tmp_path / "sales.csv", index=False)
        return load_series(
            f"file:{tmp_path / 'sales.csv'}",
            id_column="land,shop", targets="sold", static_covariates=("offer", *columns),
        )  # fmt: skip

    series_set = read()
    assert series_set.names == ("NA/s", "DE/s")
    assert series_set.static_names == ("offer=DE", "offer=NA")
    assert read(size=["2.5"] * 24)["NA/s"].static_covariates.tolist() == [0, 1, 2.5]
    with pytest.raises(DataError, match="'NA' means a missing value among numbers") as caught:
        read(size=["2.5", *["NA"] * 23])
    assert (caught.value.row, caught.value.column) == (3, "size")


def test_numbers_are_categories_if_they_are_stated() -> None:
    stated = load_series(
        sales(), targets="sold", past_covariates="code", categories="code",
    )  # fmt: skip
    assert stated.categories == {"code": ("7",)}
    plain = load_series(sales(), targets="sold", past_covariates="code")
    assert plain.categories == {}
    with pytest.raises(DataError, match="'code': is stated as a category, but is not a covariate"):
        load_series(sales(), targets="sold", categories="code")
    with pytest.raises(DataError, match="'sold': is to be forecast, so it cannot be a category"):
        load_series(sales(), targets="sold", categories="sold")


def test_a_type_of_categories_says_so_of_numbers() -> None:
    typed = sales(code=pd.Categorical([3, 5] * 12))
    series_set = load_series(typed, targets="sold", future_covariates="code")
    assert series_set.categories == {"code": ("3", "5")}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([f"{number}%" for number in range(24)], "holds text .'0%'.*without '%'.*in categories"),
        ([f"{day:%d.%m.%Y}" for day in DAYS], "the number of days or hours.*in categories"),
    ],
)
def test_text_that_is_a_number_or_a_time_is_refused(values: list[str], words: str) -> None:
    frame = sales(note=values)
    with pytest.raises(DataError, match=words):
        load_series(frame, targets="sold", past_covariates="note")
    stated = load_series(frame, targets="sold", past_covariates="note", categories="note")
    assert len(stated.categories["note"]) == 24
    assert stated.report.count("categories that hardly repeat") == 1


def test_an_empty_category_keeps_the_last_one() -> None:
    weather = [*WEATHER[:4], None, *WEATHER[5:]]
    series_set = load_series(sales(weather=weather), targets="sold", future_covariates="weather")
    assert series_set[0].future_covariates[3:6, 0].tolist() == [2, 2, 0]
    assert series_set.report.count("missing covariates") == 1


def test_the_list_is_that_of_the_training_part() -> None:
    weather = [*WEATHER[:17], "snow", *WEATHER[18:]]
    series_set = load_series(sales(weather=weather), targets="sold", future_covariates="weather")
    known = training_categories(series_set, parse_split("10,5,5"))
    assert known == {"weather": ("fog", "rain", "sun")}
    with pytest.raises(
        DataError,
        match=r"'weather': holds the category 'snow' in series 'sold' at "
        r"2024-05-07, which the training part does not have; it has 'fog'",
    ):
        recoded(series_set, known, "error")
    zeros = recoded(series_set, known, "zeros")
    assert zeros[0].future_covariates[15:19, 0].tolist() == [2, 1, -1, 2]
    assert zeros.report.count("categories that the training part does not have") == 1
    numbers = load_series(sales(), targets="sold", future_covariates="code")
    with pytest.raises(DataError, match="holds numbers, the model was trained with categories"):
        recoded(numbers, {"code": ("7",)}, "error")
    with pytest.raises(DataError, match=r"holds text .*, the model was trained with numbers"):
        recoded(series_set, {}, "error")


def test_a_table_of_the_future_has_the_same_codes() -> None:
    series_set = load_series(sales().iloc[:20], targets="sold", future_covariates="weather")
    table = pd.DataFrame({"day": DAYS[20:], "weather": ["rain", "sun", "hail", "rain"]})

    with pytest.raises(DataError, match="holds the category 'hail' at 2024-05-12"):
        continued(series_set, load_covariates(table, series_set, ("weather",)))
    later = continued(series_set, load_covariates(table, series_set, ("weather",)), "zeros")
    assert later[0].future_covariates[20:, 0].tolist() == [1, 2, -1, 1]


def test_static_numbers_are_categories_if_they_are_stated() -> None:
    frame = pd.concat([sales(shop=shop, region=region) for shop, region in (("a", 1), ("b", 2))])
    options = {"targets": "sold", "id_column": "shop", "static_covariates": "region"}
    assert load_series(frame, **options).static_names == ("region",)
    stated = load_series(frame, **options, categories="region")
    assert stated.static_names == ("region=1", "region=2")


def test_holidays_of_the_past_and_of_the_future() -> None:
    pytest.importorskip("holidays")
    series_set = load_series(sales().iloc[:18], targets="sold")
    with_them = with_holidays(series_set, "DE-BY", reach=30)
    assert with_them.future_names == ("holiday", "days_to_holiday")
    values = with_them[0].future_covariates
    assert values.shape == (48, 2)
    # From 20 April on: 1 May, Ascension on 9 May, Whit Monday on 20 May, Corpus Christi on 30 May.
    assert np.flatnonzero(values[:, 0]).tolist() == [11, 19, 30, 40]
    assert values[8:13, 1].tolist() == [3, 2, 1, 0, 7]
    # Corpus Christi is not a holiday in all of Germany.
    assert with_holidays(series_set, "DE", reach=30)[0].future_covariates[40, 0] == 0
    assert without_holidays(with_them).future_names == ()
    # Another covariate limits how far all are known.
    other = load_series(sales(), targets="sold", future_covariates="code")
    both = with_holidays(other, "DE", reach=30)
    assert both[0].future_covariates.shape == (24, 3)


def test_holidays_follow_local_dates() -> None:
    pytest.importorskip("holidays")
    hours = pd.date_range("2024-04-30 12:00", periods=40, freq="h", tz="UTC")
    frame = pd.DataFrame({"time": hours, "load": 1.0 + np.arange(40)})
    series_set = load_series(frame, time_zone="Europe/Berlin")
    values = with_holidays(series_set, "DE", reach=0)[0].future_covariates[:, 0]
    assert np.flatnonzero(values)[[0, -1]].tolist() == [10, 33]


def test_what_has_no_holidays(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("holidays")
    series_set = load_series(sales(), targets="sold")
    for calendar, words in (
        ("GERMANY", "not the code of a country"),
        ("GERMANY", "two letters that ISO 3166 gives the country"),
        ("DE-BYE", "Did you mean BY, BE"),
        ("DE-XX", "Available: Augsburg, BB"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            with_holidays(series_set, calendar, reach=1)
    counted = load_series(pd.DataFrame({"sold": np.arange(24.0)}))
    with pytest.raises(DataError, match="counted without a date"):
        with_holidays(counted, "DE", reach=1)
    with pytest.raises(DataError, match="a step of MS is longer than a day"):
        with_holidays(dataclasses.replace(series_set, frequency="MS"), "DE", reach=1)
    named = load_series(sales(holiday=1), targets="sold", future_covariates="holiday")
    with pytest.raises(DataError, match="'holiday': is the name of a covariate that holidays adds"):
        with_holidays(named, "DE", reach=1)
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(UserError, match=r"pip install 'rnn-apps\[holidays\]'"):
        with_holidays(series_set, "DE", reach=1)
