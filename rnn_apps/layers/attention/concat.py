"""Attention with one hidden layer over query and annotation side by side: v . tanh(W [q; a]).

Luong et al. 2015, equation 8, "concat". The two blocks of W are weights of their own, so that the
annotations' part is computed once per source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from rnn_apps.layers.attention.kind import AttentionKind, AttentionWeight, Products
from rnn_apps.layers.attention.stage import Stage


@dataclass(frozen=True)
class Concat(AttentionKind):
    """See the module."""

    name: ClassVar[str] = "concat"
    title: ClassVar[str] = "concatenated attention (Luong)"
    stage: ClassVar[Stage] = Stage.AFTER

    @property
    def weights(self) -> tuple[AttentionWeight, ...]:
        """The query's block of W, the annotation's block, and v."""
        return (
            AttentionWeight("query_kernel", ("query", "units"), "product"),
            AttentionWeight("key_kernel", ("annotation", "units"), "keys"),
            AttentionWeight("energy_kernel", ("units", 1), "step"),
        )

    def keys(self, annotations: Any, weights: Mapping[str, Any]) -> Any:
        """The annotation's part of W [q; a]."""
        return keras.ops.matmul(annotations, weights["key_kernel"])

    def energies(
        self, query: Any, keys: Any, memories: Mapping[str, Any], products: Products
    ) -> Any:
        """See the module."""
        asked = keras.ops.expand_dims(products.times(query, "query_kernel"), axis=-2)
        return products.score(keras.ops.tanh(keys + asked), "energy_kernel")
