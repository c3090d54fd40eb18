"""Files that hold whole series: rows, .tsf, JSON Lines; gzip, comments, no header."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import load_series
from pipelines.base.errors import DataError
from pipelines.series.time_series import SeriesSet

Write = Callable[..., str]

M4 = '"V1","V2","V3","V4","V5","V6","V7"\n"H1",1,2,3,4,5,6\n"H2",7,,9,10,11,\n'
TSF = """# A comment
@relation demand
@attribute series_name string
@attribute state string
@attribute start_timestamp date
@frequency half_hourly
@horizon 4
@missing true
@equallength false
@data
T1:NSW:2002-01-01 00-30-00:1.5,2.5,?,4.5
T2:VIC:2002-01-01 01-00-00:5,6,7
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file, packed by gzip if its name says so, and gives its source."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        data = text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return f"file:{path}"

    return write


def refusal(source: str, **settings: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        load_series(source, **settings)
    return caught.value


def values(series_set: SeriesSet, name: str) -> list[float]:
    series = series_set[name]
    return np.where(series.observed, series.target, np.nan).tolist()


@pytest.mark.parametrize("name", ["m4.csv", "m4.csv.gz"])
def test_rows_of_m4_are_series(write: Write, name: str) -> None:
    series_set = load_series(write(name, M4))
    assert series_set.names == ("H1", "H2")
    assert series_set.frequency == "step"
    assert values(series_set, "H1") == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(values(series_set, "H2"), [7, np.nan, 9, 10, 11])
    assert series_set.report.count("each row is a series") == 1
    assert series_set.options.layout == "rows"
    # Read again with what was found out, as a run reads other data.
    again = load_series(write("other.csv", M4.replace("H", "K")), series_set.options)
    assert again.names == ("K1", "K2")
    long = "series,value\nA,1\nA,2\nB,3\nB,4\n"
    assert load_series(write("long.csv", long), series_set.options).names == ("A", "B")


def test_rows_without_a_header_and_of_unequal_length(write: Write) -> None:
    series_set = load_series(write("rows.csv", "a;1,5;2;3;4;5\nb;6;7\n"), decimal=",")
    assert values(series_set, "a") == [1.5, 2, 3, 4, 5]
    assert values(series_set, "b") == [6, 7]
    assert series_set.report.count("each row is a series, and there is no header") == 1


def test_the_second_file_continues_the_series_of_the_first(write: Write) -> None:
    source = write("train.csv", M4) + "," + write("test.csv", M4)[len("file:") :]
    assert values(load_series(source), "H1") == [1, 2, 3, 4, 5, 6] * 2


def test_rows_whose_columns_are_named_after_times(write: Write) -> None:
    text = "Page,Language,2024-01,2024-02,2024-03,2024-04,2024-05\nx,en,1,2,3,4,5\ny,de,,,6,7,8\n"
    series_set = load_series(write("pages.csv", text), static_covariates=("Language",))
    assert series_set.names == ("x", "y")
    assert series_set.frequency == "MS"
    assert series_set["y"].times[0] == np.datetime64("2024-03-01")
    assert series_set.static_names == ("Language=de", "Language=en")
    years = "Country,Code,1960,1961,1962,1963,1964\nA,a,1,2,3,4,5\nB,b,1,2,3,4,\n"
    assert load_series(write("years.csv", years)).frequency == "YS-JAN"


def test_few_columns_are_rows_only_if_that_is_stated(write: Write) -> None:
    text = "name,V1,V2,V3\na,1,2,3\nb,4,5,6\n"
    assert "no column can be read as times" in str(refusal(write("few.csv", text)))
    assert values(load_series(write("few.csv", text), layout="rows"), "b") == [4, 5, 6]


def test_columns_before_the_values_describe_the_series(write: Write) -> None:
    """As in M5: an id, then words, then values that are counted."""
    rows = [
        f"tea_{shop},tea,{shop},1,2,3,4,{number}" for number, shop in enumerate(("north", "south"))
    ]
    source = write("m5.csv", "\n".join(["id,item,shop,d_1,d_2,d_3,d_4,d_5", *rows]))
    plain = load_series(source)
    assert plain.names == ("tea_north", "tea_south") and plain.frequency == "step"
    assert values(plain, "tea_south") == [1, 2, 3, 4, 1]
    assert load_series(source, static_covariates="shop").static_names == (
        "shop=north",
        "shop=south",
    )
    assert load_series(source, columns="id=item,shop").names == ("tea/north", "tea/south")


def test_what_is_wrong_in_the_first_rows_is_named(write: Write) -> None:
    for text, words in (
        ("item,V2,V3\ntea,1,2\nmilk,1,x2", "'V3'.*series 'milk' holds 'x2'"),
        ("item,V2,V3\ntea,1,2\ntea,1,2", "several rows are called 'tea'"),
    ):
        assert re.search(words, str(refusal(write("wrong.csv", text), layout="rows")))


def test_numbers_name_the_rows_if_that_is_stated(write: Write) -> None:
    source = write("shops.csv", "shop,d_1,d_2,d_3,d_4,d_5\n17,1,2,3,4,5\n18,6,7,8,9,10\n")
    assert load_series(source, layout="rows", id_column="shop").names == ("17", "18")
    error = refusal(source, layout="rows")
    assert "the rows are not series" in str(error)
    assert "state id_column" in str(error)


def test_what_is_wrong_in_rows_is_named_by_line_and_column(write: Write) -> None:
    later = "".join(f"S{i},1,2,3,4,5,6\n" for i in range(30))
    error = refusal(write("m4.csv", M4 + later + "X,1,2,x9,4,5,6\n"))
    assert (error.row, error.column) == (34, "V4")
    assert "'x9' is not a number" in str(error)
    error = refusal(write("m4.csv", M4 + later + "H1,1,2,3,4,5,6\n"))
    assert error.row == 34
    assert "'H1' is already on line 2" in str(error)
    error = refusal(write("m4.csv", M4 + later + "X,1,2,3,4,5,6,7\n"))
    assert error.row == 34
    assert "8 fields where the header has 7" in str(error)


@pytest.mark.parametrize("name", ["demand.tsf", "demand.tsf.gz", "demand.txt"])
def test_a_file_of_the_monash_archive(write: Write, name: str) -> None:
    text = TSF if ".tsf" in name else TSF.removeprefix("# A comment\n")
    series_set = load_series(write(name, text), static_covariates=("state",))
    assert series_set.names == ("T1", "T2")
    assert series_set.frequency == "30min"
    np.testing.assert_array_equal(values(series_set, "T1"), [1.5, 2.5, np.nan, 4.5])
    assert series_set["T2"].times[0] == np.datetime64("2002-01-01T01:00:00")
    assert series_set.static_names == ("state=NSW", "state=VIC")
    assert series_set.report.count("@horizon 4: state it as horizon") == 1


def test_a_file_of_the_monash_archive_without_times_or_in_months(write: Write) -> None:
    text = "@attribute series_name string\n@data\nA:1,2,3\nB:4,5\n"
    assert load_series(write("plain.tsf", text)).frequency == "step"
    months = TSF.replace("half_hourly", "monthly").replace("00-30-00", "00:30:00")
    assert load_series(write("months.tsf", months)).frequency == "MS"


@pytest.mark.parametrize(
    ("old", "new", "row", "words"),
    [
        ("6,7", "six,7", 12, "'six' is not a number"),
        ("T2:VIC:", "T2:", 12, "attributes before the values"),
        ("T2:", "T1:", 12, "already on line 11"),
        ("2002-01-01 01-00-00", "yesterday", 12, "not the time of a first value"),
        ("half_hourly", "often", None, "@frequency 'often' is not known"),
        ("@missing true", "missing", 8, "not a line of the head"),
        ("@data", "@date x", 11, "not a line of the head"),
        ("series_name", "name", None, "has no attribute series_name"),
    ],
)
def test_what_is_wrong_in_a_file_of_the_monash_archive(
    write: Write, old: str, new: str, row: int | None, words: str
) -> None:
    error = refusal(write("demand.tsf", TSF.replace(old, new)))
    assert error.row == row
    assert words in str(error)
    assert error.advice


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


A = {
    "item_id": "a",
    "start": "2012-01-01 00:00:00",
    "target": [1.0, "NaN", 3.0, None, 5.0],
    "feat_static_cat": [0],
    "feat_dynamic_real": [[1, 2, 3, 4, 5, 6, 7]],
}
B = {**A, "item_id": "b", "target": [9, 8, 7, 6, 5], "feat_static_cat": [1]}


@pytest.mark.parametrize("name", ["data.json", "data.jsonl.gz"])
def test_json_lines_of_gluonts(write: Write, name: str) -> None:
    series_set = load_series(write(name, lines(A, B)), frequency="1H")
    assert series_set.names == ("a", "b")
    assert series_set.frequency == "1h"
    np.testing.assert_array_equal(values(series_set, "a"), [1, np.nan, 3, np.nan, 5])
    assert series_set.future_names == ("feat_dynamic_real_0",)
    # What is known ahead reaches beyond the target.
    assert series_set["a"].future_covariates[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert len(series_set.static_names) == 2


def test_the_frequency_of_json_lines(write: Write, tmp_path: Path) -> None:
    assert "State the frequency" in str(refusal(write("data.json", lines(A, B))))
    (tmp_path / "metadata.json").write_text('{"freq": "M"}')
    assert load_series(write("data.json", lines(A, B))).frequency == "MS"
    assert load_series(write("data.json", lines({**A, "freq": "B"}, B))).frequency == "B"
    hourly = write("hourly.json", lines({**A, "freq": "D"}, {**B, "freq": "h"}))
    assert "row 2, column 'freq': 'h' is another step" in str(refusal(hourly))
    assert load_series(hourly, frequency="h").frequency == "h"
    plain = lines({"target": [1, 2, 3]}, {"target": [4, 5]})
    assert load_series(write("plain.json", plain)).names == ("line 1", "line 2")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({**B, "target": [1, "x"]}, "'x' is not a number"),
        ({**B, "target": [[1, 2], [3, 4]]}, "several values per time"),
        ({**B, "target": 3}, "not a list of numbers"),
        ({**B, "start": "2012-13-01"}, "not the time of a first value"),
        ({**B, "feat_static_cat": []}, "has 0 entries where the first line has 1"),
        ({**B, "past_feat_dynamic_real": [[1] * 5]}, "has features where the first line, 1, has"),
        (A, "already on line 1"),
    ],
)
def test_what_is_wrong_in_json_lines(write: Write, record: dict[str, Any], words: str) -> None:
    error = refusal(write("data.json", lines(A, record)), frequency="h")
    assert error.row == 2
    assert words in str(error)
    assert error.advice or "not a list" in str(error)


