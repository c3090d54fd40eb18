"""Features by librosa, the reference for the features of graphs and devices."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.speech.audio.padding import padded
from pipelines.speech.audio.samples import one_channel
from pipelines.speech.feature_extraction.configuration import DELTA_WIDTH, FeatureConfig
from pipelines.speech.feature_extraction.filter_banks import mel_bands

_log = logging.getLogger(__name__)

Features = npt.NDArray[np.float32]


def features(samples: npt.ArrayLike, config: FeatureConfig) -> Features:
    """The features of an utterance before any normalisation, float32 [frames, size].

    Args:
        samples: samples at the sample rate of the configuration; see `samples.one_channel`.
        config: configuration of the features.

    Raises:
        UserError: there is no sample, or see `samples.one_channel`.
    """
    import librosa

    audio = one_channel(samples)
    if not len(audio):
        raise DataError("there are no samples to compute features from")
    audio = padded(audio, config.sample_rate, config.padding_seconds)
    mel_bands(config)
    transform = {
        "n_fft": config.fft_length,
        "win_length": config.window_length,
        "hop_length": config.hop_length,
        "center": True,
        "pad_mode": "constant",
    }
    with warnings.catch_warnings():
        # An utterance shorter than the transform is padded with zeros, as intended.
        warnings.filterwarnings("ignore", message="n_fft=")
        if config.kind == "spectrogram":
            power = np.abs(librosa.stft(audio, **transform)) ** 2
        else:
            power = librosa.feature.melspectrogram(
                y=audio, sr=config.sample_rate, power=2.0, n_mels=config.bands,
                fmin=config.lowest_frequency, fmax=config.top_frequency, **transform,
            )  # fmt: skip
    logarithm = np.log(np.maximum(power, config.floor))
    if config.kind != "mfcc":
        return np.ascontiguousarray(logarithm.T, np.float32)
    mfcc = librosa.feature.mfcc(S=logarithm, n_mfcc=config.coefficients, dct_type=2, norm="ortho")
    rows = [mfcc]
    for order in range(1, config.deltas + 1):
        rows.append(librosa.feature.delta(mfcc, width=DELTA_WIDTH, order=order, mode="nearest"))
    return np.ascontiguousarray(np.concatenate(rows).T, np.float32)


def compile_librosa() -> None:
    """Makes librosa compile the functions that it compiles at its first use on a machine.

    Compiling takes half a minute or more, but only once, since the results are kept on disk. It is
    done before worker processes start, so that not each of them does it. If it takes more than
    three seconds, the log says what takes the time.
    """
    import threading

    notice = threading.Timer(
        3.0, _log.info, ["librosa compiles its functions; this happens once per machine ..."]
    )
    notice.daemon = True
    notice.start()
    try:
        features(np.zeros(800, np.float32), FeatureConfig(kind="mfcc", bands=20, deltas=2))
    finally:
        notice.cancel()
