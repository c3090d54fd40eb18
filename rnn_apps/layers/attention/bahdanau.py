"""Attention with one hidden layer: v . tanh(W q + U a + b), for a query q and an annotation a.

Bahdanau et al. 2015, appendix A.1.2. With coverage, w times the attention that the position has had
so far is also inside the tanh (Tu et al. 2016, equation 4: linguistic coverage without fertility).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from rnn_apps.layers.attention.kind import (
    COVERAGE,
    AttentionKind,
    AttentionWeight,
    Products,
)
from rnn_apps.layers.attention.stage import Stage


@dataclass(frozen=True)
class Bahdanau(AttentionKind):
    """See the module."""

    name: ClassVar[str] = "bahdanau"
    title: ClassVar[str] = "additive attention (Bahdanau)"
    stage: ClassVar[Stage] = Stage.BEFORE
    has_coverage: ClassVar[bool] = True

    @property
    def weights(self) -> tuple[AttentionWeight, ...]:
        """W, U, v, b and, with coverage, w."""
        weights = (
            AttentionWeight("query_kernel", ("query", "units"), "product"),
            AttentionWeight("key_kernel", ("annotation", "units"), "keys"),
            AttentionWeight("energy_kernel", ("units", 1), "step"),
            AttentionWeight("bias", ("units",), "keys", initializer="zeros"),
        )
        if not self.coverage:
            return weights
        return (*weights, AttentionWeight("coverage_kernel", (1, "units"), "step"))

    def keys(self, annotations: Any, weights: Mapping[str, Any]) -> Any:
        """U a + b."""
        return keras.ops.matmul(annotations, weights["key_kernel"]) + weights["bias"]

    def energies(
        self, query: Any, keys: Any, memories: Mapping[str, Any], products: Products
    ) -> Any:
        """See the module."""
        hidden = keys + keras.ops.expand_dims(products.times(query, "query_kernel"), axis=-2)
        if self.coverage:
            attended = keras.ops.expand_dims(memories[COVERAGE.name], axis=-1)
            hidden = hidden + attended * products.vector("coverage_kernel")
        return products.score(keras.ops.tanh(hidden), "energy_kernel")