def test_series_without_a_name_are_others_in_each_file(write: Write, tmp_path: Path) -> None:
    plain = lines({"target": [1, 2, 3]}, {"item_id": None, "target": [4, 5]})
    source = write("a.jsonl", plain) + "," + write("b.jsonl", lines({"target": [6, 7]}))[5:]
    series_set = load_series(source)
    assert series_set.names == ("a.jsonl line 1", "a.jsonl line 2", "b.jsonl line 1")
    assert series_set.report.count("series without 'item_id': each file has its own") == 2
    (tmp_path / "in").mkdir()
    twice = load_series(write("a.jsonl", plain) + "," + write("in/a.jsonl", plain)[5:])
    assert len(twice) == 4
    # Named ones go on in the next file.
    named = lines({"item_id": "a", "target": [1, 2]})
    both = load_series(write("a.jsonl", named) + "," + write("b.jsonl", named)[5:])
    assert values(both, "a") == [1, 2, 1, 2]


def test_names_that_differ_by_blanks_are_the_same_series(write: Write) -> None:
    error = refusal(write("a.jsonl", lines(A, {**A, "item_id": "a "})), frequency="h")
    assert (error.row, "'a' is already on line 1" in str(error)) == (2, True)
    error = refusal(write("rows.csv", M4.replace("H2", "H1 ")))
    assert (error.row, "'H1' is already on line 2" in str(error)) == (3, True)


