"""What a file's outputs and a stream's states may differ by: the largest, and the mean square."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_apps.export.proof.comparison import Comparison, compare, require_within
from rnn_apps.export.results import ExportError

UNITS = 200


def errors_of(difference: np.ndarray, states: tuple[str, ...], tolerance: float = 0.3):
    """The errors of a file whose output "memory" differs from Keras' by that."""
    keras = np.random.default_rng(0).uniform(-1.0, 1.0, (1, UNITS)).astype(np.float32)
    comparison = Comparison("step", [{}], [{"memory": keras}])
    return compare(
        comparison, [{"memory": keras + difference.astype(np.float32)}], tolerance, states
    )


def one_unit(size: float) -> np.ndarray:
    difference = np.zeros((1, UNITS))
    difference[0, 7] = size
    return difference


def test_one_unit_that_turned_over_is_no_fault_of_a_state_but_one_of_an_output() -> None:
    require_within(errors_of(one_unit(0.8), ("memory",)), "the file")
    with pytest.raises(ExportError, match=r"^the file [^;]*: 'memory' differs by 0\.8 where"):
        require_within(errors_of(one_unit(0.8), ()), "the file")


@pytest.mark.parametrize(
    ("difference", "tolerance"),
    [
        (np.full((1, UNITS), 0.25), 0.3),
        (one_unit(3.0), 0.3),
        (one_unit(1e-3), 1e-5),
        (one_unit(np.nan), 0.3),
    ],
    ids=["every unit", "one unit, beyond its range", "float32", "not a number"],
)
def test_a_state_that_is_wrong_is_refused(difference: np.ndarray, tolerance: float) -> None:
    with pytest.raises(ExportError, match="the state 'memory' differs by"):
        require_within(errors_of(difference, ("memory",), tolerance), "the file")
