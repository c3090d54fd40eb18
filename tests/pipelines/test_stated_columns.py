"""Columns by role, in the same way for series, text, pairs and recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sound_files import speech_like, write_sound

from pipelines import ConfigurationError, DataError, load_series, roles
from pipelines.base.stated_columns import joined_names, split_names, stated_columns
from pipelines.pairs import load_pairs
from pipelines.speech import load_recordings
from pipelines.text import load_text
from rnn_apps.application.command_line import build_parser
from rnn_apps.application.configuration import from_flags, read_toml, write_toml
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.translation.config import TranslationConfig


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (["ids=shop"], r"'ids' is not a role; did you mean id\? The roles are time"),
        (["place=shop"], r"column: 'place' is not a role\. The roles are time"),
        (["id"], "not of the form ROLE=NAME"),
        (["id="], "name a column, as in id=NAME"),
        (["id=shop", "known=shop"], "'shop' is stated as id and as known"),
    ],
)
def test_what_states_no_column(stated: list[str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        stated_columns(stated, roles.SERIES)


def test_one_column_where_the_role_is_for_one() -> None:
    with pytest.raises(ConfigurationError, match="the role is for one column, but a, b are named"):
        stated_columns({"text": ("a", "b")}, roles.TEXT)


def test_a_frame_may_have_numbers_as_names() -> None:
    assert stated_columns({"target": 7, "id": [1, "shop"]}, roles.SERIES) == {
        "target": ("7",), "id": ("1", "shop"),
    }  # fmt: skip
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=9), 7: range(9)})
    assert load_series(frame, columns=None).names == ("7",)


def test_names_with_commas_stand_in_quotation_marks() -> None:
    names = ("price, net", "sales")
    assert split_names(joined_names(names)) == names
    texts = ['target="price, net"', "target=sales"]
    assert stated_columns(texts, roles.SERIES) == {"target": names}


def sales() -> pd.DataFrame:
    """Sales of two shops with two items each; date and hour apart."""
    hours = pd.date_range("2024-01-01", periods=48, freq="h")
    parts = []
    for shop in ("north", "south"):
        for item in ("tea", "milk"):
            parts.append(
                pd.DataFrame(
                    {
                        "when": hours.strftime("%Y-%m-%d"),
                        "clock": hours.hour,
                        "outlet": shop,
                        "article": item,
                        "sold": np.arange(48.0),
                        "offer": np.arange(48) % 2,
                        "counter": 7.0,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def test_several_columns_of_series_for_ids_and_times() -> None:
    stated = {
        "time": ("when", "clock"), "id": ("outlet", "article"), "target": "sold", "known": "offer",
    }  # fmt: skip
    series_set = load_series(sales(), columns=stated)
    assert set(series_set.names) == {"north/milk", "north/tea", "south/milk", "south/tea"}
    assert (series_set.frequency, series_set.future_names) == ("h", ("offer",))
    # The same as by the options of their own.
    options = load_series(
        sales(), time_column="when,clock", id_column="outlet,article", targets="sold",
        future_covariates="offer",
    ).options  # fmt: skip
    assert series_set.options == options
    assert options.columns == ()


def test_a_missing_column_of_series_names_the_nearest_and_all() -> None:
    with pytest.raises(
        DataError, match=r"no column 'outlett'.*Did you mean outlet\? Its columns: when"
    ):
        load_series(sales(), columns=["id=outlett,article"])


def test_an_option_and_a_role_that_contradict_each_other() -> None:
    with pytest.raises(ConfigurationError, match="column id=outlet contradicts id_column = 'shop'"):
        load_series(sales(), columns=["id=outlet"], id_column="shop")
    with pytest.raises(ConfigurationError, match="column text=b contradicts text_column = 'a'"):
        load_text("file:x.csv", columns="text=b", text_column="a")


def test_a_column_of_text(tmp_path: Path) -> None:
    table = tmp_path / "posts.csv"
    table.write_text("title,words\n" + "".join(f"a,line {n}\n" for n in range(40)))
    parts = load_text(f"file:{table}", columns={"text": "words"}, split="1,0,0")
    assert "".join(parts.train.chunks()).startswith("line 0\nline 1\n")
    with pytest.raises(DataError, match=r"no column 'word'.*Did you mean words\? Its columns: "):
        "".join(load_text(f"file:{table}", columns={"text": "word"}, split="1,0,0").train.chunks())


def test_columns_of_pairs(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("nr,hier,dort\n" + "".join(f"{n},ja {n},yes {n}\n" for n in range(20)))
    parts = load_pairs(f"file:{table}", columns=["source=dort", "target=hier"])
    assert all(text.startswith("yes") for text in parts.train.source)
    with pytest.raises(DataError, match=r"no column 'dord'.*Did you mean dort\?"):
        load_pairs(f"file:{table}", columns=["source=dord", "target=hier"])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_columns_of_recordings(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    write_sound(tmp_path / "a.wav", speech_like(2.0, 8000), 8000)
    frame = pd.DataFrame(
        {"Sound": ["a.wav", "a.wav"], "said": ["yes", "no"], "from": [0.0, 1.0], "who": "anna",
         "length": [0.9, 0.9], "text": "not this"}
    )  # fmt: skip
    listed = tmp_path / f"list.{ending}"
    if ending == "csv":
        frame.to_csv(listed, index=False)
    else:
        frame.to_json(listed, orient="records", lines=True)
    columns = ("audio=sound", "text=said", "offset=from", "duration=length", "speaker=who")
    recordings = load_recordings(f"file:{listed}", columns=columns)
    assert [one.transcript for one in recordings] == ["yes", "no"]
    assert {one.speaker for one in recordings} == {"anna"}
    assert [one.segment.offset for one in recordings if one.segment] == [0.0, 1.0]
    assert "'said' as the transcript" in caplog.text
    with pytest.raises(DataError, match=r"no column 'sayd', which column text names.*said"):
        load_recordings(f"file:{listed}", columns=("audio=sound", "text=sayd"))


def test_a_folder_without_a_list_has_no_columns(tmp_path: Path) -> None:
    write_sound(tmp_path / "yes_1.wav", speech_like(0.4, 8000), 8000)
    with pytest.raises(DataError, match="has no columns to name"):
        load_recordings(
            f"file:{tmp_path}", naming_rule="{transcript}_{index}.wav", columns=["text=said"]
        )


@pytest.mark.parametrize(
    ("application", "config_type", "flags", "expected"),
    [
        (
            "forecast", ForecastingConfig, ["id=shop,item", "time=date,hour"],
            {"id_column": "shop,item", "time_column": "date,hour", "columns": ()},
        ),
        ("language", LanguageModellingConfig, ["text=body"], {"text_column": "body"}),
        (
            "translate", TranslationConfig, ["source=a", "target=b"],
            {"source_column": "a", "target_column": "b"},
        ),
        ("speech", SpeechConfig, ["audio=a", "text=b"], {"columns": ("audio=a", "text=b")}),
    ],
)  # fmt: skip
def test_the_flag_of_every_application(
    application: str,
    config_type: type,
    flags: list[str],
    expected: dict[str, object],
    tmp_path: Path,
) -> None:
    words = [word for flag in flags for word in ("--column", flag)]
    options = build_parser().parse_args([application, "train", *words])
    config = from_flags(config_type, options)
    assert {name: getattr(config, name) for name in expected} == expected
    # It is kept in the run, which reads it again.
    write_toml(config, tmp_path / "config.toml")
    assert config_type(**read_toml(config_type, tmp_path / "config.toml")) == config
    with pytest.raises(ConfigurationError, match="The roles are"):
        config_type(columns=("colour=x",))
