"""The model as it is served: sentences in, translations out; vocabularies and search in the graph.

A process that loads a model of subwords must `import tensorflow_text` before.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.in_graph import graph_tokenizer
from pipelines.tokenizers.sentence_ids import CONTROL_CHARACTERS, END, PADDING, SPECIALS
from rnn_apps.translation.judging.scoring import target_scores
from rnn_apps.translation.network.model import TranslationModel
from rnn_apps.translation.search.beam_search import translate
from rnn_apps.translation.search.search_options import SearchOptions

TRANSLATE, TRANSLATE_GREEDILY, SCORE = "translate", "translate_greedily", "score"


class ServedTranslator(tf.Module):
    """What a SavedModel of a translation model holds; see `translate` and `score`.

    Args:
        model: trained model to serve.
        source_tokenizer, target_tokenizer: vocabularies that it was trained with.
        options: search options of `translate`.
    """

    def __init__(
        self,
        model: TranslationModel,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        options: SearchOptions,
    ) -> None:
        super().__init__(name="translation_model")
        # Hidden in a function: TensorFlow would also save how Keras itself calls the model.
        self._model = lambda: model
        self._options = options
        # Tracked by TensorFlow: the variables, and the tables of the vocabularies.
        self.variables_held = [variable.value for variable in model.variables]
        self.source_tokens = graph_tokenizer(source_tokenizer)
        self.target_tokens = (
            self.source_tokens
            if target_tokenizer is source_tokenizer
            else graph_tokenizer(target_tokenizer)
        )

    def signatures(self) -> dict[str, Any]:
        """The concrete functions by the names that they are served under."""
        greedy = dataclasses.replace(self._options, beam_width=1, n_best=1)
        text = {name: tf.TensorSpec([None], tf.string, name=name) for name in ("source", "target")}

        def traced(function: Any, *names: str) -> Any:
            compiled = tf.function(function, autograph=False)
            return compiled.get_concrete_function(**{name: text[name] for name in names})

        return {
            TRANSLATE: traced(lambda source: self.translate(source, self._options), "source"),
            TRANSLATE_GREEDILY: traced(lambda source: self.translate(source, greedy), "source"),
            SCORE: traced(self.score, "source", "target"),
        }

    def translate(self, source: tf.Tensor, options: SearchOptions) -> dict[str, tf.Tensor]:
        """The best translations of each sentence, best first.

        Args:
            source: string [batch]. Control characters are read as spaces. A sentence of more than
                `options.longest_source` tokens is an error (InvalidArgumentError).

        Returns:
            "text" string [batch, n_best], "score" and "log_probability" float32 [batch, n_best];
            where the search gave fewer, "" with the score -1e9. Of an empty sentence: "" and 0.
        """
        tokens = self._ids(self.source_tokens, source)
        lengths = tf.reduce_sum(tf.cast(tokens != PADDING, tf.int32), axis=1) - 1
        check = tf.debugging.assert_less_equal(
            lengths,
            options.longest_source,
            message=f"a sentence has more than {options.longest_source} tokens: split it",
        )
        with tf.control_dependencies([check] if check is not None else []):
            found = translate([self._model()], tokens, options)
        present = (lengths > 0)[:, None]
        return {
            "text": tf.where(present, self._texts(found.tokens), ""),
            "score": tf.where(present, found.scores, 0.0),
            "log_probability": tf.where(present, found.log_probabilities, 0.0),
        }

    def score(self, source: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """The log probabilities of translations.

        Args:
            source, target: sentences and their translations, string [batch].

        Returns:
            "log_probability" float32 [batch], in nats, of all tokens and the end; "tokens" int32
            [batch], the number of tokens.
        """
        targets = self._ids(self.target_tokens, target)
        scores, _ = target_scores(self._model(), self._ids(self.source_tokens, source), targets)
        return {
            "log_probability": tf.reduce_sum(scores, axis=1),
            "tokens": tf.reduce_sum(tf.cast(targets != PADDING, tf.int32), axis=1),
        }

    def _ids(self, tokenizer: Any, texts: tf.Tensor) -> tf.Tensor:
        """Texts as a model's ids with their end, int32 [batch, longest + 1], padded."""
        clean = tf.strings.regex_replace(texts, f"[{_RE2_CONTROL}]+", " ")
        ragged = tokenizer.encode(tf.strings.strip(clean)) + SPECIALS
        ends = tf.fill([tf.shape(texts)[0], 1], END)
        return tf.concat([ragged, tf.RaggedTensor.from_tensor(ends)], axis=1).to_tensor(PADDING)

    def _texts(self, tokens: tf.Tensor) -> tf.Tensor:
        """Ids [batch, n_best, timesteps] as texts [batch, n_best]."""
        flat = tf.reshape(tokens, (-1, tf.shape(tokens)[2]))
        ids = tf.ragged.boolean_mask(flat - SPECIALS, flat >= SPECIALS)
        return tf.reshape(self.target_tokens.decode(ids), tf.shape(tokens)[:2])


# The same in the syntax of TensorFlow's regular expressions.
_RE2_CONTROL = "".join(
    character if character == "-" else f"\\x{{{ord(character):x}}}"
    for character in CONTROL_CHARACTERS
)
