"""What a model's C code offers: names, shapes and types of its functions' arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnn_apps.export.c.programs.layout import Layout
from rnn_apps.export.c.programs.program import C_TYPES, Program, View
from rnn_apps.export.c.writing.names import identifiers

BYTES = {"float32": 4, "int32": 4, "bool": 1, "int16": 2, "int8": 1}


@dataclass(frozen=True)
class Argument:
    """One input, output or state.

    Attributes:
        name: its name in the signature.
        identifier: its name in C.
        shape: shape, batch included.
        dtype: NumPy's name of its type; bool is uint8_t in C.
    fraction: a state x of 16 bits is kept as x 2^fraction; None for other types.
        fraction: a state x of 16 bits is kept as x 2^fraction; None for other types.
    """

    name: str
    identifier: str
    shape: tuple[int, ...]
    dtype: str
    fraction: int | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def c_type(self) -> str:
        """Its elements' type in C."""
        return C_TYPES[self.dtype]

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return self.size * BYTES[self.dtype]


@dataclass(frozen=True)
class Interface:
    """The functions of one model.

    Attributes:
        prefix: beginning of all names.
        call: "run" (each call is a sequence of its own) or "step" (states stay in the memory).
        inputs, outputs, states: in the order of the arguments.
        scratch: type -> elements of the scratch memory as an array of this type; all types share
            its bytes.
    """

    prefix: str
    call: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    states: tuple[Argument, ...]
    scratch: dict[str, int]

    @property
    def function(self) -> str:
        """Name of the function that is called."""
        return f"{self.prefix}_{self.call}"

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Everything that the caller gives besides the memory."""
        return (*self.inputs, *self.outputs)

    @property
    def state_bytes(self) -> int:
        """Bytes that are kept from call to call."""
        return sum(state.bytes for state in self.states)

    @property
    def scratch_bytes(self) -> int:
        """Bytes that are used during a call."""
        sizes = [size * BYTES[dtype] for dtype, size in self.scratch.items()]
        widest = max((BYTES[dtype] for dtype, size in self.scratch.items() if size), default=1)
        return -(-max(sizes, default=0) // widest) * widest


def interface_of(program: Program, layout: Layout, prefix: str, call: str) -> Interface:
    """The interface of a program."""

    def arguments(kind: str, views: dict[str, View]) -> tuple[Argument, ...]:
        spelled = identifiers(kind, views)
        return tuple(
            Argument(
                name,
                spelled[name],
                view.shape,
                view.buffer.dtype,
                view.buffer.fraction if view.buffer.dtype == "int16" else None,
            )
            for name, view in views.items()
        )

    return Interface(
        prefix,
        call,
        arguments("input", program.inputs),
        arguments("output", program.outputs),
        arguments("state", program.states),
        dict(sorted(layout.sizes.items())),
    )
