"""Real numbers for arguments of 16 bits and back, for callers that have floats after all."""

from __future__ import annotations

from rnn_apps.export.c.writing.interface import Argument, Interface
from rnn_apps.export.c.writing.loops import literal


def fixed_arguments(interface: Interface) -> list[Argument]:
    """The inputs and outputs that are integers with a scale."""
    return [one for one in interface.arguments if one.fraction is not None]


def scale_lines(interface: Interface) -> list[str]:
    """Scale and zero point of each such argument, for the header."""
    lines = []
    for one in fixed_arguments(interface):
        assert one.fraction is not None
        start = f"#define {interface.prefix.upper()}_{one.identifier.upper()}"
        lines.append(f"{start}_SCALE {literal(2.0**-one.fraction, 'float32')}")
        lines.append(f"{start}_ZERO_POINT 0")
    return lines


def declarations(interface: Interface) -> str:
    """The functions' declarations, for the header."""
    if not fixed_arguments(interface):
        return ""
    texts = [f"{_declared(interface, one)};" for one in fixed_arguments(interface)]
    joined = "\n".join(texts)
    return f"""
/* Real numbers for an input, and the real numbers of an output: real = (integer - ZERO_POINT) *
   SCALE. Numbers out of range become the nearest in range. */
{joined}
"""


def definitions(interface: Interface) -> str:
    """The functions themselves, for the source."""
    texts = []
    for one in fixed_arguments(interface):
        assert one.fraction is not None
        if one in interface.inputs:
            body = f"{one.identifier}[k] = (int16_t)@_to_fixed(real[k], {one.fraction});"
        else:
            body = f"real[k] = @_to_real({one.identifier}[k], {one.fraction});"
        texts.append(
            f"""{_declared(interface, one)}
{{
    for (int32_t k = 0; k < {one.size}; ++k)
        {body}
}}
"""
        )
    return "\n".join(texts)


def _declared(interface: Interface, one: Argument) -> str:
    if one in interface.inputs:
        return (
            f"void {interface.prefix}_quantise_{one.identifier}"
            f"(const float *real, int16_t *{one.identifier})"
        )
    return (
        f"void {interface.prefix}_real_{one.identifier}"
        f"(const int16_t *{one.identifier}, float *real)"
    )
