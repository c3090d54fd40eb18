"""Sample paths of an autoregressive network, in the graph: each draw is fed to the next step."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.autoregressive import AutoregressiveNetwork
from rnn_apps.forecasting.network.inputs import input_specification
from rnn_apps.forecasting.network.network import network_of
from rnn_apps.forecasting.network.outputs import head_of
from rnn_apps.forecasting.network.transforms import restored


class AncestralSampler(tf.Module):
    """Draws paths from a trained autoregressive network (Salinas et al. 2020, section 3).

    Args:
        model: trained model, from `build_model`.
        config: configuration that the model was built with.
        description: data description that the model was built with.
        paths: number of paths per window.

    Raises:
        ConfigurationError: the network does not feed its forecast back, or its output is a point.
    """

    def __init__(
        self,
        model: keras.Model,
        config: ForecastingConfig,
        description: DataDescription,
        paths: int,
    ) -> None:
        super().__init__()
        network = network_of(config)
        if not isinstance(network, AutoregressiveNetwork) or config.output == "point":
            raise ConfigurationError(
                "only a network that feeds its forecast back, with a distribution as output, draws "
                f"step by step, not model = {config.model!r} with output = {config.output!r}"
            )
        self.start, self.cell = network.parts(model, description)
        self.head = head_of(config)
        self.horizon = config.horizon
        self.paths = paths
        self.normalised = config.normalisation != "none"
        self.transform = config.transform
        self.signature: dict[str, Any] = {
            name: tf.TensorSpec((None, *shape), dtype, name=name)
            for name, (shape, dtype) in input_specification(config, description).items()
        }
        self.signature["seed"] = tf.TensorSpec((2,), tf.int32, name="seed")
        # Autograph would take the cell's method for the layer's `call`; nothing here needs it.
        self.sample = tf.function(self._sample, input_signature=[self.signature], autograph=False)

    def _sample(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Raw inputs and "seed" int32 [2] -> "samples" [batch, paths, horizon], raw.

        The same seed gives the same paths.
        """
        start = self.start({name: v for name, v in inputs.items() if name != "seed"})
        repeated = {name: tf.repeat(value, self.paths, axis=0) for name, value in start.items()}
        states = [repeated[f"state_{i}"] for i in range(len(self.cell.state_size))]
        drawn = tf.TensorArray(tf.float32, self.horizon)
        step = tf.constant(0)

        def go_on(step: tf.Tensor, states: list[tf.Tensor], drawn: tf.TensorArray) -> Any:
            raw, following = self.cell.advance(repeated["known"][:, step], states)
            seed = inputs["seed"] + tf.stack([0, step])
            value = self._draw(raw, repeated, seed)
            fed = self._scaled(value, repeated)
            return step + 1, [*following, fed], drawn.write(step, value[:, 0])

        _, _, drawn = tf.while_loop(
            lambda step, *_: step < self.horizon, go_on, (step, states, drawn)
        )
        samples = restored(tf.transpose(drawn.stack()), self.transform)
        return {"samples": tf.reshape(samples, (-1, self.paths, self.horizon))}

    def _draw(self, raw: tf.Tensor, repeated: dict[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """One draw for each path in the data's unit, or its transform's, [batch * paths, 1].

        Counts are whole numbers in that unit only, so it is there that they are drawn.
        """
        parameters = self.head.parameters(raw)[:, None]
        if self.normalised:
            parameters = self.head.affine(parameters, repeated["shift"], repeated["factor"])
        parameters = self.head.affine(parameters, repeated["location"], repeated["scale"])
        return self.head.sample(parameters, seed)

    def _scaled(self, values: tf.Tensor, repeated: dict[str, tf.Tensor]) -> tf.Tensor:
        """Values in the data's unit as the cell reads them, of the same shape."""
        values = (values - repeated["location"]) / repeated["scale"]
        if self.normalised:
            values = (values - repeated["shift"]) / repeated["factor"]
        return values
