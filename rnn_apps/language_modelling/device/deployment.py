"""The model as it is served: strings in, strings out, vocabulary and loop inside the graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipelines.tokenizers.in_graph import GraphTokenizer, graph_tokenizer
from pipelines.tokenizers.tokenizer import Tokenizer
from rnn_apps.language_modelling.device.graph_sampling import (
    REPETITION_WINDOW,
    GraphSampling,
    draw,
    range_checks,
)
from rnn_apps.language_modelling.network.carried_model import LOGITS, CarriedModel, States

SCORE, GENERATE = "score", "generate"


class ServedModel(tf.Module):
    """What a SavedModel of a language model holds; see `score` and `generate`.

    Args:
        model: trained model with explicit state.
        tokenizer: vocabulary that the model was trained with.
    """

    def __init__(self, model: CarriedModel, tokenizer: Tokenizer) -> None:
        super().__init__(name="language_model")
        self._carried = model
        # Tracked by TensorFlow: the variables, and the tables of the vocabulary.
        self.variables_held = [variable.value for variable in model.model.variables]
        self.tokens: GraphTokenizer = graph_tokenizer(tokenizer)
        self._line_end = tokenizer.line_end_id
        self._unknown = tokenizer.unknown_id
        self._names = tf.constant(list(tokenizer.tokens))

    def signatures(self) -> dict[str, Any]:
        """The concrete functions by the names that they are served under."""
        text = tf.TensorSpec([None], tf.string)
        scalars = {
            name: tf.TensorSpec([], dtype, name=name)
            for name, dtype in (
                ("most_tokens", tf.int32), ("temperature", tf.float32), ("top_k", tf.int32),
                ("top_p", tf.float32), ("repetition_penalty", tf.float32), ("seed", tf.int32),
            )
        }  # fmt: skip
        score = tf.function(self.score, autograph=False)
        generate = tf.function(self.generate, autograph=False)
        return {
            SCORE: score.get_concrete_function(text=_named(text, "text")),
            GENERATE: generate.get_concrete_function(prompt=_named(text, "prompt"), **scalars),
        }

    def score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the model says of each token of each text.

        Args:
            text: texts to score, string [batch].

        Returns:
            "tokens" string [batch, longest], as they can be printed, "" after a text's end;
            "log_probabilities" float32 [batch, longest] in nats, 0 for a text's first token, which
            nothing comes before, and after its end; "lengths" int32 [batch], in tokens; "nats"
            float32 [batch], the sum; "unknown" int32 [batch], number of tokens for what is
            not in the vocabulary.
        """
        ragged, marked = self.tokens.encode_marked(text)
        lengths = tf.cast(ragged.row_lengths(), tf.int32)
        # One more column than the longest text, so that even no text at all can be run.
        padded = ragged.to_tensor(0)
        padded = tf.concat([padded, tf.zeros_like(lengths)[:, None]], axis=1)
        outputs, _ = self._carried.advance(padded, self._carried.start(tf.shape(padded)[0]))
        scores = tf.nn.log_softmax(outputs[LOGITS][:, :-1])
        found = tf.gather(scores, padded[:, 1:], batch_dims=2)
        places = tf.range(tf.shape(padded)[1])[None, :]
        inside = places < lengths[:, None]
        found = tf.where(inside[:, 1:], found, 0.0)
        found = tf.concat([tf.zeros_like(found[:, :1]), found], axis=1)[:, :-1]
        inside = inside[:, :-1]
        names = tf.where(inside, tf.gather(self._names, padded[:, :-1]), "")
        return {
            "tokens": names,
            "log_probabilities": found,
            "lengths": lengths,
            "nats": -tf.reduce_sum(found, axis=1),
            "unknown": tf.reduce_sum(tf.cast(marked, tf.int32), axis=1),
        }

    def generate(
        self,
        prompt: tf.Tensor,
        most_tokens: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
        repetition_penalty: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """What the model writes after each prompt; a text does not depend on the other prompts.

        Args:
            prompt: texts to continue, string [batch], of any lengths; an empty one is continued
                as the beginning of a line.
            most_tokens: number of tokens to write, int32 scalar.
            temperature, top_k, top_p, repetition_penalty, seed: settings of the draws, scalars; see
                `GraphSampling`.

        Returns:
            "text" string [batch], without the prompt: what is to be written right after it.
        """
        sampling = GraphSampling(temperature, top_k, top_p, repetition_penalty, seed)
        with tf.control_dependencies(range_checks(sampling)):
            tokens, lengths = self._prompts(tf.identity(prompt))
        written = self._written(tokens, lengths, most_tokens, sampling)
        places = tf.range(tf.shape(written)[1])[None, :]
        new = (places >= lengths[:, None]) & (places < lengths[:, None] + most_tokens)
        return {"text": self.tokens.decode(tf.ragged.boolean_mask(written, new), prompt)}

    def _prompts(self, prompt: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The prompts' tokens [batch, longest], padded, and their lengths, at least 1."""
        ragged, marked = self.tokens.encode_marked(prompt)
        checks = []
        if self._unknown is not None:
            checks.append(tf.debugging.assert_none_equal(
                marked.flat_values, True,
                message="a prompt holds something that is not in the vocabulary",
            ))  # fmt: skip
        lengths = tf.cast(ragged.row_lengths(), tf.int32)
        if self._line_end is None:
            checks.append(tf.debugging.assert_positive(lengths, message="a prompt is empty"))
        with tf.control_dependencies([check for check in checks if check is not None]):
            padded = ragged.to_tensor(self._line_end or 0)
        # Where all prompts are empty there is no column yet.
        first = tf.fill([tf.shape(padded)[0], 1], self._line_end or 0)
        padded = tf.cond(tf.shape(padded)[1] > 0, lambda: padded, lambda: first)
        return padded, tf.maximum(lengths, 1)

    def _written(
        self, tokens: tf.Tensor, lengths: tf.Tensor, most: tf.Tensor, sampling: GraphSampling
    ) -> tf.Tensor:
        """Prompts and what follows, [batch, longest + most]; rows are right up to their ends."""
        batch, longest = tf.unstack(tf.shape(tokens))
        total = longest + most
        written = tf.concat([tokens, tf.zeros((batch, most), tf.int32)], axis=1)
        places = tf.range(total)[None, :]

        def step(at: tf.Tensor, written: tf.Tensor, states: States) -> tuple[Any, ...]:
            outputs, following = self._carried.advance(written[:, at : at + 1], states)
            lately = written[:, tf.maximum(0, at + 1 - REPETITION_WINDOW) : at + 1]
            drawn = draw(outputs[LOGITS][:, -1], lately, at, sampling, self._unknown)
            new = (places == at + 1) & (at + 1 >= lengths)[:, None]
            return at + 1, tf.where(new, drawn[:, None], written), following

        # What all prompts have is read in one call; after that each row continues by itself.
        shared = tf.reduce_min(lengths) - 1
        states = self._carried.start(batch)
        states = tf.cond(
            shared > 0,
            lambda: self._carried.advance(written[:, :shared], states)[1],
            lambda: states,
        )
        shapes = {name: tf.TensorShape([None, s]) for name, s in self._carried.state_sizes.items()}
        _, written, _ = tf.while_loop(
            lambda at, *_: at + 1 < total,
            step,
            (shared, written, states),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None]), shapes),
        )
        return written


def _named(spec: tf.TensorSpec, name: str) -> tf.TensorSpec:
    return tf.TensorSpec(spec.shape, spec.dtype, name=name)
