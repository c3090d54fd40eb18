"""Features by librosa, by NumPy and in the graph are one and the same."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_files import speech_like

from pipelines import ConfigurationError
from pipelines.base.errors import UserError
from pipelines.speech.audio.padding import padded
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.filter_banks import delta_filter, mel_bands, window
from pipelines.speech.feature_extraction.librosa_features import features
from pipelines.speech.feature_extraction.normalisation import Normaliser, feature_statistics
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures as NumpyFeatures
from rnn_apps.edge.speech.features import FeatureStream

CONFIGS = {
    "log-mel": FeatureConfig(bands=40, normalisation="none"),
    "log-mel, 8 kHz": FeatureConfig(sample_rate=8000, bands=40, normalisation="none"),
    "band-limited": FeatureConfig(
        bands=32, lowest_frequency=80, highest_frequency=7600, normalisation="none"
    ),
    "long transform": FeatureConfig(fft_size=1024, bands=80, normalisation="none"),
    "MFCC": FeatureConfig(kind="mfcc", bands=40, deltas=2, normalisation="none"),
    "spectrogram": FeatureConfig(kind="spectrogram", normalisation="none"),
    "odd lengths": FeatureConfig(
        window_seconds=0.0213, hop_seconds=0.0077, bands=20, normalisation="none"
    ),
    "padded": FeatureConfig(bands=20, padding_seconds=0.13, normalisation="none"),
}


def test_the_arrays_are_librosa_s() -> None:
    import librosa

    for config in CONFIGS.values():
        expected = librosa.filters.mel(
            sr=config.sample_rate, n_fft=config.fft_length, n_mels=config.bands,
            fmin=config.lowest_frequency, fmax=config.top_frequency, dtype=np.float64,
        )  # fmt: skip
        np.testing.assert_allclose(mel_bands(config), expected.T, atol=1e-12)
        hann = librosa.filters.get_window("hann", config.window_length, fftbins=True)
        padded = librosa.util.pad_center(hann, size=config.fft_length)
        np.testing.assert_allclose(window(config), padded, atol=1e-12)
    line = np.arange(9.0)
    assert delta_filter(1) @ line == pytest.approx(1.0)
    assert delta_filter(2) @ (line**2) == pytest.approx(2.0)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seconds", [0.01, 0.07, 2.3])
def test_numpy_s_features_are_librosa_s(name: str, seconds: float) -> None:
    config = CONFIGS[name]
    samples = speech_like(seconds, config.sample_rate)
    expected = features(samples, config)
    assert expected.shape == (config.frames(len(samples)), config.size)
    found = NumpyFeatures(config)(samples)
    assert found.dtype == expected.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-4


def test_librosa_with_its_own_arguments_gives_the_same() -> None:
    import librosa

    samples = speech_like(1.0)
    config = FeatureConfig(fft_size=2048, window_seconds=0.128, hop_seconds=0.032, bands=128)
    mel = librosa.feature.melspectrogram(y=samples, sr=16_000, hop_length=512)
    decibels = librosa.power_to_db(mel, top_db=None).T
    found = features(samples, config) * (10 / np.log(10))
    assert np.abs(found - decibels).max() < 1e-4


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(CONFIGS)),
    length=st.integers(0, 6_000),
    cuts=st.lists(st.integers(0, 6_000), max_size=12),
)
def test_a_stream_in_chunks_is_the_whole(name: str, length: int, cuts: list[int]) -> None:
    config = CONFIGS[name]
    samples = speech_like(1.0, config.sample_rate, seed=3)[:length]
    stream = FeatureStream(config)
    # Twice: finishing one utterance leaves nothing behind for the next.
    for _ in range(2):
        borders = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
        chunks = [stream.push(samples[a:b]) for a, b in itertools.pairwise(borders)]
        found = np.concatenate([*chunks, stream.finish()])
        whole = NumpyFeatures(config.of_streams)(samples)
        np.testing.assert_allclose(found, whole, atol=2e-5)


def test_padding_is_noise_around_the_samples() -> None:
    config = CONFIGS["padded"]
    samples = speech_like(0.5)
    found = NumpyFeatures(config)(samples)
    around = padded(samples, 16_000, 0.13)
    np.testing.assert_array_equal(found, NumpyFeatures(config.of_streams)(around))
    assert len(found) == config.frames(8000) == config.of_streams.frames(8000 + 2 * 2080)
    # What was extracted before there was padding is found again.
    assert FeatureConfig().key.startswith("0623724b428ccaf3")
    assert config.key != config.of_streams.key != FeatureConfig().key


def test_a_stream_keeps_little_and_is_not_late() -> None:
    config = FeatureConfig(bands=40, normalisation="none")
    stream = FeatureStream(config)
    sound = speech_like(1.0)
    frames = 0
    for number in range(100):
        frames += len(stream.push(sound[:160]))
        # A frame sees half a transform (16 ms) beyond its centre.
        assert frames == max(0, 1 + (160 * (number + 1) - 256) // 160)
    assert len(stream._samples) <= config.fft_length + 160
    with pytest.raises(ConfigurationError, match="cannot stream"):
        FeatureStream(FeatureConfig(normalisation="utterance"))


def test_normalisation() -> None:
    config = FeatureConfig(bands=20)
    utterances = [features(speech_like(s, seed=int(10 * s)), config) for s in (0.4, 1.1, 0.2)]
    mean, deviation = feature_statistics(utterances)
    together = np.concatenate(utterances)
    np.testing.assert_allclose(mean, together.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(deviation, together.std(axis=0), rtol=1e-4)
    normalised = np.concatenate([Normaliser(config, mean, deviation)(one) for one in utterances])
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-4)
    own = Normaliser(FeatureConfig(bands=20, normalisation="utterance"))(utterances[1])
    np.testing.assert_allclose(own.std(axis=0), 1, atol=1e-4)
    assert np.isfinite(Normaliser(FeatureConfig(bands=20, normalisation="utterance"))(
        np.zeros((5, 20), np.float32))).all()  # fmt: skip
    with pytest.raises(ConfigurationError, match="needs the mean"):
        Normaliser(config)
    with pytest.raises(ConfigurationError, match="mean must be 20 finite numbers"):
        Normaliser(config, mean[:3], deviation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "mel"}, "choose from log_mel"),
        ({"hop_seconds": 0.03}, "not longer than the window"),
        ({"fft_size": 256}, "at least the window's 400"),
        ({"fft_size": 513}, "must be even"),
        ({"highest_frequency": 9000.0}, "within 0 to 8000 Hz"),
        ({"deltas": 1}, "0 unless kind = 'mfcc'"),
        ({"kind": "mfcc", "bands": 10}, "cannot be more than bands"),
        ({"floor": 0.0}, "must be above 0"),
    ],
)
def test_configs_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FeatureConfig(**options)


def test_bands_without_a_frequency_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"band \d+ around \d+ Hz"):
        features(speech_like(0.1, 8000), FeatureConfig(sample_rate=8000, bands=250))


def test_bad_samples_are_refused() -> None:
    config = FeatureConfig()
    sound = speech_like(0.1)
    sound[5] = np.inf
    for samples, message in (
        (np.zeros((2, 100), np.float32), "shape"), (sound, "NaN or infinity"),
        (np.zeros(0, np.float32), "no sample"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message):
            features(samples, config)
    with pytest.raises(UserError, match="divide them by 32768"):
        NumpyFeatures(config)(speech_like(0.1) * 2**15)


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Utterances of several lengths, with rubbish behind their ends."""
    sounds = [speech_like(s, seed=k) for k, s in enumerate((0.9, 0.31, 1.4, 0.02, 0.013))]
    lengths = np.array([len(sound) for sound in sounds], np.int32)
    samples = np.full((5, lengths.max() + 777), 0.7, np.float32)
    for row, sound in enumerate(sounds):
        samples[row, : len(sound)] = sound
    return samples, lengths


