"""Where a decoder reads its source, and which of its options exclude each other.

Imports nothing heavy before it is asked about a kind of attention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.attention.registry import (
    NO_ATTENTION,
    attention_names,
    find_attention,
    make_attention,
)
from rnn_apps.layers.attention.stage import Stage

if TYPE_CHECKING:
    from rnn_apps.layers.attention.kind import AttentionKind

PLAIN, CONDITIONAL = "plain", "conditional"
DECODERS = (PLAIN, CONDITIONAL)


def stage_of(attention: AttentionKind | None, decoder: str) -> Stage | None:
    """Where a decoder reads its source; None without attention.

    Args:
        attention: kind of attention, or None.
        decoder: "plain" or "conditional".
    """
    if attention is None:
        return None
    return Stage.BETWEEN if decoder == CONDITIONAL else attention.stage


def check_decoder(attention: str, decoder: str, input_feeding: bool, coverage: bool) -> None:
    """Refuses options of a decoder that exclude each other; arguments as of `DecoderStep`.

    Raises:
        ConfigurationError: names them, and what to set instead.
    """
    if decoder not in DECODERS:
        raise ConfigurationError(f"decoder = {decoder!r}: choose from {', '.join(DECODERS)}")
    if decoder == CONDITIONAL and attention == NO_ATTENTION:
        raise ConfigurationError(
            "decoder = 'conditional' needs attention: its second cell reads the context. Set "
            "decoder = 'plain' for attention = 'none'"
        )
    stage = stage_of(make_attention(attention, coverage), decoder)
    if input_feeding and stage is not Stage.AFTER:
        names = [name for name in attention_names() if find_attention(name).stage is Stage.AFTER]
        raise ConfigurationError(
            "input_feeding needs decoder = 'plain' and attention = "
            f"{' or '.join(map(repr, names))}, where the source is read after the cells"
        )
