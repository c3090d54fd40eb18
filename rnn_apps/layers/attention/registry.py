"""The kinds of attention by the names that configurations give them; nothing heavy is imported.

A new kind is a file of its own that defines an `AttentionKind`, and a line here.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from pipelines.base.errors import ConfigurationError

if TYPE_CHECKING:
    from rnn_apps.layers.attention.kind import AttentionKind

NO_ATTENTION = "none"
"""The name of a decoder without attention."""

_ADDRESSES = {
    "bahdanau": "rnn_apps.layers.attention.bahdanau:Bahdanau",
    "dot": "rnn_apps.layers.attention.dot:Dot",
    "general": "rnn_apps.layers.attention.general:General",
    "concat": "rnn_apps.layers.attention.concat:Concat",
}


def attention_names() -> tuple[str, ...]:
    """The names of all registered kinds, in the order in which they were registered."""
    return tuple(_ADDRESSES)


def attention_choices() -> tuple[str, ...]:
    """What a configuration's `attention` can be: "none" and the registered kinds."""
    return (NO_ATTENTION, *_ADDRESSES)


def register_attention(name: str, address: str) -> None:
    """Makes a kind of attention known under a name, as `attention = "NAME"` of translation.

    Args:
        name: name of the kind in configurations.
        address: place of its `AttentionKind`, as ``module:CLASS``; imported when it is first used.

    Raises:
        ConfigurationError: another kind has that name.
    """
    if name == NO_ATTENTION or _ADDRESSES.get(name, address) != address:
        holder = _ADDRESSES.get(name, "a decoder without attention")
        raise ConfigurationError(f"the attention name {name!r} is taken by {holder}")
    _ADDRESSES[name] = address


def find_attention(name: str) -> type[AttentionKind]:
    """The class of the kind with a name.

    Raises:
        ConfigurationError: no kind has that name.
    """
    if name not in _ADDRESSES:
        raise ConfigurationError(f"attention = {name!r}: choose from {', '.join(_ADDRESSES)}")
    return _imported(_ADDRESSES[name])


def make_attention(name: str, coverage: bool = False) -> AttentionKind | None:
    """The kind of attention that a configuration asks for; None for "none".

    Args:
        name: value of the configuration's `attention`.
        coverage: True if the energies depend on the attention so far.

    Raises:
        ConfigurationError: no kind has that name, or the kind has no coverage.
    """
    kind = None if name == NO_ATTENTION else find_attention(name)
    if coverage and (kind is None or not kind.has_coverage):
        able = " or ".join(repr(one) for one in _ADDRESSES if find_attention(one).has_coverage)
        raise ConfigurationError(f"coverage needs attention = {able}, not {name!r}")
    return None if kind is None else kind(coverage)


@functools.cache
def _imported(address: str) -> type[AttentionKind]:
    module, name = address.split(":")
    kind: type[AttentionKind] = getattr(importlib.import_module(module), name)
    return kind
