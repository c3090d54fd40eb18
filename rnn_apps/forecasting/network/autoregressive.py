"""Networks that feed their own forecast back: training, deployed loop and the parts of sampling.

Training feeds the true values ("teacher forcing"). The deployed model feeds the mean of each step
to the next, in a loop inside the model. Sample paths feed a draw of each step; see
`rnn_apps.forecasting.sampling.ancestral_sampling`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.heads.heads import Head
from rnn_apps.forecasting.network.inputs import features, raw_inputs
from rnn_apps.forecasting.network.network import Features, Network
from rnn_apps.forecasting.network.transforms import TargetTransform
from rnn_apps.training.optimisation.precision import layer_precision

_LOOP = "horizon"
"""Name of the layer that runs over the horizon in the deployed model."""


class FeedbackCell(keras.layers.Layer):
    """A cell for `keras.layers.RNN` that feeds the mean of each step to the next.

    Subclasses have `head`, `state_size` and `output_size`, and compute `advance`.

    Call: inputs [batch, numbers known of the step], states (those that `advance` changes, then the
    last value [batch, 1], scaled) -> raw head inputs [batch, K], the next states.
    """

    head: Head
    state_size: list[int]
    output_size: int

    def advance(
        self, inputs: tf.Tensor, states: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One step: raw head inputs [batch, K] and the next states but for the value to feed.

        Args:
            inputs: numbers known of the step, [batch, numbers].
            states: states of the step before, the last value at their end.
        """
        raise NotImplementedError(f"{type(self).__name__} has no advance")

    def call(
        self, inputs: tf.Tensor, states: Sequence[tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """See the class."""
        raw, following = self.advance(inputs, states)
        mean = self.head.forecast(self.head.parameters(raw))
        return raw, [*following, mean[:, None]]


@keras.saving.register_keras_serializable(package="rnn_apps")
class Standardise(keras.layers.Layer):
    """(values [batch, n], location [batch, 1], scale [batch, 1]) -> (values - location) / scale."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, values: tf.Tensor, location: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return (values - location) / scale


class AutoregressiveNetwork(Network):
    """A network whose steps each read the value before; see `Network`."""

    autoregressive: ClassVar[bool] = True

    @abstractmethod
    def teacher_forced(self, features: Features, truth: Any, width: int) -> Any:
        """Builds the graph that is trained, which reads the true values.

        Args:
            features: scaled features of the window.
            truth: true values [batch, horizon], scaled and normalised as `features.target`.
            width: number of raw head inputs per step.

        Returns:
            Raw head inputs [batch, horizon, width], float32.
        """

    @abstractmethod
    def start(self, features: Features) -> tuple[Any, list[Any]]:
        """Builds the graph over the past.

        Returns:
            The numbers known of each step to come [batch, horizon, numbers], and the states with
            which the cell goes on; the last one is the last value [batch, 1].
        """

    @abstractmethod
    def feedback_cell(self, features: Features) -> FeedbackCell:
        """The cell that goes on from `start`, without weights."""

    @abstractmethod
    def fill_cell(self, cell: FeedbackCell, trained: keras.Model) -> None:
        """Copies the trained weights into a cell that has been built."""

    def outputs(self, features: Features, width: int) -> Any:
        """Builds the graph that feeds back the mean of each step."""
        known, states = self.start(features)
        loop = keras.layers.RNN(self.feedback_cell(features), return_sequences=True, name=_LOOP)
        return loop(known, initial_state=states)

    def training_outputs(self, inputs: dict[str, Any], features: Features, width: int) -> Any:
        """Builds the teacher-forced graph; adds the input "future_target" [batch, horizon]."""
        inputs["future_target"] = keras.Input((self.config.horizon,), name="future_target")
        truth = inputs["future_target"]
        if self.config.transform != "none":
            truth = TargetTransform(self.config.transform, name="future_transform")(truth)
        truth = Standardise(name="future_scaler_target")(truth, features.location, features.scale)
        if features.shift is not None:
            truth = Standardise(name="future_normalisation")(truth, features.shift, features.factor)
        return self.teacher_forced(features, truth, width)

    def copy_weights(self, trained: keras.Model, deployed: keras.Model) -> None:
        """See `Network`; layers are matched by name, and the loop's cell is filled."""
        _copy_by_name(trained, deployed)
        self.fill_cell(deployed.get_layer(_LOOP).cell, trained)

    def parts(
        self, trained: keras.Model, description: DataDescription
    ) -> tuple[keras.Model, FeedbackCell]:
        """A trained network as what runs over the past, and the cell that goes on from there.

        Returns:
            A model of the raw inputs with the outputs "known" [batch, horizon, numbers], "state_0",
            "state_1", ..., "location", "scale" and, with a window normalisation, "shift", "factor";
            and the cell, with the trained weights. Both are float32.
        """
        with layer_precision("float32"):
            inputs = raw_inputs(self.config, description)
            read = features(inputs, self.config, description)
            known, states = self.start(read)
            cell = self.feedback_cell(read)
            cell.build((None, known.shape[-1]))
        outputs: dict[str, Any] = {f"state_{i}": state for i, state in enumerate(states)}
        outputs |= {"known": known, "location": read.location, "scale": read.scale}
        if read.shift is not None:
            outputs |= {"shift": read.shift, "factor": read.factor}
        start = keras.Model(inputs, outputs)
        _copy_by_name(trained, start)
        self.fill_cell(cell, trained)
        return start, cell


def _copy_by_name(source: keras.Model, target: keras.Model) -> None:
    """Copies the weights of all layers that both models have, by the layers' names."""
    trained = {layer.name: layer for layer in source.layers}
    for layer in target.layers:
        if layer.weights and layer.name in trained:
            layer.set_weights(trained[layer.name].get_weights())
