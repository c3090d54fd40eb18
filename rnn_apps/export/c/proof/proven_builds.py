"""A model's code in every build that matters: watched by sanitizers, as flashed, and as served.

A compiler's mistakes depend on how much it optimises: GCC 12 with AVX-512 once copied constant
arrays wrongly at -O3, while the code was right and so was every build with -O1. So the proof also
runs the code as `rnn_apps.edge` compiles it for this computer, and as most firmware is compiled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_apps.edge.runtime.library import PLAINER_OPTIONS, SERVING_OPTIONS
from rnn_apps.edge.runtime.library_check import LibraryCheck
from rnn_apps.edge.runtime.quantization import quantize
from rnn_apps.export.c.proof.compiler import Compiler
from rnn_apps.export.c.proof.cost import cost_of
from rnn_apps.export.c.proof.harness import CompiledCode, compiled, linked
from rnn_apps.export.c.results import Cost
from rnn_apps.export.c.writing.code import Code
from rnn_apps.export.c.writing.interface import Argument
from rnn_apps.export.processes.runtime_process import ModelRunError, RuntimeCall
from rnn_apps.export.proof.comparison import require_within
from rnn_apps.export.results import ExportError, OutputError

Prove = Callable[[CompiledCode], tuple[OutputError, ...]]

# Calls that the folder keeps, for the compilers of those who take it.
_STEPS, _SEQUENCES = 4, 1
# Two builds add up in other orders, and in integers a last bit may be rounded otherwise.
_LEAST_TOLERANCE, _MOST_TOLERANCE = 1e-4, 5e-3
_MARGIN = 10.0
_ADVICE = (
    "This is most likely a mistake of the compiler: name another one in the variable CC, such as "
    "CC=clang"
)


@dataclass(frozen=True)
class ProvenBuilds:
    """What the builds of a model's code gave.

    Attributes:
        program: the build that was watched.
        errors: the largest difference from what is right of each output, over all builds.
        cost: what the code costs on a device.
        check: calls that every other build can be held to.
    """

    program: CompiledCode
    errors: tuple[OutputError, ...]
    cost: Cost
    check: LibraryCheck


def proven_builds(
    code: Code,
    folder: Path,
    compiler: Compiler,
    time_limit: float,
    prove: Prove,
    examples: Sequence[Mapping[str, np.ndarray]],
    what: str = "the C code",
) -> ProvenBuilds:
    """Compiles a model's code in every way that matters and proves each build.

    Args:
        code: header and source; their files are in `folder`.
        folder: folder with PREFIX.h and PREFIX.c.
        compiler: compiler of this computer.
        time_limit: seconds for all calls of one request.
        prove: function that runs a build and gives its errors.
        examples: inputs by name, whose ranges hold for all inputs.
        what: name of the code in messages.

    Raises:
        ExportError: a compiler or a sanitizer complained, or a build is wrong.
    """
    program = compiled(code, folder, compiler, time_limit)
    errors = prove(program)
    require_within(errors, what)
    cost = cost_of(code, folder, compiler)
    served: CompiledCode | None = None
    for build in _optimised(code, folder, compiler, time_limit):
        errors = _worst(errors, _proven_build(build, prove, compiler, what))
        # The first one is what this computer serves.
        served = served or build
    if served is None:
        raise ExportError(f"{compiler.version} compiles the code without optimisation only")
    check = _check(code, program, served, examples, max(error.tolerance for error in errors))
    return ProvenBuilds(program, errors, cost, check)


def _optimised(
    code: Code, folder: Path, compiler: Compiler, time_limit: float
) -> Iterator[CompiledCode]:
    """The build that this computer serves, and the one whose size and stack were measured."""
    prefix = code.interface.prefix
    for options in (SERVING_OPTIONS, *PLAINER_OPTIONS):
        program = linked(code, folder, compiler, time_limit, options, f"{prefix}.c", "served")
        if program is not None:
            yield program
            break
    program = linked(code, folder, compiler, time_limit, ("-std=c99", "-O2"), "model.o", "flashed")
    if program is not None:
        yield program


def _proven_build(
    build: CompiledCode, prove: Prove, compiler: Compiler, what: str
) -> tuple[OutputError, ...]:
    try:
        errors = prove(build)
        require_within(errors, what)
    except (ModelRunError, ExportError) as problem:
        raise ExportError(
            f"{what}: right when compiled with -O1, but not when {compiler.version} compiles with "
            f"{' '.join(build.options)}, as it would be served or flashed: {problem}. {_ADVICE}"
        ) from problem
    return errors


def _worst(one: tuple[OutputError, ...], other: tuple[OutputError, ...]) -> tuple[OutputError, ...]:
    def judged(error: OutputError) -> float:
        return error.relative_rmse if error.state else error.maximum_absolute

    return tuple(max(pair, key=judged) for pair in zip(one, other, strict=True))


def _check(
    code: Code,
    program: CompiledCode,
    served: CompiledCode,
    examples: Sequence[Mapping[str, np.ndarray]],
    allowed: float,
) -> LibraryCheck:
    """Calls that another build of the code must repeat, with what the watched one gives."""
    draw = np.random.default_rng(0)
    inputs = code.interface.inputs
    count = _STEPS if code.interface.call == "step" else _SEQUENCES
    drawn = [{one.name: _drawn(one, examples, draw) for one in inputs} for _ in range(count)]
    given = [{one.name: _typed(one, call[one.name]) for one in inputs} for call in drawn]
    try:
        outputs = program.run("", [RuntimeCall(call) for call in given])
    except ModelRunError:
        # Numbers that are drawn may not be what the model can take: then it is the data itself.
        given = [
            {one.name: _typed(one, example[one.name]) for one in inputs}
            for example in examples[:count]
        ]
        outputs = program.run("", [RuntimeCall(call) for call in given])
    base = min(max(allowed, _LEAST_TOLERANCE), _MOST_TOLERANCE)
    check = LibraryCheck(tuple(given), tuple(outputs), base)
    apart = check.difference(served.run("", [RuntimeCall(call) for call in given]))
    if apart > max(base, allowed):
        raise ExportError(
            f"the code compiled with {' '.join(served.options)} gives other numbers than compiled "
            f"with {' '.join(program.options)} on random inputs ({apart:.2g} of the largest). "
            f"{_ADVICE}"
        )
    # Where small differences grow, as in a model without bounds, more is allowed.
    return dataclasses.replace(check, tolerance=max(base, min(_MARGIN * apart, allowed)))


def _drawn(
    one: Argument, examples: Sequence[Mapping[str, np.ndarray]], draw: np.random.Generator
) -> np.ndarray:
    """Numbers within the range of an input's data: of the data itself nothing is kept."""
    values = np.concatenate([np.asarray(example[one.name]).ravel() for example in examples])
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not values.size:
        return np.zeros(one.shape)
    if values.dtype.kind == "f":
        return draw.uniform(values.min(), values.max(), one.shape).astype(np.float32)
    return draw.integers(int(values.min()), int(values.max()), one.shape, endpoint=True)


def _typed(one: Argument, value: np.ndarray) -> np.ndarray:
    """A value in the code's own type."""
    if one.fraction is not None and value.dtype.kind == "f":
        return quantize(value, 2.0**-one.fraction, 0, one.dtype)
    return np.asarray(value).astype(one.dtype)
