"""The configuration of a speech recogniser's run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipelines import roles
from pipelines.base.stated_columns import ColumnRole
from pipelines.speech.audio.padding import LONGEST_PADDING
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
        "",
        "pattern of the names of a folder's files, such as {transcript}_{speaker}_{index}.wav",
    )
    cache_dir: str = option("", "folder of extracted features; empty: RNN_APPS_CACHE or ~/.cache")
    processes: int = option(
        0, "number of processes that extract features; 0: one per core", minimum=0
    )
    channel: int = option(
        0, "channel of recordings that is read, counted from 1; 0: the mean of all", minimum=0
    )
    longest_seconds: float = option(
        30.0, "longest recording in seconds; longer ones are left out", above=0.0
    )

    tokenizer: str = option("characters", "units of the transcripts", choices=TOKENIZERS)
    vocabulary_size: int = option(
        0,
        "largest number of units of the transcripts; 0: all characters or words, or 500 subwords",
        minimum=0,
    )
    lowercase: bool = option(True, "whether all transcripts are written in lower case")
    language: str = option(
        "", "language of the transcripts, such as en: its lower case and its number words"
    )
    punctuation: bool = option(True, "whether the punctuation of transcripts is kept")
    numbers: bool = option(
        False,
        "whether whole numbers of transcripts are written in words; needs language and num2words",
    )

    features: str = option("log_mel", "kind of features that the model reads", choices=KINDS)
    sample_rate: int = option(
        16_000, "samples per second; recordings are resampled to it", minimum=1000
    )
    window_seconds: float = option(0.025, "length of a frame's window in seconds", above=0.0)
    hop_seconds: float = option(0.010, "time from frame to frame in seconds", above=0.0)
    fft_size: int = option(
        0,
        "length of the Fourier transform in samples; 0: the window's, raised to a power of two",
        minimum=0,
    )
    bands: int = option(80, "number of mel bands", minimum=1)
    lowest_frequency: float = option(0.0, "lower end of the mel bands in Hz", minimum=0.0)
    highest_frequency: float = option(
        0.0, "upper end of the mel bands in Hz; 0: half the sample rate", minimum=0.0
    )
    coefficients: int = option(13, "number of MFCC coefficients", minimum=1)
    deltas: int = option(
        0, "number of orders of differences that are added to the MFCC", minimum=0, maximum=2
    )
    floor: float = option(1e-10, "smallest power that the logarithm is taken of", above=0.0)
    normalisation: str = option(
        "global",
        "statistics by which features are normalised: those of the training data, of the utterance "
        "(which cannot stream), or none",
        choices=NORMALISATIONS,
    )
    padding_seconds: float = option(
        0.0,
        "length of quiet noise that is added before and after each recording, in training, in "
        "judging, in transcribing up to a minute and in exported files, for words that were cut "
        "out closely; streams get none",
        minimum=0.0,
        maximum=LONGEST_PADDING,
    )

    speeds: tuple[float, ...] = option(
        (1.0,),
        "playing speeds that are drawn from in training; pitch changes too",
        minimum=0.5,
        maximum=2.0,
    )
    tempo: float = option(
        0.0,
        "largest change of the tempo in training, which leaves the pitch: 0.2 is 1/1.2 to 1.2",
        minimum=0.0,
        maximum=1.0,
    )
    vocal_tract: float = option(
        0.0,
        "largest stretch of the frequencies in training, as by another length of the vocal tract: "
        "0.1 is 1/1.1 to 1.1",
        minimum=0.0,
        maximum=0.5,
    )
    noise_probability: float = option(
        0.0, "share of training utterances with noise", minimum=0.0, maximum=1.0
    )
    noise: str = option("", "recordings of noise, as file:FOLDER; empty for white to brown noise")
    signal_to_noise: tuple[float, ...] = option(
        (5.0, 30.0), "lowest and highest ratio of speech to noise in decibels"
    )
    reverberation_probability: float = option(
        0.0, "share of training utterances that sound as in a room", minimum=0.0, maximum=1.0
    )
    gain_decibels: float = option(
        0.0,
        "largest change of the loudness in training, in decibels",
        minimum=0.0,
        maximum=60.0,
    )
    channel_decibels: float = option(
        0.0,
        "largest change of the loudness of single frequencies in training, in decibels, as by "
        "another microphone",
        minimum=0.0,
        maximum=40.0,
    )
    time_masks: int = option(
        0, "number of stretches of time that training masks (SpecAugment)", minimum=0
    )
    longest_time_mask: int = option(
        20, "longest stretch of time that is masked, in frames", minimum=0
    )
    frequency_masks: int = option(
        0, "number of stretches of features that training masks (SpecAugment)", minimum=0
    )
    widest_frequency_mask: int = option(8, "widest stretch of features that is masked", minimum=0)

    batch_size: int = option(
        32, "largest number of utterances per step, over all replicas", minimum=1
    )
    frame_budget: int = option(
        16_000, "largest number of frames per step, padding included", minimum=1
    )
    curriculum: bool = option(
        True, "whether the first epoch goes from short to long utterances (SortaGrad)"
    )

    filters: tuple[int, ...] = option(
        (32, 32),
        "number of channels of each convolution before the recurrent layers; empty for none",
        minimum=1,
    )
    time_kernel: int = option(
        5, "number of frames that a convolution sees, this one and those before", minimum=1
    )
    frequency_kernel: int = option(5, "number of features that a convolution sees", minimum=1)
    time_strides: tuple[int, ...] = option(
        (2, 2), "number of frames that a convolution moves on by, for each convolution", minimum=1
    )
    frequency_strides: tuple[int, ...] = option(
        (2, 2), "number of features that a convolution moves on by, for each convolution", minimum=1
    )
    cell: str = option("gru", "kind of recurrent cell", choices=cell_names)
    cell_options: tuple[str, ...] = option(
        (),
        "whole numbers that only this cell has, as NAME=NUMBER; cell = 'mogrifier' has rounds and "
        "rank (0: whole matrices); empty: the cell's defaults",
    )
    units: int = option(192, "size of each recurrent layer's state", minimum=1)
    layers: int = option(2, "number of recurrent layers on top of each other", minimum=1)
    bidirectional: bool = option(
        False, "whether layers also read from the end; such a model cannot stream"
    )
    lookahead: int = option(
        0,
        "number of output frames ahead that the logits of a unidirectional model see (row "
        "convolution)",
        minimum=0,
    )
    layer_normalisation: str = option(
        "layer",
        "normalisation after each convolution and recurrent layer, frame by frame",
        choices=LAYER_NORMALISATIONS,
    )
    dropout: float = option(
        0.1, "share of a layer's outputs left out in training", minimum=0.0, below=1.0
    )
    consistency: float = option(
        0.0,
        "weight of the divergence between two copies of each utterance that training changes "
        "differently, in the loss (CR-CTC); each step then has its utterances twice; 0 for one "
        "copy",
        minimum=0.0,
    )

    new_vocabulary: bool = option(
        False,
        "whether a run with --from learns the alphabet from its own training data instead of "
        "taking it over; what both know keeps its weights",
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
            padding_seconds=self.padding_seconds,
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
