"""Which products 8-bit weights are too coarse for, found by running the program.

The error of 8-bit weights depends on where they stand: a gate damps it, while the state of a
SimpleRNN carries it from step to step. So it is measured at the outputs, product by product.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import numpy as np

from rnn_apps.export.c.programs.program import (
    Buffer,
    Product,
    Program,
    Repeat,
    Statement,
    whole,
)
from rnn_apps.export.c.programs.simulation import Simulation

# Relative root mean square error of the outputs. Finer weights take twice the memory, so that
# they have to be worth it; where they are, the error falls well below what made them so.
COARSE, FINE = 0.005, 0.002
_MOST_CALLS = 64


def too_coarse(
    program: Program,
    examples: Sequence[Mapping[str, np.ndarray]],
    matrices: Mapping[int, np.ndarray],
) -> set[int]:
    """The products whose weights should have more than 8 bits, by `id`.

    Args:
        program: a scheduled program in float32.
        examples: real inputs; those of a stream with its states, in the order of its steps.
        matrices: matrix of each product that is to be quantised, by `id`: [inputs, outputs] as
            8-bit weights have it.
    """
    exact = _outputs(program, examples)

    def error(coarse: Collection[int]) -> float:
        known = {number: matrices[number] for number in coarse}
        changed = dataclasses.replace(program, statements=_with(program.statements, known))
        return _difference(_outputs(changed, examples), exact)

    coarse = set(matrices)
    if not coarse or error(coarse) <= COARSE:
        return set()
    alone = {number: error([number]) for number in matrices}
    for number in sorted(alone, key=lambda one: -alone[one]):
        coarse.discard(number)
        if error(coarse) <= FINE:
            break
    return set(matrices) - coarse


def _with(statements: Sequence[Statement], matrices: Mapping[int, np.ndarray]) -> list[Statement]:
    """The statements with other matrices in some of their products."""
    made: list[Statement] = []
    for one in statements:
        if isinstance(one, Repeat):
            made.append(Repeat(one.variable, one.count, _with(one.body, matrices)))
        elif isinstance(one, Product) and id(one) in matrices:
            data = matrices[id(one)].astype(np.float32).ravel()
            right = whole(Buffer("constant", "float32", data.size, data=data), one.right.shape)
            made.append(dataclasses.replace(one, right=right))
        else:
            made.append(one)
    return made


def _outputs(
    program: Program, examples: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The outputs of some calls; a stream's states come from its own steps before."""
    simulation = Simulation(program)
    calls = []
    for number, example in enumerate(islice(examples, _MOST_CALLS)):
        begins = not any(np.any(example[name]) for name in program.states)
        if begins or number == 0:
            simulation.begin(example)
        calls.append(simulation.call(example))
    return {name: np.stack([call[name] for call in calls]) for name in program.outputs}


def _difference(found: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> float:
    """The largest relative root mean square error of an output of real numbers."""
    errors = [0.0]
    for name, wanted in exact.items():
        if wanted.dtype.kind == "f":
            square = np.mean((found[name].astype(np.float64) - wanted) ** 2)
            size = max(np.mean(wanted.astype(np.float64) ** 2), 1e-30)
            errors.append(float(np.sqrt(square / size)))
    return max(errors)
