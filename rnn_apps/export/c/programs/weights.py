"""Weights in integers: which whole numbers they become, and in which order they lie."""

from __future__ import annotations

import numpy as np

from rnn_apps.export.c.programs.program import View

LARGEST = 127
# Rows of a matrix whose products are summed up in 32 bits before anything else happens to them.
SUMMED = 512
# The largest sum of sizes of weights whose products with numbers of 16 bits fit into 32 bits.
_MOST_SUM, _LARGEST_OF_16_BITS = 65535, 32767
# Rounding that knows the data takes time with the depth squared; it is left out beyond these.
_MOST_DEPTH, _MOST_WORK = 2048, 1e10
# Part of the mean square of the inputs that is added to each, so that the equations can be solved;
# inputs per number of examples come on top: few examples say little about how inputs go together.
_DAMPING = 0.01


def worth(matrix: View) -> bool:
    """Whether weights [inputs, outputs] are rounded by what is multiplied by them."""
    depth, columns = matrix.shape
    return depth <= _MOST_DEPTH and depth * depth * columns <= _MOST_WORK


def matrix_of(right: View) -> np.ndarray:
    """A constant matrix [inputs, outputs] in double precision."""
    data = right.buffer.data
    assert data is not None
    start = right.offset.constant * data.itemsize
    strides = tuple(step * data.itemsize for step in right.strides)
    return np.ndarray(right.shape, data.dtype, data, start, strides).astype(np.float64)


def weights_of_8_bits(
    matrix: np.ndarray, inputs: tuple[np.ndarray, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """A matrix [inputs, outputs] as int8 [outputs, inputs], and each output's scale.

    Where the inputs are known, each weight's error is made up for by the weights after it, as far
    as the inputs go together (Frantar et al., "GPTQ", 2022, section 3.2; Hassibi and Stork, "Second
    order derivatives for network pruning: Optimal Brain Surgeon", 1992, equation 5).

    Args:
        matrix: weights in double precision.
        inputs: X^T X [inputs, inputs] and the number of rows of X, which are inputs; None rounds to
            the nearest.
    """
    scales = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / LARGEST
    nearest = np.round(matrix / scales)
    if inputs is None or not np.isfinite(inputs[0]).all() or not inputs[0].any():
        return nearest.astype(np.int8).T.copy(), scales
    squares, examples = inputs
    part = _DAMPING + len(squares) / examples
    damping = part * float(np.mean(np.diag(squares)))
    inverse = np.linalg.inv(squares + damping * np.eye(len(squares)))
    factor = np.linalg.cholesky(inverse).T
    rest, rounded = matrix / scales, np.empty_like(matrix)
    for row in range(len(matrix)):
        rounded[row] = np.clip(np.round(rest[row]), -LARGEST, LARGEST)
        error = (rest[row] - rounded[row]) / factor[row, row]
        rest[row + 1 :] -= np.outer(factor[row, row + 1 :], error)
    return rounded.astype(np.int8).T.copy(), scales


def weights_of_16_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix [inputs, outputs] as int16 [outputs, inputs], and each output's scale.

    The weights of an output are as fine as sums of 32 bits allow, whatever the inputs are: sums of
    `SUMMED` products of numbers of 16 bits do not overflow.
    """
    depth = len(matrix)
    parts = [np.abs(matrix[start : start + SUMMED]) for start in range(0, depth, SUMMED)]
    largest = np.maximum(np.max([part.sum(axis=0) for part in parts], axis=0), 1e-12)
    # Rounding adds at most a half to each weight.
    scales = largest / (_MOST_SUM - 0.5 * min(depth, SUMMED))
    scales = np.maximum(scales, np.abs(matrix).max(axis=0) / _LARGEST_OF_16_BITS)
    return np.round(matrix / scales).astype(np.int16).T.copy(), scales


def in_blocks(weights: np.ndarray) -> np.ndarray:
    """Weights [outputs, inputs] in the order in which the kernels read them.

    Fours of outputs lie together: eight weights of each of the four, the next eight of each, and so
    on, then what is left of each. Outputs that make no four follow one by one.
    """
    columns, depth = weights.shape
    fours, eights = columns - columns % 4, depth - depth % 8
    groups = weights[:fours].reshape(fours // 4, 4, depth)
    whole_blocks = groups[:, :, :eights].reshape(fours // 4, 4, eights // 8, 8)
    left = groups[:, :, eights:]
    joined = [
        whole_blocks.transpose(0, 2, 1, 3).reshape(fours // 4, 4 * eights),
        left.reshape(fours // 4, 4 * (depth - eights)),
    ]
    return np.concatenate([np.concatenate(joined, axis=1).ravel(), weights[fours:].ravel()])
