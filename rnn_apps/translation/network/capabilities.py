"""Which options of a translation model exclude each other."""

from __future__ import annotations

from pipelines.base.errors import ConfigurationError
from rnn_apps.application.own_vocabulary import require_new_vocabulary, require_nothing_learnt
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.translation.config import MAXIMISED, TranslationConfig
from rnn_apps.translation.network.decoder_options import check_decoder


def check_capabilities(config: TranslationConfig) -> None:
    """Refuses options that exclude each other.

    Raises:
        ConfigurationError: names them, and what to set instead.
    """
    if config.tied == "all" and not config.joint_vocabulary:
        raise ConfigurationError("tied = 'all' needs one vocabulary: joint_vocabulary = true")
    find_cell(config.cell).plain_step("a translation's decoder")
    check_decoder(config.attention, config.decoder, config.input_feeding, config.coverage)
    if config.consistency and not (
        config.embedding_dropout or config.annotation_dropout or config.output_dropout
    ):
        raise ConfigurationError(
            f"consistency = {config.consistency:g} compares two readings of a batch, which only "
            "dropout makes different: set output_dropout, such as 0.3"
        )
    if config.subword_sampling and config.tokenizer != "subwords":
        raise ConfigurationError(
            f"subword_sampling = {config.subword_sampling} needs tokenizer = 'subwords', not "
            f"{config.tokenizer!r}"
        )
    if config.minimum_count and config.tokenizer == "subwords":
        raise ConfigurationError(
            f"minimum_count = {config.minimum_count} applies to tokenizer = 'words' and "
            "'characters' only: subwords know every word"
        )
    if len(config.vocabulary) > 2:
        raise ConfigurationError(
            f"vocabulary = {','.join(config.vocabulary)!r}: name one for both languages, or two"
        )
    require_nothing_learnt(config.vocabulary, config.vocabulary_size, config.minimum_count)
    require_new_vocabulary(config.vocabulary, config.from_run, config.new_vocabulary)
    if config.monitor in MAXIMISED and not config.dev_bleu:
        raise ConfigurationError(f"monitor = {config.monitor!r} is known only with dev_bleu = true")
    if config.average_epochs and config.average_decay:
        raise ConfigurationError(
            "average_epochs and average_decay both average the weights: set one of them to 0"
        )
    if config.gradient_accumulation > 1 and config.strategy != "none":
        raise ConfigurationError(
            f"gradient_accumulation = {config.gradient_accumulation} works with strategy = 'none' "
            "only: on several devices, set it to 1 and batch_size to that of all steps together"
        )
    if config.jit_compile:
        raise ConfigurationError(
            "jit_compile = true: batches of sentences have many shapes, each of which would be "
            "compiled anew. Leave it off; the recurrent layers compile what gains by it"
        )
