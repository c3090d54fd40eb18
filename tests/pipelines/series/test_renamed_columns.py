"""Other data whose columns have other names: what they are called afterwards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines import load_series
from pipelines.base.errors import ConfigurationError
from pipelines.series.options import SeriesOptions
from pipelines.series.reading.renamed_columns import renamed_columns

DAYS = pd.date_range("2024-01-01", periods=20, freq="D")


def wide() -> pd.DataFrame:
    return pd.DataFrame(
        {"Tag": DAYS, "Nord": np.arange(20.0), "Sued": 2.0 * np.arange(20), "Wind": 1.0}
    )


def test_series_of_a_wide_table_are_called_as_in_the_training() -> None:
    options = SeriesOptions(
        layout="wide", time_column="day", targets=("north", "south"), past_covariates=("wind",)
    )
    columns = renamed_columns(options, ["time=Tag", "target=Nord,Sued", "past=Wind"])
    series_set = columns.renamed(load_series(wide(), columns.options))
    assert series_set.names == series_set.options.targets == ("north", "south")
    assert series_set.past_names == ("wind",)
    assert series_set["south"].target[3] == 6.0


def test_several_targets_of_an_id_are_called_as_in_the_training() -> None:
    table = wide().melt(["Tag", "Wind"], ["Nord", "Sued"], "Ort", "Menge").assign(Preis=3.0)
    options = SeriesOptions(
        layout="long", time_column="day", id_column="town", targets=("amount", "price")
    )
    stated = {"time": "Tag", "id": "Ort", "target": ("Menge", "Preis")}
    columns = renamed_columns(options, stated)
    series_set = columns.renamed(load_series(table, columns.options))
    assert series_set.names == ("Nord/amount", "Nord/price", "Sued/amount", "Sued/price")
    # Statics keep their values, and numbers that are stated as categories stay such.
    options = SeriesOptions(
        layout="long", time_column="day", id_column="town", targets=("amount",),
        static_covariates=("kind",), past_covariates=("wind",), categories=("wind", "kind"),
    )  # fmt: skip
    stated = {**stated, "target": "Menge", "past": "Wind", "static": "Preis"}
    columns = renamed_columns(options, stated)
    assert columns.options.categories == ("Wind", "Preis")
    series_set = columns.renamed(load_series(table, columns.options))
    assert series_set.categories == {"wind": ("1",)}
    assert series_set.static_names == ("kind=3",)


def test_a_choice_of_the_known_targets_keeps_its_names() -> None:
    options = SeriesOptions(layout="wide", targets=("Nord", "Sued"))
    columns = renamed_columns(options, ["target=Sued"])
    assert columns.options.targets == ("Sued",) and not columns.known
    # Where no series need be known, any targets will do; another order says nothing.
    columns = renamed_columns(options, ["target=a,b,c"], any_targets=True)
    assert columns.options.targets == ("a", "b", "c") and not columns.known
    options = SeriesOptions(past_covariates=("a", "b"))
    assert renamed_columns(options, ["past=b,a"]).options == options


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (["target=a"], r"1 in place of the 2 columns of the training \(Nord, Sued\)"),
        (["known=a"], r"1 in place of the 0 columns of the training \(none\)"),
        (["Nord"], "not of the form ROLE=NAME"),
        (["target=a,b", "past=a"], "a column has one role"),
    ],
)
def test_what_cannot_be_renamed(stated: list[str], words: str) -> None:
    options = SeriesOptions(targets=("Nord", "Sued"), future_covariates=("none",))
    with pytest.raises(ConfigurationError, match=words):
        renamed_columns(options, stated)
