"""`--data-seed`: split, order and vocabulary apart from the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from translation_setup import digit_pairs

from pipelines.series.loading import load_series
from pipelines.series.splits import parse_split
from rnn_apps.application.configuration import make, read_toml, write_toml
from rnn_apps.forecasting import ForecastingConfig
from rnn_apps.forecasting.training_parts import training_parts
from rnn_apps.training.resuming import check_same_config
from rnn_apps.translation import TranslationConfig
from rnn_apps.translation.run_data import RunData


def test_the_split_depends_on_the_seed_of_the_data_alone(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in digit_pairs(80)), encoding="utf-8")
    config = TranslationConfig(data=f"file:{path}", split="0.5,0.25,0.25", seed=3)

    def held_out(config: TranslationConfig) -> tuple[str, ...]:
        part = RunData(config).whole.test
        assert part is not None
        return part.source

    plain = held_out(config)
    # As before there was a seed of the data.
    assert held_out(replace(config, data_seed=3)) == plain
    assert held_out(replace(config, seed=9, data_seed=3)) == plain
    assert held_out(replace(config, data_seed=4)) != plain
    assert held_out(replace(config, seed=4)) == held_out(replace(config, data_seed=4))


def test_the_order_of_windows_depends_on_the_seed_of_the_data_alone() -> None:
    index = pd.date_range("2024-01-01", periods=200, freq="h", name="time")
    series = load_series(pd.DataFrame({"load": np.arange(200.0)}, index=index))
    config = ForecastingConfig(lookback=8, horizon=2, batch_size=16, split="0.6,0.2,0.2")

    def first(config: ForecastingConfig) -> list[float]:
        parts = training_parts(series, parse_split(config.split), config)
        inputs, *_ = next(iter(parts.training.epoch(0)))
        return [float(value) for value in inputs["past_target"][:, 0]]

    plain = first(config)
    assert first(replace(config, seed=5, data_seed=0)) == plain
    assert first(replace(config, data_seed=5)) == first(replace(config, seed=5)) != plain


def test_a_run_of_an_earlier_version_reads_as_before(tmp_path: Path) -> None:
    config = ForecastingConfig(data="file:a.csv")
    write_toml(config, tmp_path / "config.toml")
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")
    # It is not written unless it is set, so that an earlier version still reads the run.
    assert "data_seed" not in text
    names = ("plateau_patience", "plateau_factor", "validate_steps", "checkpoint_steps")
    lines = [line for line in text.splitlines() if not line.startswith(names)]
    (tmp_path / "old.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    saved = read_toml(ForecastingConfig, tmp_path / "old.toml")
    assert make(ForecastingConfig, saved) == config
    check_same_config(saved, config)
    set_seed = replace(config, data_seed=7)
    write_toml(set_seed, tmp_path / "set.toml")
    assert make(ForecastingConfig, read_toml(ForecastingConfig, tmp_path / "set.toml")) == set_seed
