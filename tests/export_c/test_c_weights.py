"""Weights in integers: rounding that knows the data, and the order in which kernels read them."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_apps.export.c.programs.precision import too_coarse
from rnn_apps.export.c.programs.program import (
    Assignment,
    Buffer,
    Loop,
    Product,
    Program,
    View,
    whole,
)
from rnn_apps.export.c.programs.tiling import WIDTH, tiled
from rnn_apps.export.c.programs.weights import (
    in_blocks,
    matrix_of,
    weights_of_8_bits,
    weights_of_16_bits,
)


def product_errors(inputs: np.ndarray, matrix: np.ndarray) -> tuple[float, float]:
    """Relative errors of a product: weights rounded to the nearest, and by what is known."""
    exact = inputs @ matrix
    errors = []
    for known in (None, (inputs.T @ inputs, len(inputs))):
        weights, scales = weights_of_8_bits(matrix, known)
        assert weights.dtype == np.int8 and weights.min() >= -127
        made = inputs @ (weights.T * scales)
        errors.append(float(np.sqrt(np.mean((made - exact) ** 2) / np.mean(exact**2))))
    return errors[0], errors[1]


def test_rounding_makes_use_of_inputs_that_go_together() -> None:
    draw = np.random.default_rng(0)
    # Forty inputs that are mixtures of four, as states of a trained layer are.
    inputs = draw.normal(size=(2000, 4)) @ draw.normal(size=(4, 40))
    inputs += 0.05 * draw.normal(size=inputs.shape)

    nearest, known = product_errors(inputs, draw.normal(size=(40, 24)))

    assert known < 0.5 * nearest


def test_rounding_loses_nothing_on_inputs_that_do_not() -> None:
    draw = np.random.default_rng(1)

    nearest, known = product_errors(draw.normal(size=(2000, 40)), draw.normal(size=(40, 24)))

    assert known < 1.05 * nearest


def test_one_example_does_not_decide_the_weights() -> None:
    draw = np.random.default_rng(2)
    matrix, example = draw.normal(size=(40, 24)), draw.normal(size=(1, 40))
    others = draw.normal(size=(500, 40))

    weights, scales = weights_of_8_bits(matrix, (example.T @ example, 1))

    nearest, scales = weights_of_8_bits(matrix, None)
    error = np.mean((others @ (weights.T * scales - matrix)) ** 2)
    assert error < 1.5 * np.mean((others @ (nearest.T * scales - matrix)) ** 2)


@pytest.mark.parametrize("known", [np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_useless_inputs_round_to_the_nearest(known: np.ndarray) -> None:
    matrix = np.array([[1.0, 0.0], [-0.5, 0.0], [0.2, 0.0]])

    weights, scales = weights_of_8_bits(matrix, (known, 5))

    np.testing.assert_array_equal(weights, [[127, -64, 25], [0, 0, 0]])
    assert scales[0] == pytest.approx(1 / 127) and scales[1] > 0


@pytest.mark.parametrize("depth", [1, 60, 512, 1300])
def test_weights_of_16_bits_are_as_fine_as_sums_of_32_bits_allow(depth: int) -> None:
    matrix = np.random.default_rng(depth).normal(size=(depth, 6))
    matrix[:, 0] = 0
    matrix[0, 1] = 500

    weights, scales = weights_of_16_bits(matrix)

    assert weights.dtype == np.int16 and weights.shape == (6, depth) and (scales > 0).all()
    assert (np.abs(weights.T * scales - matrix) <= 0.5001 * scales).all()
    sums = [
        np.abs(weights[:, start : start + 512].astype(np.int64)).sum(axis=1)
        for start in range(0, depth, 512)
    ]
    largest = np.max(sums, axis=0)
    assert largest.max() * 32768 < 2**31
    # Nearly all of the 32 bits, or of the 16 of a weight, are used.
    assert ((largest > 65000) | (np.abs(weights).max(axis=1) == 32767))[1:].all()


def test_blocks_are_eights_of_four_outputs() -> None:
    weights = np.arange(5 * 9).reshape(5, 9).astype(np.int8)

    blocks = in_blocks(weights)

    np.testing.assert_array_equal(blocks[:32], weights[:4, :8].ravel())
    np.testing.assert_array_equal(blocks[32:36], weights[:4, 8])
    np.testing.assert_array_equal(blocks[36:], weights[4])


def program_of(*products: Product) -> Program:
    return Program({}, {}, {}, list(products))


def product_with(right: View) -> Product:
    rows, columns = right.shape
    left = whole(Buffer("input", "float32", rows), (1, rows))
    return Product(whole(Buffer("scratch", "float32", columns), (1, columns)), left, right)


def test_wide_matrices_lie_in_tiles_and_others_as_they_were() -> None:
    data = np.arange(2 * 100, dtype=np.float32)
    wide = whole(Buffer("constant", "float32", 200, data=data), (2, 100))
    narrow = whole(Buffer("constant", "float32", 20, data=data[:20]), (2, 10))

    first, second = tiled(program_of(product_with(wide), product_with(narrow))).statements

    assert isinstance(first, Product) and isinstance(second, Product)
    assert first.tiled and not second.tiled and second.right is narrow
    found = first.right.buffer.data
    assert found is not None
    matrix = data.reshape(2, 100)
    tiles = [matrix[:, :WIDTH].ravel(), matrix[:, WIDTH:].ravel()]
    np.testing.assert_array_equal(found, np.concatenate(tiles))


def test_a_matrix_that_something_else_reads_stays_as_it_was() -> None:
    buffer = Buffer("constant", "float32", 200, data=np.zeros(200, np.float32))
    as_matrix, transposed = whole(buffer, (2, 100)), View(buffer, (100, 2), (1, 100))

    changed = tiled(program_of(product_with(as_matrix), product_with(transposed)))

    assert not any(one.tiled for one in changed.statements if isinstance(one, Product))


def recurrent_program(gain: float, depth: int = 24) -> tuple[Program, list[dict[str, np.ndarray]]]:
    """A state that a random matrix of this norm multiplies at every step, plus the input."""
    draw = np.random.default_rng(5)
    orthogonal, _ = np.linalg.qr(draw.normal(size=(depth, depth)))
    data = (gain * orthogonal).astype(np.float32).ravel()
    series = whole(Buffer("input", "float32", depth, "series"), (depth,))
    state = whole(Buffer("state", "float32", depth, "state"), (depth,))
    output = whole(Buffer("output", "float32", depth, "output"), (depth,))
    made = Buffer("scratch", "float32", depth)
    product = Product(
        whole(made, (1, depth)),
        whole(state.buffer, (1, depth)),
        whole(Buffer("constant", "float32", depth * depth, data=data), (depth, depth)),
    )
    total = Assignment("t0", "add", (whole(made, (depth,)), series))
    loop = Loop((depth,), [total], [(state, "t0"), (output, "t0")])
    program = Program({"series": series}, {"output": output}, {"state": state}, [product, loop])
    # The first call begins a stream; the others have states, as the steps of a plan have.
    states = [np.zeros(depth, np.float32), *([np.ones(depth, np.float32)] * 29)]
    calls = [
        {"series": draw.normal(size=depth).astype(np.float32), "state": state} for state in states
    ]
    return program, calls


@pytest.mark.parametrize(("step", "coarse"), [(0.1, True), (1e-4, False)])
def test_weights_are_too_coarse_where_the_outputs_say_so(step: float, coarse: bool) -> None:
    program, calls = recurrent_program(0.95)
    product = program.statements[0]
    assert isinstance(product, Product)
    matrix = matrix_of(product.right)
    rounded = np.round(matrix / step) * step

    found = too_coarse(program, calls, {id(product): rounded})

    assert found == ({id(product)} if coarse else set())