def check_batch(found: Any, config: FeatureConfig, normalise: Any, batch: Any) -> None:
    samples, lengths = batch
    frames = np.asarray(found["frame_lengths"])
    assert frames.tolist() == [config.frames(int(length)) for length in lengths]
    for row, length in enumerate(lengths):
        expected = normalise(features(samples[row, :length], config))
        values = np.asarray(found["features"][row])
        assert np.abs(values[: frames[row]] - expected).max() < 1e-4
        assert not values[frames[row] :].any()


@pytest.mark.parametrize("name", ["log-mel", "MFCC", "spectrogram", "odd lengths", "padded"])
@pytest.mark.parametrize("normalisation", ["none", "utterance", "global"])
def test_the_layer_s_features_are_librosa_s(name: str, normalisation: str, batch: Any) -> None:
    from rnn_apps.layers.speech_features import SpeechFeatures

    config = dataclasses.replace(CONFIGS[name], normalisation=normalisation)
    mean = np.linspace(-9, -3, config.size) if normalisation == "global" else None
    deviation = np.linspace(1, 3, config.size) if normalisation == "global" else None
    layer = SpeechFeatures(config, mean, deviation)
    layer = SpeechFeatures.from_config(layer.get_config())
    found = layer({"samples": batch[0], "sample_lengths": batch[1]})
    check_batch(found, config, Normaliser(config, mean, deviation), batch)


