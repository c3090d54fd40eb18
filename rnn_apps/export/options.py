"""What a file is asked to be: the models in it, how each is used, and what holds for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnn_apps.export.results import TOLERANCES

if TYPE_CHECKING:
    import keras


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


@dataclass(frozen=True)
class SignatureRequest:
    """One signature of a file with several: a model and how it is used; see `export_tflite`."""

    model: keras.Model
    mode: str = "sequence"
    representative_data: Any = None
    timesteps: int | Mapping[str, int] | None = None
    batch_size: int | None = None
    chunk: int = 1
