"""Forecasts from an exported forecasting model: raw series in, raw forecasts out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec


class EdgeForecaster:
    """Calls a forecasting model whose scaling and calendar are inside the file.

    Args:
        model: an exported forecasting model.
        signature: name of the signature to call; may be left out where there is one.
    """

    def __init__(self, model: EdgeModel, signature: str | None = None) -> None:
        self._model = model
        self.signature: Signature = model.signature(signature)

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Forecasts one series, or several at once.

        Args:
            inputs: arrays by the signature's input names, such as `past_target` [lookback] of one
                series or [series, lookback] of several, in the series' own units.

        Returns:
            The outputs by name, such as [horizon] or [series, horizon].

        Raises:
            UserError: an input is missing, contains NaN or infinity, or has another shape.
        """
        if set(inputs) != set(self.signature.inputs):
            raise UserError(
                f"the model takes {', '.join(sorted(self.signature.inputs))}; it was given "
                f"{', '.join(sorted(inputs)) or 'none'}."
            )
        arrays = {name: _finite(name, value) for name, value in inputs.items()}
        missing_axes = {len(self.signature.inputs[n].shape) - a.ndim for n, a in arrays.items()}
        if missing_axes == {1}:
            outputs = self._run({name: array[None] for name, array in arrays.items()})
            return {name: value[0] for name, value in outputs.items()}
        if missing_axes != {0}:
            raise UserError("give all inputs for one series, or all with a first axis of series.")
        return self._run(arrays)

    def _run(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        counts = {len(array) for array in arrays.values()}
        if len(counts) != 1:
            raise UserError(f"the inputs hold different numbers of series: {sorted(counts)}.")
        if all(_takes(item, -1) for item in self.signature.inputs.values()):
            return self._model(arrays, self.signature.key)
        # A file for one series at a time (always so on a microcontroller).
        rows = [
            self._model(
                {name: array[i : i + 1] for name, array in arrays.items()}, self.signature.key
            )
            for i in range(counts.pop())
        ]
        return {
            name: np.concatenate([row[name] for row in rows]) for name in self.signature.outputs
        }


def _takes(item: TensorSpec, batch: int) -> bool:
    return item.shape[:1] == (batch,)


def _finite(name: str, value: np.ndarray) -> np.ndarray:
    array = np.asarray(value)
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise UserError(
            f"{name!r} contains NaN or infinity; fill what is missing first, as in training."
        )
    return array
