"""Which options of a language model go together."""

from __future__ import annotations

from pipelines.errors import ConfigurationError
from rnn_apps.language_modelling.config import LanguageModellingConfig


def check_capabilities(config: LanguageModellingConfig) -> None:
    """Refuses options that exclude each other.

    Raises:
        ConfigurationError: names them and what to do.
    """
    if config.strategy != "none":
        raise ConfigurationError(
            f"strategy = {config.strategy!r}: a language model carries its state from batch to "
            "batch, which several devices cannot do. Train with strategy = 'none'"
        )
