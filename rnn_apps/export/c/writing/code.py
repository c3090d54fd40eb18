"""The text of a model's header and source."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_apps.export.c.programs.joining import joined
from rnn_apps.export.c.programs.program import (
    C_TYPES,
    Product,
    Program,
    QuantisedProduct,
    QuantisedWindow,
    Repeat,
    Statement,
    Window,
)
from rnn_apps.export.c.programs.tiling import tiled
from rnn_apps.export.c.writing.conversions import declarations, definitions, scale_lines
from rnn_apps.export.c.writing.emission import POOLS, written
from rnn_apps.export.c.writing.fixed_texts import constant_text, kernels_for
from rnn_apps.export.c.writing.interface import BYTES, Argument, Interface, interface_of


@dataclass(frozen=True)
class Code:
    """A model as C.

    Attributes:
        interface: names, shapes and types that the code offers.
        header: text of PREFIX.h.
        source: text of PREFIX.c.
        weight_bytes: bytes of all constants.
        products: multiply-accumulates of one call.
    """

    interface: Interface
    header: str
    source: str
    weight_bytes: int
    products: int


def code_of(program: Program, prefix: str, call: str, title: str) -> Code:
    """Writes a scheduled program.

    Args:
        program: loops and products to write.
        prefix: beginning of all names, and name of both files.
        call: "run" or "step".
        title: first line of the comment at the top of both files.
    """
    products = _products(program.statements)
    program = joined(tiled(program))
    writer, lines = written(program, prefix)
    interface = interface_of(program, writer.layout, prefix, call)
    body = "\n".join(lines)
    text = "\n".join([*writer.functions, body, definitions(interface)])
    kernels = kernels_for(text, prefix)
    arrays = [
        constant_text(buffer, name, writer.matrices.get(name)).replace("@_", f"{prefix.upper()}_")
        for name, buffer in writer.constants.items()
    ]
    own = "\n".join([*writer.functions, _functions(interface, body), definitions(interface)])
    own = own.replace("@_", f"{prefix}_")
    source = "\n".join([top_text(interface, title), *arrays, *kernels, own])
    return Code(
        interface,
        header_text(interface, title),
        source,
        sum(one.size * BYTES[one.dtype] for one in writer.constants.values()),
        products,
    )


def preamble(prefix: str) -> str:
    """What stands before the kernels: the header that they need, and macros for compilers."""
    upper = prefix.upper()
    macro, apart, aligned = f"{upper}_RESTRICT", f"{upper}_NOINLINE", f"{upper}_ALIGNED"
    inline = f"{upper}_INLINE"
    shared = f"{upper}_SHARED"
    return f"""#include <string.h>

#if defined(__GNUC__) || defined(__clang__) || defined(_MSC_VER)
#define {macro} __restrict
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L
#define {macro} restrict
#else
#define {macro}
#endif

/* Products are called from several places: one copy each is small, and compiled for all sizes. */
#if defined(__GNUC__) && !defined(__clang__)
#define {apart} __attribute__((noinline, noclone))
#elif defined(__clang__)
#define {apart} __attribute__((noinline))
#else
#define {apart}
#endif

/* Types take turns in the scratch memory. Clang may move a write of one type before an earlier read
   of another one if both are in one function: here each turn is a function of its own. GCC 12 with
   AVX-512 writes wrong numbers where it knows which constants a loop copies. */
#if defined(__clang__)
#define {shared} __attribute__((noinline))
#elif defined(__GNUC__) && defined(__AVX512F__)
#define {shared} __attribute__((noinline, noclone))
#else
#define {shared}
#endif

#if (defined(__SSE2__) || defined(__aarch64__) || defined(__wasm_simd128__)) \\
    && (defined(__GNUC__) || defined(__clang__))
/* Weights are read by whole lines of the caches. */
#define {aligned} __attribute__((aligned(64)))
#elif defined(__GNUC__) || defined(__clang__)
/* Weights of integers are read by words. */
#define {aligned} __attribute__((aligned(4)))
#else
#define {aligned}
#endif

#if defined(__GNUC__) || defined(__clang__)
/* Some functions are called on some processors only. */
#define {inline} inline __attribute__((unused))
#else
#define {inline} inline
#endif

