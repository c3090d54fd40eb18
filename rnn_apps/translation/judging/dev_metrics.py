"""Figures of an epoch on validation sentences, translated greedily."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.pairs.encoding import EncodedPairs
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import comparable_text, padded, sentence_text
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics
from rnn_apps.translation.search.beam_search import translate
from rnn_apps.translation.search.search_options import SearchOptions

_ROWS = 128


def dev_metrics(
    encoded: EncodedPairs, tokenizer: Tokenizer, bleu_tokenizer: str
) -> Callable[[keras.Model], dict[str, float]]:
    """A function of a model that gives val_bleu (sacrebleu, 0 to 100) and val_exact (0 to 1).

    Args:
        encoded: validation pairs as ids; references are normalised as the vocabulary does.
        tokenizer: vocabulary of the target.
        bleu_tokenizer: name of sacrebleu's tokenizer.
    """
    judge = CorpusMetrics(bleu_tokenizer)
    wanted = [comparable_text(tokenizer, reference) for reference in encoded.pairs.target]
    order = np.argsort([len(one) for one in encoded.source], kind="stable")
    compiled: dict[int, Any] = {}
    options = SearchOptions(beam_width=1)

    def search_of(model: Any) -> Any:
        if id(model) not in compiled:
            signature = [tf.TensorSpec((None, None), tf.int32)]
            compiled[id(model)] = tf.function(
                lambda tokens: translate([model], tokens, options).tokens[:, 0],
                input_signature=signature,
                autograph=False,
            )
        return compiled[id(model)]

    def metrics(model: keras.Model) -> dict[str, float]:
        search = search_of(model)
        found = [""] * len(order)
        for start in range(0, len(order), _ROWS):
            numbers = order[start : start + _ROWS]
            rows = search(padded([encoded.source[n] for n in numbers])).numpy()
            for number, row in zip(numbers, rows, strict=True):
                found[number] = sentence_text(tokenizer, row)
        exact = np.mean([a == b for a, b in zip(found, wanted, strict=True)])
        return {"val_bleu": judge.bleu(found, wanted), "val_exact": float(exact)}

    return metrics
