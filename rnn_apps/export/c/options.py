"""What holds for a whole folder of C code."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_apps.export.results import TOLERANCES

# Allowed |C - Keras| in units of max(0.1, max |Keras|).
ALLOWED_ERRORS = {None: TOLERANCES[None], "int8": TOLERANCES["int8"], "int16x8": 0.05}


@dataclass(frozen=True)
class CodeOptions:
    """Options of an export to C; see `export_c`."""

    quantize: str | None = None
    tolerance: float | None = None
    time_limit: float = 120.0
    integer_io: bool = False
    boards: bool = False

    @property
    def allowed_error(self) -> float:
        """The tolerance asked for, or the one that suits the quantisation."""
        return ALLOWED_ERRORS[self.quantize] if self.tolerance is None else self.tolerance
