"""The callbacks that a `TrainingConfig` asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.gradients.hidden_gradients import GradientFlow
from rnn_apps.training.steps import Objective

if TYPE_CHECKING:
    from pipelines.batches import Batches

# Enough examples for a mean norm, few enough to cost little compared with an epoch.
_FLOW_EXAMPLES = 16
_FLOW_RECORDS = 20


def with_standard_callbacks(
    callbacks: Sequence[keras.callbacks.Callback],
    config: TrainingConfig,
    folder: Path,
    objective: Objective,
    batches: Batches,
    *,
    whole_batches: bool = False,
) -> list[keras.callbacks.Callback]:
    """The given callbacks and those that the config switches on: gradient flow and TensorBoard.

    The flow is recorded on the first examples of `batches`, or on the first batch where the model
    takes `whole_batches` only, unless one of the given callbacks is a `GradientFlow` already.
    """
    found = list(callbacks)
    if config.gradient_flow and not any(isinstance(c, GradientFlow) for c in callbacks):
        batch = next(iter(batches.epoch(0)))
        if not whole_batches:
            batch = tf.nest.map_structure(lambda tensor: tensor[:_FLOW_EXAMPLES], batch)

        def mean_loss(model: keras.Model) -> tf.Tensor:
            loss_sum, weight_sum = objective(model, batch, False)
            return tf.math.divide_no_nan(loss_sum, weight_sum)

        every = -(-config.epochs // _FLOW_RECORDS)
        found.append(GradientFlow(folder, mean_loss, every))
    if config.tensorboard:
        found.append(TensorBoardScalars(folder / "tensorboard"))
    return found


class TensorBoardScalars(keras.callbacks.Callback):
    """Writes loss and gradient norm of every step, and the figures of every epoch, for TensorBoard.

    Keras' own TensorBoard callback reads the optimizer of a compiled model; ours is not compiled.

    Args:
        folder: folder of the event files; each session of a run adds one.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._writer: Any = None
        self._step = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Opens a new event file."""
        self._writer = tf.summary.create_file_writer(str(self._folder))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the figures of a step."""
        logs = logs or {}
        self._step = int(logs.get("step", self._step + 1))
        self._write("step", logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the figures of an epoch, at its last step."""
        self._write("epoch", logs or {})
        self._writer.flush()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Writes the figures of a validation inside an epoch."""
        self._write("epoch", logs or {})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        self._writer.close()

    def _write(self, kind: str, figures: dict[str, Any]) -> None:
        with self._writer.as_default(step=self._step):
            for name, value in figures.items():
                if name not in ("epoch", "step"):
                    tf.summary.scalar(f"{kind}/{name}", float(value))
