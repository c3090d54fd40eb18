"""The configuration of a speech recogniser's run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipelines import roles
from pipelines.base.stated_columns import ColumnRole
from pipelines.speech.feature_extraction.configuration import KINDS, NORMALISATIONS, FeatureConfig
from pipelines.speech.recordings.spelling import Spelling
from rnn_apps.application.configuration import option
from rnn_apps.layers.cells.registry import cell_names
from rnn_apps.training.config import TrainingConfig

APPLICATION = "speech"
TOKENIZERS = ("characters", "words", "subwords")
LAYER_NORMALISATIONS = ("none", "layer", "batch")


@dataclass(frozen=True, kw_only=True)
class SpeechConfig(TrainingConfig):
    """Recordings, features, augmentation, model and training of a speech recogniser."""

    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = TrainingConfig.MAY_CHANGE_ON_RESUME | {
        "cache_dir",
        "processes",
    }
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = "dropout"
    OF_THE_DATA: ClassVar[frozenset[str]] = frozenset(
        {
            "validation", "test", "split", "naming_rule", "cache_dir", "processes",
            "longest_seconds", "channel", "new_vocabulary", "columns",
        }
    )  # fmt: skip
    COLUMN_ROLES: ClassVar[tuple[ColumnRole, ...]] = roles.RECORDINGS

    validation: str = option(
        "", "validation recordings, as data; empty: those of the data that it says are, or a share"
    )
    test: str = option(
        "", "test recordings, as data; empty: those of the data that it says are, or a share"
    )
    split: str = option(
        "0.9,0.05,0.05",
        "shares of the data for training, validation and test, where the data does not say; whole "
        "speakers where it names at least ten",
    )
    columns: tuple[str, ...] = option(
        (),
        "a column of a list of recordings and its role, as ROLE=NAME; once per role. Roles: "
        "audio, text, speaker, part, offset, duration, end",
        flag="column",
        repeated="ROLE=NAME",
    )
    naming_rule: str = option(
        "", "what the files' names of a folder say, such as {transcript}_{speaker}_{index}.wav"
    )
    cache_dir: str = option("", "folder of extracted features; empty: RNN_APPS_CACHE or ~/.cache")
    processes: int = option(0, "that extract features; 0: one a core", minimum=0)
    channel: int = option(
        0, "channel of recordings that is read, counted from 1; 0: the mean of all", minimum=0
    )
    longest_seconds: float = option(30.0, "longer recordings are left out", above=0.0)

    tokenizer: str = option("characters", "units of the transcripts", choices=TOKENIZERS)
    vocabulary_size: int = option(
        0, "most units; 0: all characters or words, or 500 subwords", minimum=0
    )
    lowercase: bool = option(True, "write all transcripts in lower case")
    language: str = option(
        "", "language of the transcripts, such as en: its lower case and its number words"
    )
    punctuation: bool = option(True, "keep the punctuation of transcripts")
    numbers: bool = option(
        False, "write whole numbers of transcripts in words; needs language and num2words"
    )

    features: str = option("log_mel", "what the model reads", choices=KINDS)
    sample_rate: int = option(16_000, "samples a second; recordings are resampled", minimum=1000)
    window_seconds: float = option(0.025, "length of the window of a frame", above=0.0)
    hop_seconds: float = option(0.010, "from frame to frame", above=0.0)
    fft_size: int = option(
        0, "length of the Fourier transform; 0: the next power of two", minimum=0
    )
    bands: int = option(80, "mel bands", minimum=1)
    lowest_frequency: float = option(0.0, "of the mel bands, in Hz", minimum=0.0)
    highest_frequency: float = option(0.0, "in Hz; 0: half the sample rate", minimum=0.0)
    coefficients: int = option(13, "MFCC coefficients", minimum=1)
    deltas: int = option(0, "orders of differences in addition to MFCC", minimum=0, maximum=2)
    floor: float = option(1e-10, "smallest power that the logarithm is taken of", above=0.0)
    normalisation: str = option(
        "global",
        "of features: by the training data, by the utterance (which cannot stream), or none",
        choices=NORMALISATIONS,
    )

    speeds: tuple[float, ...] = option(
        (1.0,),
        "playing speeds that are drawn from in training; pitch changes too",
        minimum=0.5,
        maximum=2.0,
    )
    tempo: float = option(
        0.0,
        "most that the tempo is changed by in training, without the pitch: 0.2 is 1/1.2 to 1.2",
        minimum=0.0,
        maximum=1.0,
    )
    vocal_tract: float = option(
        0.0,
        "most that frequencies are stretched by in training, as by another length of the vocal "
        "tract: 0.1 is 1/1.1 to 1.1",
        minimum=0.0,
        maximum=0.5,
    )
    noise_probability: float = option(
        0.0, "share of training utterances with noise", minimum=0.0, maximum=1.0
    )
    noise: str = option("", "recordings of noise, as file:FOLDER; empty: white to brown noise")
    signal_to_noise: tuple[float, ...] = option((5.0, 30.0), "lowest and highest, in decibels")
    reverberation_probability: float = option(
        0.0, "share of training utterances that sound as in a room", minimum=0.0, maximum=1.0
    )
    gain_decibels: float = option(
        0.0, "most that loudness is changed by in training", minimum=0.0, maximum=60.0
    )
    channel_decibels: float = option(
        0.0,
        "most that single frequencies are made louder or quieter by in training, as by another "
        "microphone",
        minimum=0.0,
        maximum=40.0,
    )
    time_masks: int = option(0, "stretches of time masked in training (SpecAugment)", minimum=0)
    longest_time_mask: int = option(20, "in frames", minimum=0)
    frequency_masks: int = option(0, "bands masked in training (SpecAugment)", minimum=0)
    widest_frequency_mask: int = option(8, "in features", minimum=0)

    batch_size: int = option(32, "utterances a step at most, over all replicas", minimum=1)
    frame_budget: int = option(16_000, "frames of a step at most, padding included", minimum=1)
    curriculum: bool = option(True, "first epoch from short to long utterances (SortaGrad)")

    filters: tuple[int, ...] = option(
        (32, 32),
        "channels of each convolution in front of the recurrent layers; empty: none",
        minimum=1,
    )
    time_kernel: int = option(
        5, "frames that a convolution sees, this one and those before", minimum=1
    )
    frequency_kernel: int = option(5, "features that a convolution sees", minimum=1)
    time_strides: tuple[int, ...] = option(
        (2, 2), "frames that a convolution moves on by, one number a convolution", minimum=1
    )
    frequency_strides: tuple[int, ...] = option(
        (2, 2), "features that a convolution moves on by, one number a convolution", minimum=1
    )
    cell: str = option("gru", "recurrent cell", choices=cell_names)
    cell_options: tuple[str, ...] = option(
        (),
        "whole numbers that only this cell has, as NAME=NUMBER; cell = 'mogrifier' has rounds and "
        "rank (0: whole matrices); empty: the cell's defaults",
    )
    units: int = option(192, "size of each recurrent layer's state", minimum=1)
    layers: int = option(2, "recurrent layers on top of each other", minimum=1)
    bidirectional: bool = option(False, "also from the end backwards; such a model cannot stream")
    lookahead: int = option(
        0,
        "output frames ahead that the logits of a unidirectional model see (row convolution)",
        minimum=0,
    )
    layer_normalisation: str = option(
        "layer",
        "after each convolution and recurrent layer, frame by frame",
        choices=LAYER_NORMALISATIONS,
    )
    dropout: float = option(
        0.1, "share of a layer's outputs left out in training", minimum=0.0, below=1.0
    )

    new_vocabulary: bool = option(
        False,
        "with --from: whether the alphabet is learnt from the training data anew instead of "
        "being taken over; what both know keeps its weights",
    )

    def spelling(self) -> Spelling:
        """The spelling of transcripts, for training and for judging."""
        return Spelling(self.lowercase, self.language, self.punctuation, self.numbers)

    def feature_config(self) -> FeatureConfig:
        """What is computed from samples.

        Raises:
            ConfigurationError: the settings do not go together.
        """
        return FeatureConfig(
            kind=self.features,
            sample_rate=self.sample_rate,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
            fft_size=self.fft_size,
            bands=self.bands,
            lowest_frequency=self.lowest_frequency,
            highest_frequency=self.highest_frequency,
            coefficients=self.coefficients,
            deltas=self.deltas,
            floor=self.floor,
            normalisation=self.normalisation,
        )

    @property
    def subsampling(self) -> int:
        """Frames that become one output frame, rounded up."""
        product = 1
        for stride in self.time_strides[: len(self.filters)]:
            product *= stride
        return product

    @property
    def seconds_per_output(self) -> float:
        """From one output frame to the next: a frame moves on by whole samples."""
        features = self.feature_config()
        return self.subsampling * features.hop_length / features.sample_rate
