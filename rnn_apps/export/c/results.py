"""What an export to C tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rnn_apps.edge.runtime.library_check import LibraryCheck
from rnn_apps.export.c.writing.interface import Interface
from rnn_apps.export.results import MetricResult, OutputError, ProofExtent


@dataclass(frozen=True)
class Cost:
    """What a model's code costs on a device.

    Attributes:
        weight_bytes: bytes of constants.
        state_bytes: bytes that are kept from call to call.
        scratch_bytes: bytes that are used during a call.
        products: multiply-accumulates of one call.
        code_bytes: bytes of machine code on this computer, compiled with -O2; None if that could
            not be measured.
        stack_bytes: bytes of stack that one call needs at most on this computer; None likewise.
    """

    weight_bytes: int
    state_bytes: int
    scratch_bytes: int
    products: int
    code_bytes: int | None = None
    stack_bytes: int | None = None


@dataclass(frozen=True)
class BoardFigure:
    """What a call costs on an emulated microcontroller.

    Attributes:
        instructions: instructions of a call, as QEMU counts them; None if it does not run there.
        code_bytes: bytes of machine code.
        problem: why it does not run there; empty if it does.
    """

    instructions: int | None = None
    code_bytes: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class CodeResult:
    """A written and proven folder of C code.

    Attributes:
        folder: where it is.
        interface: names, shapes and types of what the code takes and gives.
        mode: "sequence" or "streaming".
        quantize: None, "int8" or "int16x8".
        errors: difference from Keras of each output.
        cost: what the code costs on a device.
        compiler: compiler that the code was proven with.
        sanitized: whether sanitizers watched the proof.
        reference_data: "representative" or "random".
        measured_on: how much was compared.
        metric: the task's metric in Keras and in C, if the export was given one.
        boards: figures by the core's name, if they were asked for.
        check: calls that every other build of the code can be held to.
    """

    folder: Path
    interface: Interface
    mode: str
    errors: tuple[OutputError, ...]
    cost: Cost
    compiler: str
    sanitized: bool
    reference_data: str
    measured_on: ProofExtent
    quantize: str | None = None
    metric: MetricResult | None = None
    boards: Mapping[str, BoardFigure] = field(default_factory=dict)
    check: LibraryCheck | None = field(default=None, repr=False, compare=False)

    @property
    def flash_bytes(self) -> int:
        """Bytes of weights and of machine code on this computer, as far as that is known."""
        return self.cost.weight_bytes + (self.cost.code_bytes or 0)

    @property
    def header(self) -> Path:
        """Path of the header."""
        return self.folder / "src" / f"{self.interface.prefix}.h"

    @property
    def source(self) -> Path:
        """Path of the source."""
        return self.folder / "src" / f"{self.interface.prefix}.c"

    @property
    def error(self) -> float:
        """The largest absolute difference from Keras over all outputs."""
        return max((error.maximum_absolute for error in self.errors), default=0.0)


@dataclass(frozen=True)
class CodeFolder:
    """A written folder with one or more proven functions.

    Attributes:
        folder: where it is.
        name: beginning of all names in the code.
        model: name of the Keras model.
        functions: results by the functions' keys; the key of a single function is empty.
        metric: the task's metric in Keras and in C, if the export was given one.
    """

    folder: Path
    name: str
    model: str
    functions: Mapping[str, CodeResult]
    metric: MetricResult | None = None

    @property
    def error(self) -> float:
        """The largest absolute difference from Keras over all functions."""
        return max(result.error for result in self.functions.values())

    @property
    def flash_bytes(self) -> int:
        """Bytes of weights and of machine code on this computer, as far as that is known."""
        return sum(result.flash_bytes for result in self.functions.values())