@pytest.mark.parametrize("half", [{"item_id": "\ud83d"}, {"feat_static_cat": ["\ud83d"]}])
def test_half_of_a_character_in_json_lines_is_named(write: Write, half: dict[str, Any]) -> None:
    error = refusal(write("data.json", lines(A, {**B, **half})), frequency="h")
    assert (error.row, "half of a surrogate pair" in str(error)) == (2, True)


def test_a_name_of_a_row_may_begin_with_the_sign_of_comments(write: Write) -> None:
    text = "# counts\nname,V1,V2,V3,V4,V5\nlove,1,2,3,4,5\n#happy,7,8,9,1,2\nsad,3,4,5,6,7\n"
    text += "# Source: World Bank, 2024\n"
    assert load_series(write("tags.csv", text)).names == ("love", "#happy", "sad")
    bare = "# counts\nlove;3;1;2;4;5\n#happy;7;8;9;1;2\n"
    assert load_series(write("bare.csv", bare)).names == ("love", "#happy")


def test_a_line_that_is_not_json(write: Write) -> None:
    error = refusal(write("data.json", lines(A) + '{"start": \n'), frequency="h")
    assert (error.row, "is not JSON" in str(error)) == (2, True)


def test_comments_above_a_table_and_no_header(write: Write) -> None:
    text = "# Made by a logger\n# in degrees\ntime,a\n2024-01-01,1\n2024-01-02,2\n2024-01-03,x\n"
    error = refusal(write("a.csv", text))
    assert (error.row, error.column) == (6, "a")
    series_set = load_series(write("a.csv", text.replace("x", "3")))
    assert values(series_set, "a") == [1, 2, 3]
    assert series_set.report.count("comment lines above the table: 2") == 1
    bare = "2024-01-01 00:00,1.5,7\n2024-01-01 01:00,2.5,8\n2024-01-01 02:00,x,9\n"
    error = refusal(write("b.csv", bare))
    assert (error.row, error.column) == (3, "column 2")
    series_set = load_series(write("b.csv", bare.replace("x", "3.5")))
    assert series_set.names == ("column 2", "column 3")
    assert values(series_set, "column 2") == [1.5, 2.5, 3.5]
    assert "names of the columns" in str(refusal(write("c.csv", "0,1,2\n5,6.5,7\n4,2.5,3\n")))
    inside = refusal(write("d.csv", text.replace("2024-01-03,x", "# end")))
    assert inside.row == 6
    assert "only stand above" in str(inside)


