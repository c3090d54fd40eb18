"""Files that are not as they should be: each a clear error, or a treatment that is reported."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import DataError, SeriesSet, UserError, load_series
from pipelines.series.tables import csv_files

GOOD = "time,a,b\n2024-01-01 00:00,1,2\n2024-01-01 01:00,3,4\n2024-01-01 02:00,5,6\n"
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def load(path: Path, **settings: object) -> SeriesSet:
    return load_series(f"file:{path}", **settings)


def refusal(path: Path, **settings: object) -> DataError:
    with pytest.raises(DataError) as caught:
        load(path, **settings)
    return caught.value


def test_a_good_file_is_read_as_it_is(write: Write) -> None:
    series_set = load(write(GOOD))
    assert series_set.names == ("a", "b")
    assert series_set.frequency == "h"
    assert series_set["b"].target.tolist() == [2, 4, 6]
    assert series_set["b"].target.dtype == np.float32
    assert series_set["a"].times[-1] == np.datetime64("2024-01-01T02:00:00")
    assert series_set.report.findings == []


def test_a_header_without_rows(write: Write) -> None:
    assert "no row of data" in str(refusal(write("time,a\n")))
    assert "no row of data" in str(refusal(write("time,a\n\n \n".replace(" ", ""))))


def test_only_blank_lines(write: Write) -> None:
    assert "is empty" in str(refusal(write("\n\n")))


def test_text_in_a_number_column_names_row_and_column(write: Write) -> None:
    error = refusal(write(GOOD.replace(",5,", ",five,")))
    assert (error.row, error.column) == (4, "a")
    assert "'five' is not a number" in str(error)


def test_the_row_is_the_line_in_an_editor_despite_blank_lines(write: Write) -> None:
    lines = GOOD.splitlines()
    text = "\n".join(["", lines[0], lines[1], "", "", lines[2], "2024-01-01 02:00,x,6"])
    assert refusal(write(text)).row == 7
    assert refusal(write(text.replace("\n", "\r\n"))).row == 7


def test_the_row_far_into_a_file_of_several_blocks(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1 << 12)
    times = pd.date_range("2020", periods=9000, freq="min").strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"{time},{i}" for i, time in enumerate(times)]
    whole = load(write("time,ä\n" + "\n".join(lines)))
    assert whole["ä"].target.tolist() == list(range(9000))
    lines[8000] = lines[8000].split(",")[0] + ",oops"
    lines.insert(100, "")
    assert refusal(write("time,a\n" + "\n".join(lines))).row == 8003
    lines[8001] += ",1"
    error = refusal(write("time,a\n" + "\n".join(lines)))
    assert error.row == 8003
    assert "3 fields where the header has 2" in str(error)
    lines[8001] = "2020-01-01,\x80"
    content = ("time,a\n" + "\n".join(lines)).encode("latin-1")
    error = refusal(write(content))
    assert error.row == 8003
    assert f"byte {content.index(0x80)} " in str(error)
    lines[8001] = '2020-01-01,"'
    assert refusal(write("time,a\n" + "\n".join(lines))).row == 8003


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e39", "-4e38"])
def test_infinite_values_and_those_beyond_float32(write: Write, value: str) -> None:
    path = write(GOOD.replace(",3,", f",{value},"))
    error = refusal(path)
    assert (error.row, error.column) == (3, "a")
    treated = load(path, infinities="missing")
    assert treated["a"].observed.tolist() == [True, False, True]
    assert treated.report.count("infinite values") == 1


def test_a_column_without_any_value(write: Write) -> None:
    text = GOOD.replace(",1,", ",,").replace(",3,", ",,").replace(",5,", ",NA,")
    assert "'a' has no value at all" in str(refusal(write(text), targets=("a", "b")))
    assert load(write(text), targets=("b",)).names == ("b",)


def test_a_constant_series_is_kept_and_reported(write: Write) -> None:
    text = GOOD.replace(",3,", ",1,").replace(",5,", ",1,")
    series_set = load(write(text))
    assert series_set.report.count("constant series") == 1
    assert series_set["a"].target.tolist() == [1, 1, 1]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_found_and_reported(write: Write, delimiter: str) -> None:
    series_set = load(write(GOOD.replace(",", delimiter)))
    assert series_set["b"].target.tolist() == [2, 4, 6]
    assert any("separated by" in finding.kind for finding in series_set.report.findings)


def test_a_wrong_delimiter_that_was_stated(write: Write) -> None:
    assert "no semicolon in it" in str(refusal(write(GOOD), delimiter=";"))


def test_an_unusual_delimiter_must_be_stated(write: Write) -> None:
    path = write(GOOD.replace(",", "~"))
    assert "no delimiter" in str(refusal(path))
    assert load(path, delimiter="~").names == ("a", "b")


def test_decimal_commas_between_semicolons(write: Write) -> None:
    series_set = load(write("time;a\n2024-01-01;1,5\n2024-01-02;2\n2024-01-03;-0,25\n"))
    assert series_set["a"].target.tolist() == [1.5, 2, -0.25]
    assert any("decimal comma" in finding.kind for finding in series_set.report.findings)


def test_decimal_commas_between_commas_name_the_row(write: Write) -> None:
    error = refusal(write("time,a\n2024-01-01,1\n2024-01-02,2,5\n2024-01-03,3\n"))
    assert error.row == 3
    assert "decimal comma" in str(error)


def test_thousands_are_not_taken_for_decimals(write: Write) -> None:
    error = refusal(write("time;a\n2024-01-01;1,5\n2024-01-02;1.234,5\n"), decimal=",")
    assert (error.row, error.column) == (3, "a")
    assert "'1.234,5' is not a number" in str(error)


def test_bytes_that_are_not_utf8_name_row_and_byte(write: Write) -> None:
    error = refusal(write("time,temp\n2024-01-01,1\n2024-01-02,2°\n".encode("latin-1")))
    assert error.row == 3
    assert "byte 35 (0xb0) is not UTF-8" in str(error)


def test_utf16_is_named(write: Write) -> None:
    assert "UTF-16" in str(refusal(write(GOOD.encode("utf-16"))))


def test_a_byte_order_mark_is_no_part_of_the_first_name(write: Write) -> None:
    series_set = load(write(b"\xef\xbb\xbf" + GOOD.encode()), time_column="time")
    assert series_set.names == ("a", "b")


def test_duplicate_column_names(write: Write) -> None:
    error = refusal(write(GOOD.replace("time,a,b", "time,a,a")))
    assert error.column == "a"
    assert "columns 2 and 3" in str(error)


def test_ten_thousand_columns(write: Write) -> None:
    numbers = np.arange(6 * 10_000, dtype=np.float32).reshape(6, 10_000)
    lines = [",".join(["time", *(f"s{i}" for i in range(10_000))])]
    for day, row in enumerate(numbers, start=1):
        lines.append(",".join([f"2024-01-{day:02d}", *map(str, row.tolist())]))
    series_set = load(write("\n".join(lines)))
    assert len(series_set) == 10_000
    assert np.array_equal(series_set["s9999"].target, numbers[:, 9999])


def test_nul_bytes(write: Write) -> None:
    error = refusal(write(GOOD.encode().replace(b",3,", b",\0,")))
    assert error.row == 3
    assert "NUL" in str(error)


@pytest.mark.parametrize(("old", "new"), [("3,4", "3,4,9"), ("3,4", "3")])
def test_rows_with_too_many_or_too_few_fields(write: Write, old: str, new: str) -> None:
    error = refusal(write(GOOD.replace(old, new)))
    assert error.row == 3
    assert "where the header has 3" in str(error)


def test_a_quotation_mark_that_does_not_close(write: Write) -> None:
    error = refusal(write(GOOD.replace(",3,", ',"3,')))
    assert error.row == 3
    assert "does not close" in str(error)


def test_quoted_fields_are_read(write: Write) -> None:
    text = 'time,id,value\n2024-01-01,"a, b",1\n2024-01-02,"a, b","2"\n2024-01-03,"a, b",3\n'
    assert load(write(text)).names == ("a, b",)


def test_no_header_line(write: Write) -> None:
    assert "names of the columns" in str(refusal(write("1,2\n3,4\n")))


def test_a_column_that_the_file_does_not_have(write: Write) -> None:
    error = refusal(write(GOOD), targets=("aa",))
    assert "there is no column 'aa'" in str(error)
    assert "Did you mean a?" in str(error)
    assert "Did you mean a?" in str(refusal(write(GOOD), targets=("A",)))


def test_a_column_with_two_roles(write: Write) -> None:
    error = refusal(write(GOOD), targets=("a",), past_covariates=("a",))
    assert error.column == "a"
    assert "A column has one role" in str(error)


def test_empty_rows_are_left_out_and_counted(write: Write) -> None:
    series_set = load(write(GOOD + ",,\n,,\n"))
    assert len(series_set["a"]) == 3
    assert series_set.report.count("empty rows") == 2


def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("time,a\n2024-01-01,1\n2024-01-02,2\n")
    (tmp_path / "2.csv").write_text("a;time\n3,5;2024-01-03\nx;2024-01-04\n")
    source = f"file:{tmp_path / '1.csv'},{tmp_path / '2.csv'}"
    with pytest.raises(DataError) as caught:
        load_series(source)
    assert (caught.value.file, caught.value.row) == (str(tmp_path / "2.csv"), 3)
    (tmp_path / "2.csv").write_text("a;time\n3,5;2024-01-03\n4;2024-01-04\n")
    assert load_series(source)["a"].target.tolist() == [1, 2, 3.5, 4]
    (tmp_path / "2.csv").write_text("b,time\n3,2024-01-03\n")
    with pytest.raises(DataError, match=r"2\.csv: there is no column 'a'"):
        load_series(source)


@pytest.mark.parametrize(
    ("magic", "words"), [(b"PK\x03\x04", "Excel"), (b"\x1f\x8b\x08\x00", "gzip")]
)
def test_other_formats_are_named(write: Write, magic: bytes, words: str) -> None:
    assert words in str(refusal(write(magic + b"\0" * 20)))


def test_a_file_that_vanishes(write: Write) -> None:
    from pipelines import parse_source

    path = write(GOOD)
    source = parse_source(f"file:{path}")
    path.unlink()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        load_series(source)


def good_frame() -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=6, freq="h")
    return pd.DataFrame({"time": times, "a": np.arange(6.0), "b": np.arange(6) % 2 == 0})


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    good_frame().to_parquet(path, row_group_size=2)
    series_set = load(path)
    assert series_set["a"].target.tolist() == [0, 1, 2, 3, 4, 5]
    assert series_set["b"].target.tolist() == [1, 0, 1, 0, 1, 0]
    assert series_set.frequency == "h"


def test_parquet_with_a_nested_column(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    good_frame().assign(c=[[1, 2]] * 6).to_parquet(path)
    error = refusal(path)
    assert error.column == "c"
    assert "list<" in str(error)
    assert load(path, targets=("a",)).names == ("a",)


def test_parquet_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    good_frame().to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "not a whole Parquet file" in str(refusal(path))
    path.write_bytes(GOOD.encode())
    assert "does not begin with PAR1" in str(refusal(path))


def test_parquet_whose_data_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    good_frame().to_parquet(path, compression="gzip")
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(bytes(content))
    assert "damaged" in str(refusal(path))


def test_parquet_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    good_frame()[:0].to_parquet(path)
    assert "has no rows" in str(refusal(path))


def test_frames_are_read_with_their_index() -> None:
    frame = good_frame().set_index("time")
    assert load_series(frame)["a"].target.tolist() == [0, 1, 2, 3, 4, 5]
    frame.index.name = None
    assert load_series(frame).names == ("a", "b")


def test_frames_with_text_name_the_row() -> None:
    frame = good_frame().astype({"a": object})
    frame.loc[3, "a"] = "three"
    with pytest.raises(DataError) as caught:
        load_series(frame)
    assert (caught.value.row, caught.value.column) == (4, "a")


def test_frames_without_rows_or_with_double_columns() -> None:
    with pytest.raises(DataError, match="no rows"):
        load_series(good_frame()[:0])
    doubled = pd.concat([good_frame(), good_frame()[["a"]]], axis=1)
    with pytest.raises(DataError, match="the same name"):
        load_series(doubled)


def test_a_column_that_only_counts_rows_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    good_frame().to_csv(path)
    series_set = load(path)
    assert series_set.names == ("a", "b")
    assert series_set.report.count("columns that only count the rows") == 1


def test_no_bytes_whatever_end_in_anything_but_data_or_a_data_error(write: Write) -> None:
    generator = random.Random(0)
    alphabet = [
        b",",
        b";",
        b"\n",
        b"\r",
        b'"',
        b"1",
        b"-",
        b"2024-01-01",
        b"time",
        b"\0",
        b"\xff",
        b" ",
        b"e",
        b".",
        b"inf",
        b"NA",
        b"\xc3\xa4",
        b"+01:00",
        b"Z",
        b":00",
    ]
    outcomes = set()
    for _ in range(300):
        broken = bytearray(GOOD.encode())
        for _ in range(generator.randrange(1, 5)):
            place = generator.randrange(len(broken))
            length = generator.randrange(3)
            broken[place : place + length] = generator.choice(alphabet)
        try:
            load(write(bytes(broken)))
            outcomes.add("loaded")
        except DataError:
            outcomes.add("refused")
    assert outcomes == {"loaded", "refused"}


def test_a_comma_at_the_end_of_every_line_makes_no_column(write: Write) -> None:
    series_set = load(write(GOOD.replace("\n", ",\n")))
    assert series_set.names == ("a", "b")
    assert series_set.report.count("columns without name and values") == 1


def test_a_line_without_end(write: Write) -> None:
    too_long = "1" * (csv_files.SAMPLE_BYTES + 10)
    assert "a line has over" in str(refusal(write("time,a" + too_long)))
    assert refusal(write(f"time,a\n2024-01-01,{too_long}\n2024-01-02,1\n")).row == 2
    field = "1" * 200_000
    assert "not CSV" in str(refusal(write(f"time,a\n2024-01-01,{field}\n2024-01-02,1\n")))


@pytest.mark.parametrize("values", [[10**400, 2], [1j, 2j], [1.0, "x"], [object(), 1]])
def test_frames_with_objects_that_are_no_numbers(values: list[object]) -> None:
    frame = pd.DataFrame({"a": values}, index=pd.date_range("2024", periods=2))
    with pytest.raises(DataError) as caught:
        load_series(frame)
    assert caught.value.column == "a"


def test_what_is_no_source_is_named(write: Write) -> None:
    with pytest.raises(UserError, match="data of type ndarray"):
        load_series(np.zeros(3))
    path = write(GOOD)
    with pytest.raises(DataError, match="Write file:"):
        load_series(path)
