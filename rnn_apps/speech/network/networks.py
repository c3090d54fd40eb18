"""The network: normalised features -> convolutions -> recurrent layers -> lookahead."""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.layers import Bidirectional
from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.layers.frame_lengths import FrameMask, StridedLengths
from rnn_apps.layers.lookahead import Lookahead
from rnn_apps.speech.config import SpeechConfig


def convolutions(features: Any, lengths: Any, config: SpeechConfig) -> tuple[Any, Any]:
    """Strided convolutions over time and frequency that never look ahead in time.

    Output frame t of a convolution with kernel k and stride s sees its input frames s t - k + 1 to
    s t; zeros stand before the first. So of n frames ceil(n / s) are left, each the same however
    long the utterance goes on. Over frequency the kernel is centred, with zeros on both sides.

    Layers of convolution i: "convolution_i_padding", "convolution_i",
    "convolution_i_normalisation", "convolution_i_activation", "convolution_i_lengths".

    Args:
        features: features of the recordings, [batch, frames, size].
        lengths: true number of frames of each, int32 [batch].
        config: configuration with filters, kernels and strides.

    Returns:
        [batch, output frames, bands x channels] and the lengths of it, int32 [batch].
    """
    if not config.filters:
        return features, lengths
    size = features.shape[-1]
    sequence = keras.layers.Reshape((-1, size, 1), name="convolution_input")(features)
    rows = zip(config.filters, config.time_strides, config.frequency_strides, strict=True)
    for index, (filters, time_stride, frequency_stride) in enumerate(rows, start=1):
        name = f"convolution_{index}"
        below = (config.frequency_kernel - 1) // 2
        sides = (below, config.frequency_kernel - 1 - below)
        sequence = keras.layers.ZeroPadding2D(
            ((config.time_kernel - 1, 0), sides), name=f"{name}_padding"
        )(sequence)
        sequence = keras.layers.Conv2D(
            filters,
            (config.time_kernel, config.frequency_kernel),
            strides=(time_stride, frequency_stride),
            name=name,
        )(sequence)
        lengths = StridedLengths(time_stride, name=f"{name}_lengths")(lengths)
        sequence = _normalised(sequence, lengths, config, name)
        sequence = keras.layers.ReLU(name=f"{name}_activation")(sequence)
    flat = sequence.shape[-1] * sequence.shape[-2]
    return keras.layers.Reshape((-1, flat), name="convolution_frames")(sequence), lengths


def recurrent_layers(sequence: Any, lengths: Any, config: SpeechConfig) -> Any:
    """Recurrent layers on top of each other.

    Layers of layer i: "CELL_i" (such as "gru_1"), "CELL_i_normalisation", "CELL_i_dropout".
    Layers of one direction are not masked: what follows an utterance's end cannot change what was
    before it.

    Args:
        sequence: vectors of the frames, [batch, frames, size].
        lengths: true number of frames of each, int32 [batch].
        config: configuration with cell, units, layers, direction, normalisation and dropout.

    Returns:
        [batch, frames, units], or twice the units if bidirectional.
    """
    cell = find_cell(config.cell)
    own = cell_options(cell, config.cell_options)
    for index in range(1, config.layers + 1):
        name = f"{config.cell}_{index}"
        if config.bidirectional:
            inside = cell.layer(config.units, return_sequences=True, **own)
            mask = FrameMask(name=f"{name}_mask")(sequence, lengths)
            sequence = Bidirectional(inside, name=name)(sequence, mask=mask)
        else:
            layer = cell.layer(config.units, return_sequences=True, name=name, **own)
            sequence = layer(sequence)
        sequence = _normalised(sequence, lengths, config, name)
        if config.dropout:
            sequence = keras.layers.Dropout(config.dropout, name=f"{name}_dropout")(sequence)
    return sequence


def lookahead(sequence: Any, lengths: Any, config: SpeechConfig) -> Any:
    """The row convolution "lookahead" and its activation, if the config asks for one."""
    if not config.lookahead:
        return sequence
    mask = FrameMask(name="lookahead_mask")(sequence, lengths)
    sequence = Lookahead(config.lookahead, name="lookahead")(sequence, mask=mask)
    return keras.layers.ReLU(name="lookahead_activation")(sequence)


def _normalised(sequence: Any, lengths: Any, config: SpeechConfig, name: str) -> Any:
    """Normalised frame by frame; a batch's statistics leave padded frames out."""
    if config.layer_normalisation == "layer":
        # Over bands and channels together after a convolution: one mean for each frame.
        axis = list(range(2, len(sequence.shape)))
        return keras.layers.LayerNormalization(axis=axis, name=f"{name}_normalisation")(sequence)
    if config.layer_normalisation == "batch":
        layer = keras.layers.BatchNormalization(name=f"{name}_normalisation")
        mask = FrameMask(name=f"{name}_normalisation_mask")(sequence, lengths)
        if len(sequence.shape) == 4:
            # Keras broadcasts a mask of [batch, frames] over the last axis only.
            size, channels = sequence.shape[-2:]
            flat = keras.layers.Reshape((-1, size * channels), name=f"{name}_flat")(sequence)
            found = layer(flat, mask=mask)
            return keras.layers.Reshape((-1, size, channels), name=f"{name}_unflat")(found)
        return layer(sequence, mask=mask)
    return sequence