/* Processors without instructions for floats. */
#if defined(__GNUC__) && (defined(__SOFTFP__) || (defined(__riscv) && !defined(__riscv_flen)))
#define {upper}_NO_FLOATS
#endif

/* The DSP instructions of Cortex-M4, M7 and M33 want fours of 8-bit weights in another order. */
#if defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && defined(__thumb2__) \\
    && !defined(__ARM_FEATURE_MVE) && !defined(__ARM_BIG_ENDIAN)
#define {upper}_DSP
#define {upper}_FOUR(a, b, c, d) a, c, b, d
#else
#define {upper}_FOUR(a, b, c, d) a, b, c, d
#endif
"""


def top_text(interface: Interface, title: str) -> str:
    """The beginning of a source: its header, and words that compilers spell differently."""
    return f"""/* {title}. Written by rnn-apps; see README.md. */

#include "{interface.prefix}.h"

{preamble(interface.prefix)}"""


def _functions(interface: Interface, body: str) -> str:
    """The two functions that the header declares."""
    memory = f"{interface.prefix}_memory *memory"
    unused = "" if "memory->" in body else "    (void)memory;\n"
    for given in interface.inputs:
        if given.identifier not in body:
            unused += f"    (void){given.identifier};\n"
    return f"""void {interface.prefix}_init({memory})
{{
    memset(memory, 0, sizeof *memory);
}}

{_declaration(interface)}
{{
{unused}{body}
}}
"""


def _declaration(interface: Interface) -> str:
    parameters = [f"{interface.prefix}_memory *memory"]
    parameters += [f"const {one.c_type} *{one.identifier}" for one in interface.inputs]
    parameters += [f"{one.c_type} *{one.identifier}" for one in interface.outputs]
    joined = ", ".join(parameters)
    return f"void {interface.function}({joined})"


def header_text(interface: Interface, title: str) -> str:
    """The header of an interface."""
    prefix, upper = interface.prefix, interface.prefix.upper()
    lines = [_size(upper, one) for one in (*interface.arguments, *interface.states)]
    sizes = "\n".join([*lines, *scale_lines(interface)])
    members = [f"    {one.c_type} {one.identifier}[{one.size}];" for one in interface.states]
    members += _scratch_lines(interface)
    if not members:
        members = ["    uint8_t nothing;"]
    joined = "\n".join(members)
    how = (
        "One step: reads the inputs, writes the outputs, and keeps the states in `memory`."
        if interface.call == "step"
        else "One whole sequence; nothing is kept from call to call."
    )
    return f"""/* {title}. Written by rnn-apps; see README.md. */

#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* Elements of each argument and state. */
{sizes}

/* All memory that the model uses; {interface.state_bytes} bytes are kept from call to call and
   {interface.scratch_bytes} are used during a call. One for each instance. */
typedef struct {{
{joined}
}} {prefix}_memory;

/* Begins a sequence: all states are zero. */
void {prefix}_init({prefix}_memory *memory);

/* {how}
   The arguments must not overlap each other. */
{_declaration(interface)};
{declarations(interface)}
#ifdef __cplusplus
}}
#endif

#endif
"""


def _scratch_lines(interface: Interface) -> list[str]:
    """The member for the scratch memory, whose types share its bytes."""
    parts = [
        f"        {C_TYPES[dtype]} {POOLS[dtype]}[{size}];"
        for dtype, size in interface.scratch.items()
        if size
    ]
    return ["    union {", *parts, "    } scratch;"] if parts else []


def _size(upper: str, one: Argument) -> str:
    shape = ", ".join(map(str, one.shape))
    return f"#define {upper}_{one.identifier.upper()}_SIZE {one.size} /* [{shape}] */"


def _products(statements: list[Statement]) -> int:
    total = 0
    for one in statements:
        if isinstance(one, Repeat):
            total += one.count * _products(one.body)
        elif isinstance(one, Product | QuantisedProduct):
            total += one.out.size * one.left.shape[1]
        elif isinstance(one, Window) and one.weights is not None:
            places = one.out.shape[0] * one.out.shape[1]
            total += places * one.weights.size
        elif isinstance(one, QuantisedWindow):
            places = one.window.out.shape[0] * one.window.out.shape[1]
            total += places * one.weights.size
    return total
