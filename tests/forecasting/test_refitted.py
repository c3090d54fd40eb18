"""A backtest that fits the model again: what each fit knows, and who forecast what."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import load_series
from pipelines.base.errors import UserError
from rnn_apps import forecasting
from rnn_apps.application.command_line import main
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.forecasting import ForecastingConfig, Run
from rnn_apps.forecasting.judging.refitted import (
    _wall_clock_starts,
    check_categories,
    planned_fits,
)

LOOKBACK, HORIZON, ROWS, STRIDE = 6, 2, 120, 4
TEST = 24


def _frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    hours = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    load = 5 + np.sin(np.arange(ROWS) * np.pi / 6) + 0.1 * random.normal(size=ROWS)
    load[[70, 105, 106]] = np.nan
    return pd.DataFrame({"time": hours, "load": load, "wind": random.normal(size=ROWS)})


def _plan() -> pd.DataFrame:
    """When a machine is on, for some hours beyond the end of the data too."""
    hours = pd.date_range("2024-01-01", periods=ROWS + HORIZON, freq="h")
    return pd.DataFrame({"time": hours, "machine": np.arange(len(hours)) // 5 % 2})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("refitted")
    _frame().to_csv(folder / "data.csv", index=False)
    _plan().to_csv(folder / "plan.csv", index=False)
    config = ForecastingConfig(
        data=f"file:{folder / 'data.csv'}", run=str(folder / "run"), targets=("load",),
        covariates=f"file:{folder / 'plan.csv'}", past_covariates=("wind",),
        missing="interpolate", model="direct", lookback=LOOKBACK,
        horizon=HORIZON, units=4, epochs=1, split=f"72,{ROWS - 72 - TEST},{TEST}",
        gradient_flow=False,
    )  # fmt: skip
    forecasting.train(config)
    return forecasting.load(folder / "run")


def test_a_run_reads_its_table_of_covariates_again(run: Run) -> None:
    assert run.description.future_names == ("machine",)
    expected = run.predict()["forecast"]
    # Other data finds its rows in the run's table, unless it has a table of its own.
    np.testing.assert_allclose(run.predict(_frame())["forecast"], expected, rtol=1e-6)
    plan = _plan().assign(machine=1.0)
    assert not np.allclose(run.predict(_frame(), future=plan)["forecast"], expected)
    figures = run.evaluate(_frame(), "test", stride=8, covariates=_plan())
    assert figures["mae"] == pytest.approx(run.evaluate(stride=8)["mae"], rel=1e-5)
    assert figures["mae"] != run.evaluate(_frame(), "test", stride=8, covariates=plan)["mae"]


def test_no_fit_knows_what_follows_its_first_origin(run: Run) -> None:
    data = _frame()
    whole = run.series(data)
    fits = planned_fits(run, whole, run.part("test"), every=3, stride=STRIDE, begin="run")
    first = ROWS - TEST
    assert [fit.first for fit in fits] == [
        whole[0].times[first], whole[0].times[first + 3 * STRIDE]
    ]  # fmt: skip
    for fit in fits:
        later = data["time"] >= pd.Timestamp(fit.first)
        assert later.any() and fit.known[0].times[-1] < fit.first
        # Other values from the first origin on, even in a gap that reaches over it, change nothing.
        other = data.assign(
            load=data["load"].where(~later, 99.0), wind=data["wind"].where(~later, -99.0)
        )
        again = planned_fits(
            run, run.series(other), run.part("test"), every=3, stride=STRIDE, begin="run"
        )
        changed = next(one for one in again if one.first == fit.first)
        for name in ("times", "target", "observed", "past_covariates"):
            np.testing.assert_array_equal(
                getattr(fit.known[0], name), getattr(changed.known[0], name)
            )
        assert changed.config == fit.config and fit.config.split.endswith(",0")


def test_fits_on_other_data_have_folders_of_their_own(run: Run) -> None:
    own, other = (
        planned_fits(
            run, run.series(data), run.part("test"), every=3, stride=STRIDE, begin="scratch"
        )
        for data in (_frame(), _frame().assign(wind=1.0))
    )
    assert [fit.first for fit in own] == [fit.first for fit in other]
    assert not {fit.config.run for fit in own} & {fit.config.run for fit in other}


def test_fits_of_an_earlier_model_are_not_those_of_a_run_that_went_on(
    run: Run, tmp_path: Path
) -> None:
    def names(begin: str) -> list[str]:
        fits = planned_fits(gone_on, run.series(), run.part("test"), 3, STRIDE, begin)
        return [Path(fit.config.run).name for fit in fits]

    gone_on = copy.copy(run)
    gone_on.folder = RunFolder(tmp_path, run.folder.application)
    content = run.folder.model.read_bytes()
    found = {}
    for last in (b"", b"more"):
        gone_on.folder.model.write_bytes(content + last)
        found[last] = names("run"), names("scratch")
        # Without a change, the fits that there are serve again.
        assert found[last] == (names("run"), names("scratch"))
    assert not set(found[b""][0]) & set(found[b"more"][0])
    assert found[b""][1] == found[b"more"][1]


def test_a_fit_that_lacks_a_category_is_refused(run: Run) -> None:
    trained = dataclasses.replace(run.description, categories={"weather": ("fog", "rain", "sun")})
    check_categories(trained, trained, "noon")
    fitted = dataclasses.replace(trained, categories={"weather": ("fog", "sun")})
    with pytest.raises(UserError, match=r"before noon lack categories of 'weather' .*\(rain\)"):
        check_categories(fitted, trained, "noon")


def test_a_table_says_which_fit_made_which_forecast(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "forecasts.csv"
    command = ["forecast", "evaluate", "--run", str(run.folder.path), "--stride", str(STRIDE)]
    assert main([*command, "--refit", "3", "--forecasts", str(table)]) == 0
    # A fit keeps the scales of the run that it goes on from, which is no change of its data.
    assert "has changed since" not in caplog.text
    rows = pd.read_csv(table)
    origins = rows.groupby("fit")["origin"]
    assert origins.nunique().tolist() == [3, 3]
    assert origins.max()[1] < origins.min()[2]
    # A fit's forecasts are those of the run that it is.
    folders = sorted((run.folder.path / "refits/3-4-run").iterdir())
    assert len(folders) == 2
    second = forecasting.load(folders[1])
    origin = origins.min()[2]
    expected = second.predict(_frame(), at=origin)["forecast"]
    chosen = rows[(rows["origin"] == origin) & (rows["fit"] == 2)]
    np.testing.assert_allclose(chosen["forecast"], expected, rtol=1e-4)
    # Once more, no fit is trained again.
    histories = [(folder / "history.csv").read_bytes() for folder in folders]
    with caplog.at_level("INFO"):
        result = forecasting.evaluate_refitted(run, 3, stride=STRIDE)
    assert "2 fits, each from the run's weights with up to 1 epochs" in caplog.text
    names = [row[0] for row in result["table"]["rows"]]
    assert names[0] == "direct GRU, fitted again every 3" and names[1] == "direct GRU"
    assert [(folder / "history.csv").read_bytes() for folder in folders] == histories
    assert "each from the run's weights), stride 4" in result["table"]["title"]
    page = Path(result["report"]).read_text()
    assert "fitted again after every 3 origins" in page and "no model is fitted" not in page
    assert f"--stride {STRIDE} --refit 3 --refit-from run" in page
    fitted = [forecasting.load(folder).yardsticks.calibrations["model"] for folder in folders]
    counts = sorted({calibration.windows for calibration in fitted})
    assert f"Each fit is calibrated on {' to '.join(map(str, counts))} windows" in page


@pytest.mark.slow
def test_fits_from_scratch_know_nothing_of_the_run(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "forecasts.csv"
    command = ["forecast", "evaluate", "--run", str(run.folder.path), "--stride", str(STRIDE)]
    command += ["--refit", "3", "--refit-from", "scratch", "--forecasts", str(table)]
    assert main(command) == 0
    rows = pd.read_csv(table)
    folders = sorted((run.folder.path / "refits/3-4-scratch").iterdir())
    assert len(folders) == 2
    for number, folder in enumerate(folders, 1):
        fit = forecasting.load(folder)
        assert fit.config.from_run == "" and not (folder / "origin.json").exists()
        # The first fit is trained on the rows of the run, the second on more.
        assert (fit.description.location == run.description.location) == (number == 1)
        chosen = rows[rows["fit"] == number]
        origin = chosen["origin"].min()
        expected = fit.predict(_frame(), at=origin)["forecast"]
        found = chosen[chosen["origin"] == origin]["forecast"]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    # The same network trained in the same way on the same rows, without the run, is the fit.
    fits = planned_fits(run, run.series(), run.part("test"), 3, STRIDE, "scratch")
    alone = dataclasses.replace(fits[0].config, run=str(tmp_path / "alone"))
    again = forecasting.train(alone, data=fits[0].known).predict(_frame())["forecast"]
    np.testing.assert_array_equal(again, forecasting.load(folders[0]).predict(_frame())["forecast"])
    # A part in which the run was trained is no obstacle to fits that begin anew.
    result = forecasting.evaluate_refitted(
        run, 40, part="validation", stride=STRIDE, begin="scratch"
    )
    assert result["fits"] == 1 and len(result["table"]["rows"]) > 2


def test_what_cannot_be_fitted_again(run: Run) -> None:
    with pytest.raises(UserError, match="refit = -1 must be at least 1"):
        forecasting.evaluate_refitted(run, -1)
    assert main(["forecast", "evaluate", "--run", "any", "--refit-from", "scratch"]) == 2
    with pytest.raises(UserError, match="stride = 0 must be at least 1"):
        run.evaluate(stride=0)
    with pytest.raises(UserError, match="choose from run, scratch"):
        forecasting.evaluate_refitted(run, 3, begin="nothing")
    with pytest.raises(UserError, match=r"first origin, .*, is in the time that the run was"):
        forecasting.evaluate_refitted(run, 3, part="validation")
    with pytest.raises(UserError, match="rows before the first origin, of which the validation"):
        forecasting.evaluate_refitted(run, 3, part="all", begin="scratch")


def test_a_fit_begins_after_an_hour_that_occurs_twice() -> None:
    times = pd.date_range("2024-10-26 22:00", periods=10, freq="h", tz="UTC")
    series_set = load_series(
        pd.DataFrame({"time": times, "load": np.arange(10.0)}), time_zone="Europe/Berlin"
    )
    own = series_set[0].times
    # 0:00 UTC and 1:00 UTC are both 2:00 in Berlin.
    starts = _wall_clock_starts(series_set, [own[1], own[3]])
    minutes = series_set.wall_clock(own)
    assert minutes[2] == minutes[3]
    assert starts[1] == minutes[3] + 1 and starts[0] == minutes[1]
