"""Writing one file of a delivery: a .tflite file, or a folder of C code, by what is wanted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rnn_apps.edge.runtime.model import CODE, EdgeModel, load
from rnn_apps.edge.runtime.signatures import Signature
from rnn_apps.export import card
from rnn_apps.export.c.export import export_c, export_c_functions
from rnn_apps.export.c.results import CodeFolder, CodeResult
from rnn_apps.export.c.writing.documents import add_metric
from rnn_apps.export.delivery import DeviceFile, kibibytes
from rnn_apps.export.options import SignatureRequest
from rnn_apps.export.results import ExportResult, MetricResult
from rnn_apps.export.task_metric import TaskMetric
from rnn_apps.export.tflite import export_signatures, export_tflite

_TIMED_SECONDS, _MOST_TIMED = 0.3, 500


@dataclass(frozen=True)
class WrittenFile:
    """A device file that is written and proven.

    Attributes:
        path: the file; for C code the folder.
        kibibytes: size of the file; for C code that of its weights and machine code.
        error: largest difference from Keras.
        latencies_ms: processor time of one call on one thread of this computer, in milliseconds,
            by signature.
        metric: the task's metric, if one was given.
    """

    path: Path
    kibibytes: float
    error: float
    latencies_ms: Mapping[str, float]
    metric: MetricResult | None
    _result: ExportResult | CodeFolder | CodeResult

    @property
    def latency_ms(self) -> float | None:
        """The latency of the only signature, or of the first where there are several."""
        return next(iter(self.latencies_ms.values()), None)

    @property
    def code(self) -> CodeResult:
        """The result of an export to C; for a .tflite file there is none."""
        assert isinstance(self._result, CodeResult)
        return self._result

    def add_task_metric(self, name: str, keras: float, file: float, measured_on: str) -> None:
        """Adds the task's metric to the card; see `card.add_task_metric`."""
        if isinstance(self._result, ExportResult):
            card.add_task_metric(self._result, name, keras, file, measured_on)
        else:
            add_metric(self.path, MetricResult(name, keras, file, measured_on))


def write_model(
    model: keras.Model,
    path: Path,
    wanted: DeviceFile,
    *,
    name: str,
    data: Any,
    mode: str = "sequence",
    chunk: int = 1,
    tolerance: float | None = None,
    metric: TaskMetric | None = None,
) -> WrittenFile:
    """Writes one model.

    Args:
        model: the model as it is deployed.
        path: file to write; for C code a folder.
        wanted: kind of the file.
        name: beginning of all names in C code.
        data: representative inputs that calibrate and prove the file.
        mode: "sequence" for whole sequences, "streaming" for steps with states.
        chunk: number of time steps per step of a stream.
        tolerance: largest relative error that is published; None for that of the kind.
        metric: figure of the task that the file is judged by; None for the error alone.

    Raises:
        ExportError: the model cannot be written like that, or the file is wrong.
    """
    if wanted.target == CODE:
        return _of_code(
            export_c(
                model, path, mode=mode, quantize=wanted.quantize, representative_data=data,
                chunk=chunk, name=name, tolerance=tolerance, metric=metric,
            )
        )  # fmt: skip
    return _of_file(
        export_tflite(
            model, path, target=wanted.target, mode=mode, quantize=wanted.quantize,
            representative_data=data, chunk=chunk, tolerance=tolerance, metric=metric,
        )
    )  # fmt: skip


def write_functions(
    requests: Mapping[str, SignatureRequest],
    path: Path,
    wanted: DeviceFile,
    *,
    name: str,
    tolerance: float | None = None,
) -> WrittenFile:
    """Writes several models into one file, each under its key; see `write_model`."""
    if wanted.target == CODE:
        return _of_code(
            export_c_functions(
                requests, path, name=name, quantize=wanted.quantize, tolerance=tolerance
            )
        )
    return _of_file(
        export_signatures(
            requests, path, quantize=wanted.quantize, form="rule", tolerance=tolerance
        )
    )


def _of_file(result: ExportResult) -> WrittenFile:
    return WrittenFile(
        result.path, kibibytes(result.path), result.error, result.latencies_ms, result.metric,
        result,
    )  # fmt: skip


def _of_code(result: CodeFolder | CodeResult) -> WrittenFile:
    size = round(result.flash_bytes / 1024, 1)
    model = load(result.folder, CODE)
    latencies = {key: _latency_ms(model, one) for key, one in model.signatures.items()}
    return WrittenFile(result.folder, size, result.error, latencies, result.metric, result)


def _latency_ms(model: EdgeModel, signature: Signature) -> float:
    """The median processor time of a call of one function, on zeros."""
    zeros = {name: np.zeros(one.shape, one.dtype) for name, one in signature.inputs.items()}
    run = model.invocation(zeros, signature.key)
    run()
    times: list[float] = []
    while sum(times) < _TIMED_SECONDS and len(times) < _MOST_TIMED:
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)
