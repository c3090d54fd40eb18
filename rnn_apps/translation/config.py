"""The configuration of a translation model's run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rnn_apps.application.configuration import option
from rnn_apps.layers.cells.registry import cell_names
from rnn_apps.training.config import TrainingConfig

APPLICATION = "translate"
TOKENIZERS = ("subwords", "characters", "words")
ATTENTIONS = ("none", "bahdanau", "dot", "general", "concat")
NORMALIZATIONS = ("identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")
BLEU_TOKENIZERS = ("13a", "none", "intl", "char", "zh", "ja-mecab", "ko-mecab")
MAXIMISED = ("val_bleu", "val_exact")


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(TrainingConfig):
    """Sentence pairs, model, training and search of a translation model.

    A step takes pairs of like length, `token_budget` tokens and `batch_size` pairs at most.
    """

    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = TrainingConfig.MAY_CHANGE_ON_RESUME | {
        "beam_width",
        "length_penalty",
        "bleu_tokenizer",
    }
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = "bleu_tokenizer"

    data: str = option(
        "",
        "sentence pairs: file:SOURCE,TARGET (aligned lines, .gz too), file:PAIRS.tsv, "
        "file:PAIRS.tmx, tfds:NAME[/CONFIG] or builtin:NAME",
    )
    validation: str = option("", "validation pairs, as data; empty: drawn from the data")
    test: str = option("", "test pairs, as data; empty: drawn from the data")
    split: str = option(
        "0.9,0.05,0.05",
        "shares of the data for training, validation and test, drawn at random; a part that has a "
        "source of its own takes none",
    )
    source_language: str = option(
        "", "language translated from, where the data have several, such as en"
    )
    target_language: str = option("", "language translated into")
    tokenizer: str = option("subwords", "units of text", choices=TOKENIZERS)
    vocabulary_size: int = option(
        0, "most tokens of a vocabulary; 0: all, or 8,000 subwords", minimum=0
    )
    minimum_count: int = option(
        0,
        "times that a word or character must come to have a token of its own; 0: words twice, "
        "unless the text has <unk> or vocabulary_size leaves words out; characters once",
        minimum=0,
    )
    joint_vocabulary: bool = option(True, "one vocabulary for both languages")
    subword_model: str = option("bpe", "how subwords are chosen", choices=("bpe", "unigram"))
    normalization: str = option(
        "nmt_nfkc",
        "what becomes of the characters of a sentence, source and target: a rule of sentencepiece; "
        "those that end in _cf also fold capitals",
        choices=NORMALIZATIONS,
    )
    subword_sampling: float = option(
        0.0,
        "merges of BPE left out at random in training, or the smoothness of sampling of unigram "
        "subwords, so that a sentence has many encodings",
        minimum=0.0,
        below=1.0,
    )
    longest: int = option(
        100, "training pairs with a sentence of more tokens are left out; 0: none", minimum=0
    )
    length_ratio: float = option(
        4.0,
        "training pairs are left out in which one sentence has so many times the tokens of the "
        "other; 0: none",
        minimum=0.0,
    )
    batch_size: int = option(256, "pairs a step at most", minimum=1)
    token_budget: int = option(
        1536, "tokens a step at most, padding included, on the longer side", minimum=1
    )
    cell: str = option("gru", "recurrent cell", choices=cell_names)
    units: int = option(256, "size of each recurrent layer's state", minimum=1)
    encoder_layers: int = option(1, "recurrent layers of the encoder", minimum=1)
    decoder_layers: int = option(1, "recurrent layers of the decoder", minimum=1)
    embedding_size: int = option(128, "numbers that stand for a token", minimum=1)
    embedding_range: float = option(
        0.5,
        "embeddings are drawn between minus this and this before training; too small a range, and "
        "narrow embeddings are not heard for thousands of steps",
        above=0.0,
    )
    bidirectional: bool = option(True, "the encoder also reads from the end")
    attention: str = option("bahdanau", "how the decoder looks at the source", choices=ATTENTIONS)
    decoder: str = option(
        "conditional",
        "conditional: the attention stands between two cells; plain: around one",
        choices=("plain", "conditional"),
    )
    input_feeding: bool = option(False, "what was read out goes into the next step (Luong)")
    coverage: bool = option(False, "the attention knows where it has looked")
    residual: bool = option(False, "add a layer's input to its output, from the second layer on")
    layer_norm: bool = option(False, "normalise inside the cells")
    tied: str = option(
        "target",
        "target: the output layer's matrix is the target embedding's; all: the source's too, for a "
        "joint vocabulary",
        choices=("none", "target", "all"),
    )
    embedding_dropout: float = option(
        0.3, "share of the embeddings' features left out", minimum=0.0, below=1.0
    )
    annotation_dropout: float = option(
        0.5, "share of what the encoder gives left out", minimum=0.0, below=1.0
    )
    output_dropout: float = option(
        0.5, "share left out before the output layer", minimum=0.0, below=1.0
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
    gradient_accumulation: int = option(
        1, "steps whose gradients are averaged before the weights change", minimum=1
    )
    average_epochs: int = option(
        0,
        "the weights of so many epochs, the best by the monitored figure, are averaged at the end; "
        "0: off",
        minimum=0,
    )
    dev_bleu: bool = option(
        True, "translate the validation sentences greedily after each epoch: val_bleu"
    )
    monitor: str = option(
        "val_loss",
        "the figure that early stopping and the best weights follow: val_loss, val_bleu or "
        "val_exact",
    )
    beam_width: int = option(5, "hypotheses of the search in evaluation", minimum=1)
    length_penalty: float = option(
        1.0, "exponent of the length that a hypothesis' log probability is divided by", minimum=0.0
    )
    bleu_tokenizer: str = option(
        "13a", "sacrebleu's tokenizer; none for text that is tokenised", choices=BLEU_TOKENIZERS
    )

    @property
    def accumulated_steps(self) -> int:
        """See `TrainingConfig.accumulated_steps`."""
        return self.gradient_accumulation
