"""Attention: one file for each kind, with its weights, its keys and its energies."""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "Attention": "layer",
    "AttentionKind": "kind",
    "AttentionWeight": "kind",
    "Memory": "kind",
    "Stage": "stage",
    "attention_names": "registry",
    "find_attention": "registry",
    "make_attention": "registry",
    "register_attention": "registry",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
