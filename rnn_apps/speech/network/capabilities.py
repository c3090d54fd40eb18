"""Which options of a speech recogniser go together."""

from __future__ import annotations

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.speech.config import SpeechConfig


def check_capabilities(config: SpeechConfig) -> None:
    """Refuses options that exclude each other.

    Raises:
        ConfigurationError: names them and what to do.
    """
    config.feature_config()
    convolutions = len(config.filters)
    for holds, problem in (
        *(
            (
                len(getattr(config, name)) != convolutions,
                f"{name} = {','.join(map(str, getattr(config, name)))} must be one number for "
                f"each of the {convolutions} convolutions that filters names",
            )
            for name in ("time_strides", "frequency_strides")
            if convolutions
        ),
        (
            config.bidirectional and config.lookahead,
            "lookahead is for models that only know the past; bidirectional layers see all of the "
            "utterance: set one of them to 0 (false)",
        ),
        (
            config.jit_compile,
            "jit_compile = true: XLA has no CTC loss for a CPU. Train without it",
        ),
        (
            len(config.signal_to_noise) != 2
            or config.signal_to_noise[0] > config.signal_to_noise[-1],
            f"signal_to_noise = {','.join(map(str, config.signal_to_noise))} must be two numbers, "
            "the lowest and the highest",
        ),
        (
            config.noise and not config.noise_probability,
            f"noise = {config.noise!r} has no effect while noise_probability = 0: set it to the "
            "share of utterances with noise, such as 0.3",
        ),
        (
            config.consistency
            and not (config.dropout or config.time_masks or config.frequency_masks)
            and not changes_sound(config),
            f"consistency = {config.consistency:g} compares two copies of an utterance, and "
            "nothing makes them differ: set dropout, masks or another change of the training "
            "data, such as vocal_tract = 0.1",
        ),
        (
            config.tokenizer == "characters" and config.vocabulary_size == 1,
            "vocabulary_size = 1 leaves no room for a character",
        ),
    ):
        if holds:
            raise ConfigurationError(problem)
    config.spelling().check()
    cell_options(find_cell(config.cell), config.cell_options)


def changes_sound(config: SpeechConfig) -> bool:
    """Whether training changes at random how recordings sound, their time aside."""
    return bool(
        config.vocal_tract or config.noise_probability or config.reverberation_probability
        or config.gain_decibels or config.channel_decibels
    )  # fmt: skip


def can_stream(config: SpeechConfig) -> bool:
    """Whether the recogniser can write while somebody still speaks."""
    return not config.bidirectional and config.normalisation != "utterance"
