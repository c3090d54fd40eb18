"""Trained Keras 3 models as SavedModel and LiteRT files that are proven on the device's runtime."""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

# Where each public name lives; imported at its first use, so that this package stays cheap.
_HOMES = {
    "export_saved_model": "saved_model",
    "export_tflite": "tflite",
    "export_c": "c.export",
    "export_signatures": "tflite",
    "SignatureRequest": "options",
    "TaskMetric": "task_metric",
    "verify": "verification",
    "inspect": "flatbuffers.inspection",
    "write_microcontroller_files": "micro.microcontroller",
    "ExportResult": "results",
    "ExportError": "results",
    "LayerForm": "results",
    "MetricResult": "results",
    "OutputError": "results",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
