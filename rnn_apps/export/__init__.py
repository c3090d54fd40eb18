"""Trained Keras 3 models as SavedModel and LiteRT files that are proven on the device's runtime."""

from __future__ import annotations

import importlib
from typing import Any

# Where each public name lives; imported at its first use, so that this package stays cheap.
_PUBLIC = {
    "export_saved_model": "saved_model",
    "export_tflite": "tflite",
    "export_signatures": "tflite",
    "SignatureRequest": "tflite",
    "verify": "verification",
    "inspect": "inspection",
    "write_microcontroller_files": "microcontroller",
    "ExportResult": "results",
    "ExportError": "results",
    "LayerForm": "results",
    "OutputError": "results",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
