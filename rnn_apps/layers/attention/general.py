"""Attention by a bilinear form: q . (W a), for a query q and an annotation a.

Luong et al. 2015, equation 8, "general".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from rnn_apps.layers.attention.kind import AttentionKind, AttentionWeight, Products
from rnn_apps.layers.attention.stage import Stage


@dataclass(frozen=True)
class General(AttentionKind):
    """See the module."""

    name: ClassVar[str] = "general"
    title: ClassVar[str] = "bilinear attention (Luong)"
    stage: ClassVar[Stage] = Stage.AFTER

    @property
    def weights(self) -> tuple[AttentionWeight, ...]:
        """W."""
        return (AttentionWeight("key_kernel", ("annotation", "query"), "keys"),)

    def keys(self, annotations: Any, weights: Mapping[str, Any]) -> Any:
        """W a."""
        return keras.ops.matmul(annotations, weights["key_kernel"])

    def energies(
        self, query: Any, keys: Any, memories: Mapping[str, Any], products: Products
    ) -> Any:
        """q . (W a)."""
        return products.inner(query, keys)
