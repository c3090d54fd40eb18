"""What a configuration of translation can be. Imports nothing heavy."""

from __future__ import annotations

from pipelines.base.errors import ConfigurationError
from rnn_apps.translation.config import MAXIMISED, TranslationConfig


def check_capabilities(config: TranslationConfig) -> None:
    """Refuses options that exclude each other.

    Raises:
        ConfigurationError: names them, and what to set instead.
    """
    if config.tied == "all" and not config.joint_vocabulary:
        raise ConfigurationError("tied = 'all' needs one vocabulary: joint_vocabulary = true")
    if config.attention == "none" and config.decoder == "conditional":
        raise ConfigurationError(
            "decoder = 'conditional' needs attention: its second cell reads it. Set decoder = "
            "'plain' for attention = 'none'"
        )
    if config.input_feeding and (
        config.decoder == "conditional" or config.attention in ("none", "bahdanau")
    ):
        raise ConfigurationError(
            "input_feeding goes with decoder = 'plain' and attention = 'dot', 'general' or "
            "'concat', where the context is found after the cells"
        )
    if config.coverage and config.attention != "bahdanau":
        raise ConfigurationError(f"coverage needs attention = 'bahdanau', not {config.attention!r}")
    if config.subword_sampling and config.tokenizer != "subwords":
        raise ConfigurationError(
            f"subword_sampling = {config.subword_sampling} needs tokenizer = 'subwords', not "
            f"{config.tokenizer!r}"
        )
    if config.minimum_count and config.tokenizer == "subwords":
        raise ConfigurationError(
            f"minimum_count = {config.minimum_count} is of tokenizer = 'words' and 'characters': "
            "subwords know every word"
        )
    if config.monitor in MAXIMISED and not config.dev_bleu:
        raise ConfigurationError(f"monitor = {config.monitor!r} is known only with dev_bleu = true")
    if config.average_epochs and config.average_decay:
        raise ConfigurationError(
            "average_epochs and average_decay both average the weights: set one of them to 0"
        )
    if config.jit_compile:
        raise ConfigurationError(
            "jit_compile = true: batches of sentences have many shapes, each of which would be "
            "compiled anew. Leave it off; the recurrent layers compile what gains by it"
        )
