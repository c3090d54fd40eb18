"""The configuration of a translation model's run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipelines import roles
from pipelines.base.stated_columns import ColumnRole
from rnn_apps.application.configuration import option
from rnn_apps.layers.attention.registry import attention_choices
from rnn_apps.layers.cells.registry import cell_names
from rnn_apps.training.config import TrainingConfig
from rnn_apps.translation.network.decoder_options import DECODERS

APPLICATION = "translate"
TOKENIZERS = ("subwords", "characters", "words")
NORMALIZATIONS = ("identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")
BLEU_TOKENIZERS = ("13a", "none", "intl", "char", "zh", "ja-mecab", "ko-mecab")
MAXIMISED = ("val_bleu", "val_exact")


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(TrainingConfig):
    """Sentence pairs, model, training and search of a translation model.

    A step takes pairs of similar length, at most `token_budget` tokens and `batch_size` pairs.
    """

    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = TrainingConfig.MAY_CHANGE_ON_RESUME | {
        "beam_width",
        "length_penalty",
        "bleu_tokenizer",
    }
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = "bleu_tokenizer"
    OF_THE_DATA: ClassVar[frozenset[str]] = frozenset(
        {
            "validation", "test", "split", "source_language", "target_language", "new_vocabulary",
            "longest", "length_ratio", "token_budget", "columns", "source_column", "target_column",
            "vocabulary", "average_epochs",
        }
    )  # fmt: skip
    COLUMN_ROLES: ClassVar[tuple[ColumnRole, ...]] = roles.PAIRS

    data: str = option(
        "",
        "training pairs: file:SOURCE,TARGET (aligned lines), file:PAIRS.tsv, .csv, .jsonl, "
        ".parquet or .tmx (all may be packed: .gz, .bz2, .xz, .zip), tfds:NAME[/CONFIG] or "
        "builtin:NAME",
    )
    validation: str = option(
        "", "validation pairs, in the same forms as data; empty to draw them from the data"
    )
    test: str = option(
        "", "test pairs, in the same forms as data; empty to draw them from the data"
    )
    split: str = option(
        "0.9,0.05,0.05",
        "shares of the data for training, validation and test, drawn at random; a part with data "
        "of its own takes no share",
    )
    source_language: str = option(
        "", "language that is translated from, where the data have several, such as en"
    )
    target_language: str = option("", "language that is translated into")
    tokenizer: str = option("subwords", "units of the text", choices=TOKENIZERS)
    vocabulary_size: int = option(
        0, "largest number of tokens of a vocabulary; 0 for all, or 8,000 subwords", minimum=0
    )
    minimum_count: int = option(
        0,
        "number of times that a word or character must occur to have a token; 0: words twice, "
        "unless the text has <unk> or vocabulary_size leaves words out; characters once",
        minimum=0,
    )
    joint_vocabulary: bool = option(True, "whether both languages share one vocabulary")
    subword_model: str = option(
        "bpe", "method that chooses the subwords", choices=("bpe", "unigram")
    )
    normalization: str = option(
        "nmt_nfkc",
        "sentencepiece's rule that normalises the characters of source and target; "
        "rules that end in _cf also fold capitals",
        choices=NORMALIZATIONS,
    )
    subword_sampling: float = option(
        0.0,
        "share of BPE merges left out at random in training, or smoothness of the sampling of "
        "unigram subwords; gives a sentence many encodings",
        minimum=0.0,
        below=1.0,
    )
    longest: int = option(
        100,
        "most tokens of a sentence; longer training pairs are left out; 0 for no limit",
        minimum=0,
    )
    length_ratio: float = option(
        4.0,
        "largest ratio of the numbers of tokens of the two sentences; other training pairs are "
        "left out; 0 for no limit",
        minimum=0.0,
    )
    batch_size: int = option(256, "largest number of pairs per step", minimum=1)
    token_budget: int = option(
        1536, "largest number of tokens per step, padding included, on the longer side", minimum=1
    )
    cell: str = option("gru", "kind of recurrent cell", choices=cell_names)
    units: int = option(256, "size of each recurrent layer's state", minimum=1)
    encoder_layers: int = option(1, "number of recurrent layers of the encoder", minimum=1)
    decoder_layers: int = option(1, "number of recurrent layers of the decoder", minimum=1)
    embedding_size: int = option(128, "number of features of a token's embedding", minimum=1)
    embedding_range: float = option(
        0.5,
        "largest initial value of the embeddings, drawn between minus this and this; if it is too "
        "small, narrow embeddings have almost no effect for the first thousands of steps",
        above=0.0,
    )
    bidirectional: bool = option(True, "whether the encoder also reads from the end")
    attention: str = option(
        "bahdanau",
        "kind of attention by which the decoder reads the source",
        choices=attention_choices,
    )
    decoder: str = option(
        "conditional",
        "kind of decoder; conditional: attention between two cells; plain: before or after them",
        choices=DECODERS,
    )
    input_feeding: bool = option(
        False, "whether the readout is part of the next step's input (Luong)"
    )
    coverage: bool = option(
        False, "whether the attention depends on how much each position has had so far"
    )
    residual: bool = option(
        False, "whether a layer's input is added to its output, from the second layer on"
    )
    layer_norm: bool = option(False, "whether the cells normalise their inputs and states")
    tied: str = option(
        "target",
        "matrices that are one; target: the output layer's and the target embedding's; all: the "
        "source embedding's too, for a joint vocabulary",
        choices=("none", "target", "all"),
    )
    embedding_dropout: float = option(
        0.3, "share of the embeddings' features left out in training", minimum=0.0, below=1.0
    )
    annotation_dropout: float = option(
        0.5, "share of the encoder's outputs left out in training", minimum=0.0, below=1.0
    )
    output_dropout: float = option(
        0.5, "share of the output layer's inputs left out in training", minimum=0.0, below=1.0
    )
    label_smoothing: float = option(
        0.1, "probability spread over the vocabulary in the loss", minimum=0.0, below=1.0
    )
    scheduled_sampling: float = option(
        0.0,
        "share of the target's tokens that training replaces by the model's own in the last epoch; "
        "it rises from epoch to epoch",
        minimum=0.0,
        maximum=1.0,
    )
    consistency: float = option(
        0.0,
        "weight of the divergence between two readings of each batch with different dropout, in "
        "the loss (R-Drop); each step then takes twice as long; 0 to read once",
        minimum=0.0,
    )
    gradient_accumulation: int = option(
        1,
        "number of steps whose gradients are averaged before the weights change; warmup_steps and "
        "schedule count these changes",
        minimum=1,
    )
    average_epochs: int = option(
        0,
        "number of epochs, the best by the monitored figure, whose weights are averaged at the "
        "end; 0 for no average",
        minimum=0,
    )
    dev_bleu: bool = option(
        True, "whether the validation sentences are translated after each epoch, for val_bleu"
    )
    monitor: str = option(
        "val_loss",
        "figure that early stopping and the best weights follow: val_loss, val_bleu or val_exact",
    )
    beam_width: int = option(5, "number of hypotheses of the search in evaluation", minimum=1)
    length_penalty: float = option(
        1.0, "exponent of the length that a hypothesis' log probability is divided by", minimum=0.0
    )
    bleu_tokenizer: str = option(
        "13a",
        "sacrebleu's tokenizer; none for text that is tokenised already",
        choices=BLEU_TOKENIZERS,
    )
    columns: tuple[str, ...] = option(
        (),
        "a column and its role, as ROLE=NAME; once per role. Roles: source, target",
        flag="column",
        repeated="ROLE=NAME",
    )
    source_column: str = option(
        "",
        "column of the sentences to translate in a table, by name or by number from 1; empty to "
        "find it",
    )
    target_column: str = option(
        "",
        "column of the translations in a table, by name or by number from 1; further ones after "
        "commas are further references; empty to find it",
    )

    vocabulary: tuple[str, ...] = option(
        (),
        "vocabularies to use instead of learnt ones, one for both languages or SOURCE,TARGET: "
        "folder of a run, name of a saved model, sentencepiece model (.model), or file with a "
        "token per line",
    )
    new_vocabulary: bool = option(
        False,
        "whether a run with --from learns the vocabularies from its own training data instead of "
        "taking them over; what both know keeps its weights",
    )

    @property
    def ends_with_the_epochs(self) -> bool:
        """See `TrainingConfig.ends_with_the_epochs`; the sampled share is highest in the last."""
        return super().ends_with_the_epochs or self.scheduled_sampling > 0

    @property
    def accumulated_steps(self) -> int:
        """See `TrainingConfig.accumulated_steps`."""
        return self.gradient_accumulation
