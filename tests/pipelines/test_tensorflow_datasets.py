"""TensorFlow datasets: a builder of our own, prepared into a folder without a network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipelines import DataError, load_prepared, load_series


class RnnAppsPanel(tfds.core.GeneratorBasedBuilder):
    """Each example a series: times in seconds since 1970, values, and what does not change."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        sequence = tfds.features.Tensor
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "timestamp": sequence(shape=(None,), dtype=np.int64),
                    "value": sequence(shape=(None,), dtype=np.float32),
                    "item_id": tfds.features.Text(),
                    "floor": tfds.features.Scalar(np.int32),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(0, 3), "test": self._generate_examples(3, 4)}

    def _generate_examples(self, first: int, last: int) -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(first, last):
            rows = np.arange(10 + number)
            yield (
                f"{number}",
                {
                    "timestamp": 1_700_000_000 + 3600 * rows,
                    "value": (100 * number + rows).astype(np.float32),
                    "item_id": f"meter {number}",
                    "floor": number,
                },
            )


class RnnAppsRows(tfds.core.GeneratorBasedBuilder):
    """Each example a row: a time as text and two columns."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "date": tfds.features.Text(),
                    "load": {"north": np.float32, "south": np.float32},
                }
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for day in range(1, 8):
            yield day, {"date": f"2024-01-{day:02d}", "load": {"north": day, "south": -day}}


class RnnAppsPictures(tfds.core.GeneratorBasedBuilder):
    """No time series at all."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {"image": tfds.features.Tensor(shape=(2, 2), dtype=np.uint8)}
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield 0, {"image": np.zeros((2, 2), np.uint8)}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    for builder in (RnnAppsPanel, RnnAppsRows, RnnAppsPictures):
        builder(data_dir=folder).download_and_prepare()
    return folder


def test_each_example_a_series(data_dir: Path) -> None:
    series_set = load_series("tfds:rnn_apps_panel", data_dir=str(data_dir))
    assert sorted(series_set.names) == [f"meter {number}" for number in range(4)]
    assert (series_set.frequency, series_set.static_names) == ("h", ("floor",))
    third = series_set["meter 3"]
    assert third.target.tolist() == [300 + row for row in range(13)]
    assert third.static_covariates.tolist() == [3]
    assert third.times[0] == np.datetime64(1_700_000_000, "s")


def test_a_split_is_named_after_an_at(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    assert load_series("tfds:rnn_apps_panel@test").names == ("meter 3",)
    with pytest.raises(DataError, match=r"has no split 'validation'.*Its splits are train, test"):
        load_series("tfds:rnn_apps_panel@validation")


def test_each_example_a_row(data_dir: Path) -> None:
    series_set = load_series("tfds:rnn_apps_rows", data_dir=str(data_dir))
    assert series_set.names == ("load/north", "load/south")
    assert series_set["load/south"].target.tolist() == [-day for day in range(1, 8)]
    assert series_set.frequency == "D"


def test_what_is_no_series_is_refused(data_dir: Path) -> None:
    with pytest.raises(DataError, match=r"feature 'image' of shape \(2, 2\)"):
        load_series("tfds:rnn_apps_pictures", data_dir=str(data_dir))


def test_a_prepared_folder_does_not_need_the_builder_s_code(data_dir: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(data_dir / "rnn_apps_panel", tmp_path / "renamed_panel")
    info = tmp_path / "renamed_panel" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("rnn_apps_panel", "renamed_panel"))
    for record in info.parent.glob("rnn_apps_panel*"):
        record.rename(info.parent / record.name.replace("rnn_apps_panel", "renamed_panel"))
    examples = load_prepared("renamed_panel", "train", tmp_path)
    assert len(list(examples)) == 3


def test_what_is_not_prepared_is_refused_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        load_prepared("mnist", "train", tmp_path)
    assert "is not prepared in" in str(caught.value)
    assert "--data-dir" in str(caught.value) and "TFDS_DATA_DIR" in str(caught.value)
    with pytest.raises(DataError, match=r"Did you mean .*mnist"):
        load_prepared("mnists", "train", tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        load_prepared("mnist", "train", tmp_path / "nowhere")
    with pytest.raises(DataError, match="not a name of a TensorFlow dataset"):
        load_prepared("huggingface:squad", "train", tmp_path)
    # A download would retry for minutes; an import of tensorflow_datasets takes seconds.
    assert time.monotonic() - start < 60


def test_preparing_is_done_only_when_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not prepared"):
        load_prepared("rnn_apps_rows", "train", tmp_path)
    assert not any(tmp_path.iterdir())
    assert len(list(load_prepared("rnn_apps_rows", "train", tmp_path, download=True))) == 7
    assert len(list(load_prepared("rnn_apps_rows", "train", tmp_path))) == 7
