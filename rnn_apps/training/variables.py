"""The numbers of a model and its optimizer: to arrays and back, averaged, or left undisturbed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.layers.layers_within import recurrent_states, reset_recurrent_states
from rnn_apps.training.optimisation.optimizers import without_loss_scale


def to_arrays(prefix: str, variables: Sequence[Any]) -> dict[str, np.ndarray]:
    """The variables' values, named by prefix and position.

    Names of variables will not do: they differ when a process builds a model a second time.
    """
    return {f"{prefix}/{index}": read(v) for index, v in enumerate(variables)}


def from_arrays(prefix: str, variables: Sequence[Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Assigns what `to_arrays` gave.

    Raises:
        UserError: the arrays are not of these variables.
    """
    found = [arrays[n] for n in (f"{prefix}/{i}" for i in range(len(arrays))) if n in arrays]
    expected = [(tuple(v.shape), np.dtype(str(v.dtype))) for v in variables]
    if [(a.shape, a.dtype) for a in found] != expected:
        raise UserError(
            f"the checkpoint belongs to another model: its {prefix} has {len(found)} variables, "
            f"this one {len(expected)}, or their shapes differ. Train in another folder"
        )
    for variable, array in zip(variables, found, strict=True):
        variable.assign(array)


def read(variable: Any) -> np.ndarray:
    """A copy of a variable's value."""
    return np.array(keras.ops.convert_to_numpy(variable))


@contextlib.contextmanager
def averaged(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Inside the block the model has the moving average of its weights, if there is one."""
    inner = without_loss_scale(optimizer)
    if not inner.use_ema or int(read(optimizer.iterations)) == 0:
        yield
        return
    own = [read(v) for v in model.trainable_variables]
    optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def undisturbed(model: keras.Model) -> Iterator[None]:
    """Inside the block the model may be run: recurrent states start at zero and come back after.

    So do the states of random number generators: evaluating does not change the training,
    however often it happens.
    """
    changing = [*model.non_trainable_variables, *recurrent_states(model)]
    kept = [(v, read(v)) for v in changing]
    reset_recurrent_states(model)
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
