"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Set before any test imports TensorFlow, whose start-up messages would bury a failure's.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores; threads that wait for each other would only take turns on them.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Files are handed to the workers one by one. The longest come first, so that no worker is left
# with one of them when the other has nothing more to do.
LONGEST_FILES = (
    "test_readme",
    "test_export_foreign_models",
    "test_forecasting_run",
    "test_forecasting_contract",
    "test_speech_run",
    "test_resume",
    "test_distributed",
    "test_export",
    "test_export_fast_layers",
    "test_translation_models",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the longest files to the front."""
    place = {name: number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that RNN_APPS_DATA names; the test is skipped without it."""
    folder = os.environ.get("RNN_APPS_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("RNN_APPS_DATA names no folder of real data")
    return Path(folder)
