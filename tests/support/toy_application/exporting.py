"""A run as files for servers and devices, judged by its error on the test part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn_apps.export import export_saved_model, export_tflite
from rnn_apps.export.delivery import SAVED_MODEL, Delivery, DeviceFile, deliver, kibibytes
from toy_application.data import LOOKBACK
from toy_application.trained import TrainedToy

FILES = {"tflite": DeviceFile("model.tflite")}


class ToyDelivery(Delivery):
    """The files of a run; each has to give Keras' numbers on the windows of the test part."""

    files = FILES
    title = "Proven on the test part"
    header = ("file", "KiB", "largest difference from Keras")

    def __init__(self, run: TrainedToy) -> None:
        self._run = run

    def prepare(self, formats: Sequence[str]) -> None:
        numbers = self._run.own.part("test")
        windows = np.lib.stride_tricks.sliding_window_view(numbers, LOOKBACK)
        self._data = {"numbers": np.array(windows[:16, :, None])}

    def contract(self, formats: Sequence[str]) -> dict[str, Any]:
        return {"inputs": {"numbers": ["batch", LOOKBACK, 1]}, "outputs": {"next": ["batch", 1]}}

    def save_companions(self, folder: Path) -> None:
        pass

    def saved_model(self, path: Path) -> list[Any]:
        errors = export_saved_model(self._run.model, path, representative_data=self._data)
        return [SAVED_MODEL, kibibytes(path), max(one.maximum_absolute for one in errors)]

    def device_file(self, wanted: DeviceFile, folder: Path) -> list[Any]:
        path = folder / wanted.file
        result = export_tflite(self._run.model, path, representative_data=self._data)
        return [wanted.file, kibibytes(path), result.error]


def export(run: TrainedToy, to: str | Path, formats: Sequence[str] | None) -> dict[str, Any]:
    """Writes the files of a run into a folder."""
    return deliver(ToyDelivery(run), to, formats)
