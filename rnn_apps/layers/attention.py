"""Attention: which positions of a source a decoder looks at, and what it reads there."""

from __future__ import annotations

from typing import Any

import keras

from pipelines.base.errors import ConfigurationError

KINDS = ("bahdanau", "dot", "general", "concat")
_FLOOR = -1e9


@keras.saving.register_keras_serializable(package="rnn_apps")
class Attention(keras.layers.Layer):
    """A weighted mean of annotations, the weights a softmax of how each fits a query.

    The energy of a query q [batch, query_size] and an annotation a [batch, positions, size]:

    - "bahdanau": v . tanh(W q + U a + b), with `coverage` also + w * the attention that the
      position has had so far (Bahdanau et al. 2015, appendix A.1.2; Tu et al. 2016, equation 4,
      the linguistic coverage without fertility);
    - "dot": q . a, for equal sizes; "general": q . (W a); "concat": v . tanh(W [q; a]) (Luong et
      al. 2015, equation 8).

    What does not depend on the query is computed once a source, by `keys`.

    Args:
        kind: one of `KINDS`.
        units: size of the hidden layer of "bahdanau" and "concat".
        coverage: take the attention so far into account, "bahdanau" only.

    Raises:
        ConfigurationError: an unknown kind, or coverage with a kind that has no place for it.
    """

    def __init__(self, kind: str, units: int, coverage: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ConfigurationError(f"attention = {kind!r}: choose from {', '.join(KINDS)}")
        if coverage and kind != "bahdanau":
            raise ConfigurationError(f"coverage needs attention = 'bahdanau', not {kind!r}")
        self.kind = kind
        self.units = units
        self.coverage = coverage

    def build(self, query_shape: Any, annotations_shape: Any) -> None:
        """Makes the weights for a query [batch, query_size] and annotations [..., size].

        Raises:
            ConfigurationError: "dot" with different sizes.
        """
        query, size = query_shape[-1], annotations_shape[-1]
        if self.kind == "dot" and query != size:
            raise ConfigurationError(
                f"attention = 'dot' needs annotations of the query's size {query}, not {size}: "
                "choose 'general', or a bidirectional encoder with half the units"
            )
        if self.kind == "general":
            self.key_kernel = self._kernel("key_kernel", (size, query))
        if self.kind in ("bahdanau", "concat"):
            self.query_kernel = self._kernel("query_kernel", (query, self.units))
            self.key_kernel = self._kernel("key_kernel", (size, self.units))
            self.energy_kernel = self._kernel("energy_kernel", (self.units, 1))
        if self.kind == "bahdanau":
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        if self.coverage:
            self.coverage_kernel = self._kernel("coverage_kernel", (1, self.units))

    def keys(self, annotations: Any) -> Any:
        """The part of the energies that the annotations alone decide, [batch, positions, n]."""
        if self.kind == "dot":
            return annotations
        keys = keras.ops.matmul(annotations, self.key_kernel)
        return keys + self.bias if self.kind == "bahdanau" else keys

    def call(
        self, query: Any, annotations: Any, keys: Any, present: Any, attended: Any = None
    ) -> tuple[Any, Any]:
        """Reads.

        Args:
            query: [batch, query_size].
            annotations: [batch, positions, size].
            keys: of the annotations, from `keys`.
            present: [batch, positions], 1 where there is an annotation, 0 where a row is padded.
                One source, [1, positions, ...], can serve many queries.
            attended: [batch, positions], the sum of the weights so far; for `coverage`.

        Returns:
            The context [batch, size], and the weights [batch, positions], which sum to 1.
        """
        if self.kind in ("dot", "general"):
            energies = _products(query, keys)
        else:
            asked = keras.ops.matmul(query, self.query_kernel)
            hidden = keys + keras.ops.expand_dims(asked, axis=1)
            if self.coverage:
                hidden = hidden + keras.ops.expand_dims(attended, axis=-1) * self.coverage_kernel
            energies = keras.ops.matmul(keras.ops.tanh(hidden), self.energy_kernel)
            energies = keras.ops.squeeze(energies, axis=-1)
        present = keras.ops.cast(present, "float32")
        energies = keras.ops.cast(energies, "float32") * present + _FLOOR * (1.0 - present)
        weights = keras.ops.cast(keras.ops.softmax(energies, axis=-1), self.compute_dtype)
        return _mean(weights, annotations), weights

    def read_all(self, queries: Any, annotations: Any, keys: Any, present: Any) -> tuple[Any, Any]:
        """As `call` for many queries at once, where none depends on what another one read.

        Args:
            queries: [batch, timesteps, query_size].
            annotations, keys, present: as in `call`.

        Returns:
            The contexts [batch, timesteps, size], and the weights [batch, timesteps, positions].
        """
        if self.kind in ("dot", "general"):
            energies = keras.ops.matmul(queries, keras.ops.transpose(keys, (0, 2, 1)))
        else:
            asked = keras.ops.matmul(queries, self.query_kernel)[:, :, None, :]
            hidden = keras.ops.tanh(keys[:, None, :, :] + asked)
            energies = keras.ops.matmul(hidden, self.energy_kernel)[..., 0]
        present = keras.ops.cast(present, "float32")[:, None, :]
        energies = keras.ops.cast(energies, "float32") * present + _FLOOR * (1.0 - present)
        weights = keras.ops.cast(keras.ops.softmax(energies, axis=-1), self.compute_dtype)
        return keras.ops.matmul(weights, annotations), weights

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "kind": self.kind,
            "units": self.units,
            "coverage": self.coverage,
        }

    def _kernel(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_weight(name=name, shape=shape, initializer="glorot_uniform")


def _products(query: Any, keys: Any) -> Any:
    """[batch, n] and [batch or 1, positions, n] -> the products [batch, positions]."""
    if keys.shape[0] == 1:
        return keras.ops.matmul(query, keras.ops.transpose(keras.ops.squeeze(keys, axis=0)))
    return keras.ops.squeeze(keras.ops.matmul(keys, keras.ops.expand_dims(query, axis=-1)), axis=-1)


def _mean(weights: Any, annotations: Any) -> Any:
    """[batch, positions] and [batch or 1, positions, size] -> [batch, size]."""
    if annotations.shape[0] == 1:
        return keras.ops.matmul(weights, keras.ops.squeeze(annotations, axis=0))
    return keras.ops.squeeze(
        keras.ops.matmul(keras.ops.expand_dims(weights, axis=1), annotations), axis=1
    )
