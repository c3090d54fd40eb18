"""An exported recogniser gets ears: features and a listener beside the model, all proven."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.speech.feature_extraction.configuration import FeatureConfig
from rnn_apps.export.c.proof.compiler import c_compiler
from rnn_apps.export.c.results import CodeFolder, CodeResult
from rnn_apps.export.c.sound.front_end import front_end, in_sixteen_bits, proven_features
from rnn_apps.export.c.sound.listener import listener
from rnn_apps.export.c.sound.listening_trial import heard_labels
from rnn_apps.export.c.writing.folder import write_folder

# Recordings that the features are compared on; the labels are on all of them.
_COMPARED, _COMPARED_SECONDS = 4, 2.0


def add_listening(
    result: CodeResult,
    model_name: str,
    features: FeatureConfig,
    recordings: Sequence[np.ndarray],
    *,
    subsampling: int,
    lookahead: int,
    pieces: Sequence[bytes],
) -> tuple[CodeFolder, list[list[int]]]:
    """Adds to a recogniser's folder what goes from samples to labels.

    Args:
        result: the exported step of the recogniser.
        model_name: name of the Keras model.
        features: configuration of the features as the model takes them.
        recordings: samples float32 [samples] of each, from -1 to 1.
        subsampling: number of feature frames per output frame.
        lookahead: number of output frames that come before the first real one.
        pieces: UTF-8 bytes of each label; the last label is the blank.

    Returns:
        The folder with its two functions, and the labels that the compiled listener writes for
        each recording.

    Raises:
        ExportError: the features have no C code, or the code failed or is wrong.
    """
    prefix, folder = result.interface.prefix, result.folder
    compiler = c_compiler()
    heard = [in_sixteen_bits(samples) for samples in recordings]
    front = front_end(features, f"{prefix}_features")
    most = round(_COMPARED_SECONDS * features.sample_rate)
    # From the middle: at the ends there may be padding.
    compared = [samples[max(0, len(samples) - most) // 2 :][:most] for samples in heard[:_COMPARED]]
    with tempfile.TemporaryDirectory() as made:
        proof = proven_features(front, features, compared, Path(made), compiler, folder)
    code = listener(
        front, result.interface, f"{prefix}_listener",
        subsampling=subsampling, lookahead=lookahead, pieces=pieces,
    )  # fmt: skip
    written = CodeFolder(folder, prefix, model_name, {"step": result, "features": proof})
    sources = {
        prefix: (result.header.read_text("ascii"), result.source.read_text("ascii")),
        front.code.interface.prefix: (front.code.header, front.code.source),
        code.prefix: (code.header, code.source),
    }
    write_folder(folder, sources, written, code.readme, code.examples)
    return written, heard_labels(code, folder, heard, compiler)
