"""The configuration of a language model's run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipelines import roles
from pipelines.base.stated_columns import ColumnRole
from rnn_apps.application.configuration import option
from rnn_apps.layers.cells.registry import cell_names
from rnn_apps.training.config import TrainingConfig

APPLICATION = "language"
TOKENIZERS = ("bytes", "characters", "words", "subwords")
OUTPUTS = ("softmax", "adaptive", "sampled")


@dataclass(frozen=True, kw_only=True)
class LanguageModellingConfig(TrainingConfig):
    """Text, model and training of a language model.

    `batch_size` is the number of contiguous streams that the text is cut into: each is read from
    its beginning to its end, `timesteps` tokens per step, with the state carried from step to step.
    """

    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = TrainingConfig.MAY_CHANGE_ON_RESUME
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = "sampled_tokens"
    OF_THE_DATA: ClassVar[frozenset[str]] = frozenset(
        {
            "validation", "test", "split", "text_feature", "columns", "text_column",
            "file_endings", "new_vocabulary", "vocabulary",
        }
    )  # fmt: skip

    COLUMN_ROLES: ClassVar[tuple[ColumnRole, ...]] = roles.TEXT

    validation: str = option(
        "", "validation text, as data; empty: a tail of the data, as split says"
    )
    test: str = option("", "test text, as data; empty: a tail of the data, as split says")
    split: str = option(
        "0.9,0.05,0.05",
        "shares of the data for training, validation and test, in the order of the text; a part "
        "that has a source of its own takes none",
    )
    text_feature: str = option(
        "", "the feature of a tfds: dataset that holds the text; empty: found out"
    )
    tokenizer: str = option("characters", "units of text", choices=TOKENIZERS)
    vocabulary_size: int = option(
        0,
        "largest number of tokens of the vocabulary, special ones included; 0: all, or 8,000 "
        "subwords",
        minimum=0,
    )
    minimum_count: int = option(
        0,
        "number of times that a word or character must occur to have a token of its own; 0: words "
        "twice, unless the text has <unk> or vocabulary_size leaves words out; characters once",
        minimum=0,
    )
    batch_size: int = option(
        64, "number of contiguous streams of the text that are read side by side", minimum=1
    )
    timesteps: int = option(
        128,
        "number of tokens over which the gradient is propagated back; the state is carried further",
        minimum=2,
    )
    random_lengths: bool = option(
        False, "whether the length of back-propagation varies, and the learning rate with it"
    )
    cell: str = option("lstm", "kind of recurrent cell", choices=cell_names)
    cell_options: tuple[str, ...] = option(
        (),
        "whole numbers that only this cell has, as NAME=NUMBER; cell = 'mogrifier' has rounds and "
        "rank (0: whole matrices); empty: the cell's defaults",
    )
    units: int = option(512, "size of each recurrent layer's state", minimum=1)
    layers: int = option(2, "number of recurrent layers on top of each other", minimum=1)
    embedding_size: int = option(
        0, "size of a token's vector; 0: as many numbers as units, at most 256", minimum=0
    )
    embedding_range: float = option(
        0.5,
        "largest initial value of the embeddings, drawn between minus this and this; if it is too "
        "small, narrow embeddings have almost no effect for the first thousands of steps",
        above=0.0,
    )
    tied: bool = option(False, "whether the output layer's kernel is the embedding's, transposed")
    residual: bool = option(
        False, "whether a recurrent layer's input is added to its output, where sizes agree"
    )
    layer_norm: bool = option(False, "whether gates and memory are normalised inside the cell")
    chrono_steps: int = option(
        0,
        "longest memory, in tokens, over which the gates' biases are spread at the start; 0 for "
        "Keras' biases",
        minimum=0,
    )
    orthogonal_gates: bool = option(
        False, "whether the initial recurrent kernel is orthogonal gate by gate"
    )
    embedding_dropout: float = option(
        0.0, "share of the vocabulary left out as input of each step", minimum=0.0, below=1.0
    )
    input_dropout: float = option(
        0.0, "share of the embedded features left out, for all timesteps", minimum=0.0, below=1.0
    )
    hidden_dropout: float = option(
        0.2,
        "share of the features left out between recurrent layers, for all timesteps",
        minimum=0.0,
        below=1.0,
    )
    output_dropout: float = option(
        0.2,
        "share of the features left out before the output layer, for all timesteps",
        minimum=0.0,
        below=1.0,
    )
    weight_dropout: float = option(
        0.0,
        "share of the recurrent kernel's weights left out, for all timesteps of each step",
        minimum=0.0,
        below=1.0,
    )
    zoneout: float = option(
        0.0,
        "share of the memory's units (an LSTM's c, the others' h) that keep their value in a "
        "timestep",
        minimum=0.0,
        below=1.0,
    )
    hidden_zoneout: float = option(
        0.0,
        "share of the units of an LSTM's h that keep their value in a timestep",
        minimum=0.0,
        below=1.0,
    )
    activation_regularisation: float = option(
        0.0, "weight of the mean square of the last layer's output after dropout", minimum=0.0
    )
    temporal_regularisation: float = option(
        0.0, "weight of the mean square of the last layer's change between timesteps", minimum=0.0
    )
    output: str = option(
        "softmax",
        "way in which the loss over the vocabulary is computed; adaptive and sampled are for large "
        "vocabularies, whose tokens are sorted by frequency",
        choices=OUTPUTS,
    )
    cutoffs: tuple[int, ...] = option(
        (),
        "first tokens of the clusters of an adaptive softmax; empty: a sixteenth and a quarter of "
        "the vocabulary",
        minimum=1,
    )
    sampled_tokens: int = option(
        1024, "number of tokens with which a sampled softmax compares each target", minimum=1
    )
    columns: tuple[str, ...] = option(
        (),
        "the column that has the text, as text=NAME; the same as text_column",
        flag="column",
        repeated="ROLE=NAME",
    )
    text_column: str = option(
        "",
        "column that has the text, by name or by number from 1, in JSON lines, CSV, TSV or "
        "Parquet; empty to find it",
    )
    file_endings: tuple[str, ...] = option(
        (), "endings of the files to read in a folder, such as .py,.md; empty for those of text"
    )
    vocabulary: tuple[str, ...] = option(
        (),
        "vocabulary to use instead of one that is learnt: folder of a run, name of a saved model, "
        "sentencepiece model (.model), or file with a token per line",
    )
    new_vocabulary: bool = option(
        False,
        "whether a run with --from learns the vocabulary from its own training data instead of "
        "taking it over; what both know keeps its weights",
    )
