"""The Keras layer that holds the weights of an attention."""

from __future__ import annotations

from typing import Any

import keras

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.attention.kind import AttentionKind
from rnn_apps.layers.attention.reading import attention_weights
from rnn_apps.layers.attention.registry import NO_ATTENTION, attention_names, make_attention


@keras.saving.register_keras_serializable(package="rnn_apps")
class Attention(keras.layers.Layer):
    """Weighted means of annotations; the weights are a softmax of how well each fits a query.

    The layer's `call` reads with many queries at once, none of which depends on what another one
    read. Single steps of a decoder are `rnn_apps.translation.network.recurrent_step`.

    Args:
        kind: name of a registered kind of attention, such as "bahdanau".
        units: size of the hidden layer, for the kinds that have one.
        coverage: True if the energies depend on the attention that a position has had so far.

    Raises:
        ConfigurationError: an unknown kind, or coverage with a kind that has none.
    """

    def __init__(self, kind: str, units: int, coverage: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        made = make_attention(kind, coverage)
        if made is None:
            raise ConfigurationError(
                f"attention = {NO_ATTENTION!r} has no layer: choose from "
                f"{', '.join(attention_names())}"
            )
        self.attention_kind: AttentionKind = made
        self.kind = kind
        self.units = units
        self.coverage = coverage

    def build(self, query_shape: Any, annotations_shape: Any) -> None:
        """Makes the weights for queries [..., query_size] and annotations [..., size].

        Raises:
            ConfigurationError: the kind needs other sizes.
        """
        query, annotation = query_shape[-1], annotations_shape[-1]
        self.attention_kind.check_sizes(query, annotation)
        sizes = {"query": query, "annotation": annotation, "units": self.units}
        for weight in self.attention_kind.weights:
            shape = tuple(axis if isinstance(axis, int) else sizes[axis] for axis in weight.shape)
            made = self.add_weight(name=weight.name, shape=shape, initializer=weight.initializer)
            setattr(self, weight.name, made)

    def keys(self, annotations: Any) -> Any:
        """The part of the energies that the annotations alone decide, [batch, positions, n]."""
        return self.attention_kind.keys(annotations, self.weights_used_in("keys"))

    def weights_used_in(self, use: str) -> dict[str, Any]:
        """The weights with one use, by name; see `AttentionWeight.used_in`."""
        weights = self.attention_kind.weights
        return {w.name: getattr(self, w.name) for w in weights if w.used_in == use}

    def call(self, queries: Any, annotations: Any, keys: Any, present: Any) -> tuple[Any, Any]:
        """Reads; only a kind without memories can be asked with many queries at once.

        Args:
            queries: [batch, timesteps, query_size].
            annotations: [batch, positions, size].
            keys: result of `keys`, [batch, positions, n].
            present: [batch, positions], 1 where there is an annotation, 0 where a row is padded.

        Returns:
            The contexts [batch, timesteps, size], and the weights [batch, timesteps, positions].
        """
        per_query = keras.ops.expand_dims(keys, axis=1)
        energies = self.attention_kind.energies(queries, per_query, {}, _ManyQueries(self))
        present = keras.ops.expand_dims(present, axis=1)
        weights = attention_weights(energies, present, self.compute_dtype)
        return keras.ops.matmul(weights, annotations), weights

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "kind": self.kind,
            "units": self.units,
            "coverage": self.coverage,
        }


class _ManyQueries:
    """The products of an attention's energies for queries [batch, timesteps, size]."""

    def __init__(self, layer: Attention) -> None:
        self._layer = layer

    def times(self, value: Any, name: str) -> Any:
        """See `Products.times`."""
        return keras.ops.matmul(value, self.vector(name))

    def inner(self, query: Any, keys: Any) -> Any:
        """[batch, timesteps, n] and [batch, 1, positions, n] -> [batch, timesteps, positions]."""
        keys = keras.ops.squeeze(keys, axis=1)
        return keras.ops.matmul(query, keras.ops.transpose(keys, (0, 2, 1)))

    def score(self, hidden: Any, name: str) -> Any:
        """See `Products.score`."""
        return keras.ops.squeeze(keras.ops.matmul(hidden, self.vector(name)), axis=-1)

    def vector(self, name: str) -> Any:
        """See `Products.vector`."""
        return getattr(self._layer, name)
