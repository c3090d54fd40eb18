"""The recordings of a run: read, dealt out, turned into features, labels and batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.base.stated_columns import Stated
from pipelines.data_report import DataReport
from pipelines.shares import parse_shares
from pipelines.speech import FeatureStore, Recordings, extract_features, load_recordings
from pipelines.speech.feature_extraction.augmentation import SpecAugment, WaveformAugmentation
from pipelines.speech.feature_extraction.batching import Features, SpeechBatches, UtteranceSource
from pipelines.speech.feature_extraction.noise import noise_files
from pipelines.speech.feature_extraction.waveform_source import WaveformSource
from pipelines.speech.recordings.dealing import deal
from pipelines.speech.recordings.labels import Labels, LabelSet, encode_transcripts
from pipelines.speech.recordings.loading import has_columns
from pipelines.tokenizers import train_tokenizer
from rnn_apps.application.own_data import OwnData
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.network.capabilities import changes_sound

DEFAULT_SUBWORDS = 500
RECORDINGS = "recordings.json"
"""What a run was trained on, with its fingerprint."""


@dataclass(frozen=True)
class Utterances:
    """A part of the data: features on disk, and what is said.

    Attributes:
        store: the features.
        transcripts: what is said in each, tidied.
        labels: of each transcript.
        report: what was dropped and why.
    """

    store: FeatureStore
    transcripts: tuple[str, ...]
    labels: tuple[Labels, ...]
    report: DataReport


class OwnRecordings(OwnData[str | Recordings, dict[str, Recordings], Recordings]):
    """The recordings that a run is trained, chosen and judged on.

    Args:
        config: configuration of the run.
        data: recordings that the run is trained on, where `config.data` does not name them.
    """

    unnamed = "no recordings are named"
    lost = "recordings that are not kept"
    nothing_held_out = "no recordings were held out"

    def __init__(self, config: SpeechConfig, data: str | Recordings = "") -> None:
        super().__init__(data or config.data)
        self._config = config

    @property
    def name(self) -> str:
        """See `OwnData`."""
        return self.whole["train"].report.source

    def read(self, source: str | Recordings) -> dict[str, Recordings]:
        """See `OwnData`: the recordings of "train", "validation" and "test", as there are."""
        config = self._config
        shares = list(parse_shares(config.split, complete=True))
        for index, named in ((1, config.validation), (2, config.test)):
            if named:
                # It need not be taken from the data.
                shares[0] += shares[index]
                shares[index] = 0.0
        parts = deal(load_source(config, source), shares, seed=config.example_seed)
        if config.validation:
            parts["validation"] = one_part(load_source(config, config.validation), "validation")
        if config.test:
            parts["test"] = one_part(load_source(config, config.test), "test")
        return parts

    def present(self) -> tuple[str, ...]:
        """See `OwnData`."""
        return tuple(part for part in self.parts if part in self.whole)

    def part(self, name: str) -> Recordings:
        """See `OwnData`."""
        self.require(name)
        return self.whole[name]


def load_parts(config: SpeechConfig, data: str | Recordings = "") -> dict[str, Recordings]:
    """The recordings of "train", "validation" and "test", those of them that there are.

    Args:
        config: configuration that says how the recordings are read and dealt out.
        data: recordings to take in place of those that `config.data` names.

    Raises:
        ConfigurationError: no recordings are named.
        DataError: a source cannot be read or holds nothing that can be used.
    """
    own = OwnRecordings(config, data)
    own.require_named()
    return own.whole


def list_fingerprint(parts: dict[str, Recordings]) -> str:
    """SHA-256 of which file is in which part with which transcript; sounds are not read."""
    digest = hashlib.sha256()
    for part, recordings in sorted(parts.items()):
        for one in recordings:
            name = Path(one.place).name
            digest.update("\0".join((part, name, one.transcript)).encode() + b"\1")
    return digest.hexdigest()


def load_source(
    config: SpeechConfig, data: str | Recordings, columns: Stated | None = None
) -> Recordings:
    """The recordings of a source, read as the config says.

    Args:
        config: configuration of the run.
        data: source of the recordings.
        columns: columns of a list of recordings by role; None for those of the config.

    Raises:
        DataError: the source cannot be read or holds nothing that can be used.
    """
    return load_recordings(
        data, data_dir=config.data_dir, naming_rule=config.naming_rule,
        longest_seconds=config.longest_seconds, cache_dir=config.cache_dir,
        channel=config.channel, columns=config.columns if columns is None else columns,
    )  # fmt: skip


def load_other(config: SpeechConfig, data: str | Recordings, columns: Stated = ()) -> Recordings:
    """The recordings of another source than the run's own.

    Args:
        config: configuration of the run.
        data: source of the recordings.
        columns: columns of a list of recordings by role, in place of all that the config states;
            empty for those of the config, if the source is a list.

    Raises:
        DataError: the source cannot be read or holds nothing that can be used.
        ConfigurationError: a role does not exist.
    """
    if not columns and config.columns and not has_columns(data):
        return load_source(config, data, ())
    return load_source(config, data, columns or None)


def one_part(recordings: Recordings, part: str) -> Recordings:
    """The recordings of one part of a source, or all if it does not distinguish parts.

    Raises:
        DataError: it distinguishes several parts, and this is none of them.
    """
    if part in recordings.parts:
        return recordings.where(lambda one: one.part == part)
    if len({one.part for one in recordings}) > 1:
        raise DataError(
            f"has the parts {', '.join(recordings.parts)}, and no part {part!r}",
            file=recordings.report.source,
            advice="Name a source of these recordings alone, or say in it which they are.",
        )
    return recordings


def train_labels(config: SpeechConfig, recordings: Recordings) -> LabelSet:
    """The alphabet of the training transcripts.

    Raises:
        DataError: they are too few for subwords.
    """
    spelling = config.spelling()
    texts = [spelling.tidy(one.transcript) for one in recordings]
    size = config.vocabulary_size
    if config.tokenizer == "subwords":
        size = size or DEFAULT_SUBWORDS
        texts = ["\n".join(texts)]
    tokenizer = train_tokenizer(
        config.tokenizer, texts, vocabulary_size=size, seed=config.example_seed
    )
    return LabelSet(tokenizer, spelling)


def prepare(config: SpeechConfig, recordings: Recordings, labels: LabelSet) -> Utterances:
    """Extracts features and encodes transcripts.

    Raises:
        DataError: nothing is left that can be used.
    """
    store = _features(config, recordings)
    transcripts = [labels.tidy(one.transcript) for one in store.recordings]
    kept, encoded = encode_transcripts(transcripts, labels.tokenizer, store.report, store.places)
    if not kept:
        raise DataError(
            f"none of the transcripts can be written with the model's alphabet:\n{store.report}",
            file=store.report.source,
        )
    return Utterances(
        store.take(kept), tuple(transcripts[number] for number in kept), tuple(encoded),
        store.report,
    )  # fmt: skip


def listened_to(config: SpeechConfig, recordings: Recordings, labels: LabelSet) -> Utterances:
    """Recordings to judge on: as `prepare`, but no transcript is too strange or too long.

    They have no labels, since no loss is computed.

    Raises:
        DataError: nothing is left that can be read.
    """
    store = _features(config, recordings)
    transcripts = tuple(labels.tidy(one.transcript) for one in store.recordings)
    none = np.zeros(0, np.int32)
    return Utterances(store, transcripts, (none,) * len(transcripts), store.report)


def training_batches(config: SpeechConfig, utterances: Utterances) -> SpeechBatches:
    """Batches in a new order every epoch, changed as the config says."""
    store = utterances.store
    mask = None
    if config.time_masks or config.frequency_masks:
        of_the_utterance = config.normalisation == "utterance"
        mask = _masked_with(None if of_the_utterance else store.statistics()[0], config)
    source: UtteranceSource = store
    if changes_samples(config):
        source = WaveformSource(
            store, waveform_augmentation(config), tempo=config.tempo,
            vocal_tract=config.vocal_tract, channel_decibels=config.channel_decibels,
        )  # fmt: skip
    return SpeechBatches(
        source, utterances.labels, size=store.config.size, frame_budget=config.frame_budget,
        batch_size=config.batch_size, shuffle=True, curriculum=config.curriculum,
        seed=config.example_seed, subsampling=config.subsampling, augment=source is not store,
        copies=2 if config.consistency else 1, mask=mask, report=utterances.report,
    )  # fmt: skip


def judged_batches(config: SpeechConfig, utterances: Utterances) -> SpeechBatches:
    """Batches from short to long, unchanged; utterances that CTC cannot write are reported."""
    return SpeechBatches(
        utterances.store, utterances.labels, size=utterances.store.config.size,
        frame_budget=config.frame_budget, batch_size=config.batch_size,
        subsampling=config.subsampling, report=utterances.report,
    )  # fmt: skip


def _features(config: SpeechConfig, recordings: Recordings) -> FeatureStore:
    return extract_features(
        recordings, config.feature_config(), cache_dir=config.cache_dir,
        processes=config.processes, most_seconds=config.longest_seconds,
    )  # fmt: skip


def changes_samples(config: SpeechConfig) -> bool:
    """Whether the features of an utterance differ from epoch to epoch, masks aside."""
    return bool(set(config.speeds) != {1.0} or config.tempo or changes_sound(config))


def waveform_augmentation(config: SpeechConfig) -> WaveformAugmentation:
    """What is done to samples in training."""
    lowest, highest = config.signal_to_noise
    return WaveformAugmentation(
        speeds=config.speeds, noise_probability=config.noise_probability,
        noise_files=noise_files(config.noise) if config.noise else (),
        lowest_signal_to_noise=lowest, highest_signal_to_noise=highest,
        reverberation_probability=config.reverberation_probability,
        gain_decibels=config.gain_decibels,
    )  # fmt: skip


def _masked_with(
    mean: npt.NDArray[np.float32] | None, config: SpeechConfig
) -> Callable[[Features, np.random.Generator], Features]:
    """SpecAugment before normalisation: what is masked becomes the training data's mean.

    Without a `mean` it becomes that of the utterance: the model normalises by the statistics of
    what it reads, so that any other value would move and shrink the frames that are not masked.
    """
    mask = SpecAugment(
        time_masks=config.time_masks, longest_time_mask=config.longest_time_mask,
        frequency_masks=config.frequency_masks, widest_frequency_mask=config.widest_frequency_mask,
    )  # fmt: skip

    def masked(found: Features, generator: np.random.Generator) -> Features:
        fill = found.mean(axis=0) if mean is None else mean
        return mask(found - fill, generator) + fill

    return masked
