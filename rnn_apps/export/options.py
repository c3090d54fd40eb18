"""What a file is asked to be, apart from the models in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnn_apps.export.results import TOLERANCES


@dataclass(frozen=True)
class Options:
    """The options that hold for a whole file; see `export_tflite`."""

    target: str = "litert"
    mode: str = "sequence"
    quantize: str | None = None
    form: str | Mapping[str, str] = "auto"
    integer_io: bool = False
    tolerance: float | None = None
    time_limit: float = 120.0

    @property
    def allowed_error(self) -> float:
        """The tolerance asked for, or the one that suits the quantisation."""
        return TOLERANCES[self.quantize] if self.tolerance is None else self.tolerance
