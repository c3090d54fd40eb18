"""Which options of a language model go together."""

from __future__ import annotations

from pipelines.base.errors import ConfigurationError
from rnn_apps.application.own_vocabulary import require_new_vocabulary, require_nothing_learnt
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.cells.registry import find_cell


def check_capabilities(config: LanguageModellingConfig) -> None:
    """Refuses options that exclude each other.

    Raises:
        ConfigurationError: names them and what to do.
    """
    cell = find_cell(config.cell)
    for holds, problem in (
        (
            config.weight_dropout and not cell.recurrent,
            f"weight_dropout drops recurrent weights, which cell = {config.cell!r} does not have: "
            "set it to 0",
        ),
        (
            config.layer_norm and cell.normalised is None,
            f"cell = {config.cell!r} has no variant with layer normalisation: choose layer_norm = "
            "false",
        ),
        (
            needs_cell(config) and config.weight_dropout,
            "weight_dropout is not there with layer_norm or zoneout: set one of them to 0",
        ),
        (
            config.hidden_zoneout and len(cell.states) == 1,
            f"hidden_zoneout applies to cells with two states, such as cell = 'lstm'; for cell = "
            f"{config.cell!r} use zoneout",
        ),
        (
            config.chrono_steps and cell.long_memory is None,
            "chrono_steps sets the biases of gates that keep a memory, which cell = "
            f"{config.cell!r} does not have",
        ),
        (config.chrono_steps == 1, "chrono_steps = 1 must be 0 or at least 2"),
        (
            config.output == "adaptive" and config.tied,
            "output = 'adaptive' has no matrix as large as the embedding's to be tied with: "
            "choose tied = false, or output = 'sampled'",
        ),
        (
            config.output == "adaptive" and config.jit_compile,
            "output = 'adaptive' has clusters of changing size, which XLA cannot compile: choose "
            "jit_compile = false",
        ),
        (
            config.cutoffs and config.output != "adaptive",
            f"cutoffs are of output = 'adaptive', not of {config.output!r}",
        ),
        (
            config.minimum_count and config.tokenizer not in ("words", "characters"),
            f"minimum_count is of tokenizer = 'words' and 'characters', not of "
            f"{config.tokenizer!r}",
        ),
    ):
        if holds:
            raise ConfigurationError(problem)
    cell_options(cell, config.cell_options)
    if len(config.vocabulary) > 1:
        raise ConfigurationError(
            f"vocabulary = {','.join(config.vocabulary)!r}: a language model has one. Name one"
        )
    require_nothing_learnt(config.vocabulary, config.vocabulary_size, config.minimum_count)
    require_new_vocabulary(config.vocabulary, config.from_run, config.new_vocabulary)
    if config.strategy != "none":
        raise ConfigurationError(
            f"strategy = {config.strategy!r}: a language model carries its state from batch to "
            "batch, which several devices cannot do. Train with strategy = 'none'"
        )


def needs_cell(config: LanguageModellingConfig) -> bool:
    """Whether the recurrent layers run a cell of this toolkit timestep by timestep."""
    return bool(config.layer_norm or config.zoneout or config.hidden_zoneout)