def test_the_layer_pads_a_batch_of_short_or_loud_sounds() -> None:
    from rnn_apps.layers.speech_features import SpeechFeatures

    config = CONFIGS["padded"]
    loud = np.clip(np.random.default_rng(0).normal(size=(2, 4000)), -1, 1).astype(np.float32)
    for samples in (speech_like(0.5)[None, 4000:4200], loud[:, :250], loud):
        lengths = np.full(len(samples), samples.shape[1], np.int32)
        found = SpeechFeatures(config)({"samples": samples, "sample_lengths": lengths})
        assert found["features"].shape[0] == len(samples)
        check_batch(found, config, Normaliser(config), (samples, lengths))
        assert np.abs(padded(samples[0], 16_000, 0.2)).max() <= 1
    # Less than a sample is none.
    least = dataclasses.replace(config, padding_seconds=1e-5)
    found = SpeechFeatures(least)({"samples": loud, "sample_lengths": lengths})
    check_batch(found, least, Normaliser(least), (loud, lengths))


def test_inside_a_saved_model_with_free_batch_and_time(tmp_path: Path, batch: Any) -> None:
    import keras
    import tensorflow as tf

    from rnn_apps.layers.speech_features import SpeechFeatures

    config = CONFIGS["MFCC"]
    inputs = {
        "samples": keras.Input((None,), name="samples"),
        "sample_lengths": keras.Input((), dtype="int32", name="sample_lengths"),
    }
    model = keras.Model(inputs, SpeechFeatures(config)(inputs))
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    model.export(tmp_path / "saved", verbose=False)
    serve = tf.saved_model.load(tmp_path / "saved").signatures["serving_default"]
    for rows in (slice(0, 5), slice(2, 3)):
        part = batch[0][rows], batch[1][rows]
        found = serve(samples=tf.constant(part[0]), sample_lengths=tf.constant(part[1]))
        check_batch(found, config, Normaliser(config), part)


@pytest.mark.parametrize(
    ("name", "transform"), [("log-mel", "float32"), ("padded", "matrix"), ("MFCC", "matrix")]
)
def test_converted_to_tflite(name: str, transform: str, batch: Any) -> None:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from rnn_apps.layers.speech_features import SpeechFeatures

    config = CONFIGS[name]
    layer = SpeechFeatures(config, transform=transform)
    module = tf.Module()
    module.layer = layer
    module.call = tf.function(
        lambda samples, sample_lengths: layer(
            {"samples": samples, "sample_lengths": sample_lengths}
        ),
        input_signature=[
            tf.TensorSpec([None, None], tf.float32, name="samples"),
            tf.TensorSpec([None], tf.int32, name="sample_lengths"),
        ],
    )
    concrete = module.call.get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()
    run = Interpreter(model_content=content, num_threads=1).get_signature_runner()
    for rows in (slice(0, 5), slice(2, 3)):
        part = batch[0][rows], batch[1][rows]
        found = run(samples=part[0], sample_lengths=part[1])
        values = {"features" if array.ndim == 3 else "frame_lengths": array
                  for array in found.values()}  # fmt: skip
        check_batch(values, config, Normaliser(config), part)