def test_gzip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    text = "time,a\n" + "".join(f"2024-01-{i:02},{i * 7919 % 31}\n" for i in range(1, 31))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode())[:-20])
    assert "cannot be unpacked" in str(refusal(f"file:{tmp_path / 'a.csv.gz'}"))


def test_days_on_which_a_market_is_open_are_counted(write: Write) -> None:
    days = ("2024-03-27", "2024-03-28", "2024-04-02", "2024-04-03", "2024-04-05")
    text = "date,price\n" + "".join(f"{day},{i + 1}\n" for i, day in enumerate(days))
    series_set = load_series(write("prices.csv", text), gaps="count")
    assert series_set.frequency == "step"
    assert values(series_set, "price") == [1, 2, 3, 4, 5]
    assert series_set.report.count("rows") == 1
    # What a run keeps reads other data in the same way.
    again = load_series(write("other.csv", text), series_set.options)
    assert values(again, "price") == [1, 2, 3, 4, 5]
    error = refusal(write("twice.csv", text + "2024-04-05,6\n"), gaps="count")
    assert error.row == 7
    assert "occurs again" in str(error)
    fine = "time,price\n" + "".join(f"2024-04-05 10:00:00.{i}00,{i}\n" for i in range(5))
    assert values(load_series(write("fine.csv", fine), gaps="count"), "price") == [0, 1, 2, 3, 4]
