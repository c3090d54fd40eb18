"""Attention by the inner product of the query with each annotation, which have one size.

Luong et al. 2015, equation 8, "dot".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.attention.kind import AttentionKind, Products
from rnn_apps.layers.attention.stage import Stage


@dataclass(frozen=True)
class Dot(AttentionKind):
    """See the module."""

    name: ClassVar[str] = "dot"
    title: ClassVar[str] = "dot-product attention (Luong)"
    stage: ClassVar[Stage] = Stage.AFTER

    def check_sizes(self, query: int, annotation: int) -> None:
        """Both must be equal.

        Raises:
            ConfigurationError: they differ.
        """
        if query != annotation:
            raise ConfigurationError(
                f"attention = 'dot' needs annotations of the query's size {query}, not "
                f"{annotation}: choose attention = 'general' or bidirectional = false"
            )

    def energies(
        self, query: Any, keys: Any, memories: Mapping[str, Any], products: Products
    ) -> Any:
        """q . a."""
        return products.inner(query, keys)
