"""One input's example data as an array of the model's own type, or the reason why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipelines.base.errors import ConfigurationError
from rnn_apps.export.signature.model_signature import InputTensor

# How many wrong numbers a message shows.
_SHOWN = 3


class ExampleDataError(ConfigurationError):
    """Representative data that does not fit the model.

    Args:
        problem: the problem as a clause without the name of the data.
    """

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"representative_data {problem}")


def is_array(value: Any) -> bool:
    """Whether `value` is one array: of NumPy, TensorFlow, pandas, or whatever gives one."""
    return hasattr(value, "__array__") and not isinstance(value, Mapping)


def input_array(input: InputTensor, value: Any) -> np.ndarray:
    """`value` as an array that `input` takes, batch first, of its dtype; every number is kept.

    Whole numbers may be given as floats; a fraction for an input of whole numbers, a number beyond
    the input's type, NaN, infinity, text and rows of different lengths are refused.

    Raises:
        ExampleDataError: says which input, what is wrong and what to do.
    """
    array = _plain_array(input, value)
    _refuse_shape(input, array)
    if input.dtype == "string":
        return array.astype(object)
    if array.dtype.kind not in "biuf" and str(array.dtype) != "bfloat16":
        raise ExampleDataError(
            f"for input {input.name!r} holds {_kind(array)}; the model takes {input.dtype}"
        )
    if array.dtype.kind not in "biu" and not np.isfinite(array.astype(np.float64)).all():
        raise ExampleDataError(f"for input {input.name!r} holds NaN or infinity")
    return _cast(input, array)


def _plain_array(input: InputTensor, value: Any) -> np.ndarray:
    refuse_uneven(value)
    if np.ma.is_masked(value):
        raise ExampleDataError(
            f"for input {input.name!r} has masked entries, whose values would count: give an array "
            "without them, as with value.filled(...)"
        )
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as refusal:
        raise ExampleDataError(
            f"for input {input.name!r} is not one array ({_first_line(refusal)}). Pad its rows to "
            "one length, or give a list of batches of one row each"
        ) from None
    if array.dtype.kind == "O" and input.dtype != "string":
        try:
            # Columns of mixed numbers, as pandas keeps them.
            return array.astype(np.float64)
        except (ValueError, TypeError):
            raise ExampleDataError(
                f"for input {input.name!r} holds {_kind(array)}; the model takes {input.dtype}"
            ) from None
    return array


def refuse_uneven(value: Any) -> None:
    """Refuses TensorFlow's ragged and sparse tensors.

    Raises:
        ExampleDataError: `value` is one of them.
    """
    kind = type(value).__name__
    methods = {"RaggedTensor": "value.to_tensor()", "SparseTensor": "tf.sparse.to_dense(value)"}
    if kind in methods:
        raise ExampleDataError(f"is a {kind}; a file takes dense arrays: {methods[kind]}")


def _kind(array: np.ndarray) -> str:
    if array.dtype.kind in "SU":
        return f"text (such as {str(array.ravel()[0])!r})" if array.size else "text"
    if array.dtype.kind == "O":
        kinds = sorted({type(item).__name__ for item in array.ravel()[:1000]})
        return f"Python objects ({', '.join(kinds[:_SHOWN])})"
    return f"values of type {array.dtype}"


def _refuse_shape(input: InputTensor, array: np.ndarray) -> None:
    takes = f"the model takes {('batch', *input.shape[1:])} (None: any size)"
    here = f"for input {input.name!r} has shape {array.shape}"
    if array.ndim == len(input.shape) - 1 and _fits(input.shape[1:], array.shape):
        raise ExampleDataError(f"{here}; {takes}. Add the batch as first dimension: array[None]")
    if array.ndim != len(input.shape) or not _fits(input.shape[1:], array.shape[1:]):
        raise ExampleDataError(f"{here}; {takes}")
    if 0 in array.shape[1:]:
        raise ExampleDataError(f"{here}: there is nothing in a row")


def _fits(expected: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    return all(size in (None, have) for size, have in zip(expected, shape, strict=True))


def _cast(input: InputTensor, array: np.ndarray) -> np.ndarray:
    """The array in the input's dtype, refused if a number would become another one."""
    wanted = np.dtype(input.dtype)
    if array.dtype == wanted or array.size == 0:
        return array.astype(wanted, copy=False)
    if wanted.kind == "b":
        wrong = ~np.isin(array, (0, 1))
        needs = "true or false"
    elif wanted.kind in "iu":
        limits = np.iinfo(wanted)
        numbers = array.astype(np.int64) if array.dtype.kind == "b" else array
        wrong = (numbers < limits.min) | (numbers > limits.max)
        needs = f"whole numbers of type {input.dtype}"
        if numbers.dtype.kind not in "iu":
            wrong |= numbers != np.floor(numbers)
    else:
        wrong = np.abs(array.astype(np.float64)) > float(np.finfo(wanted).max)
        needs = f"numbers of type {input.dtype}"
    if wrong.any():
        shown = ", ".join(str(number) for number in array[wrong].ravel()[:_SHOWN])
        raise ExampleDataError(
            f"for input {input.name!r} holds {shown}; the model takes {needs} there"
        )
    return array.astype(wanted)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
