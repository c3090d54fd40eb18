"""Batched beam search inside the graph, by one model or an ensemble.

Sources: Graves (2012), "Sequence transduction with recurrent neural networks", for the search; Wu
et al. (2016), equation 14, for the penalties; Paulus et al. (2018), section 2.5, for n-grams that
do not repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rnn_apps.translation.model import END, PADDING, START, Source, TranslationModel
from rnn_apps.translation.search_options import SearchOptions

_NEVER = -1e9


class Translations(NamedTuple):
    """What the search found, best first; row by row what it finds for that row alone.

    Attributes:
        tokens: int32 [batch, n_best, timesteps], without `END`, padded with `PADDING`.
        scores: float32 [batch, n_best], what hypotheses are ranked by; -1e9 where the search found
            fewer than `n_best`.
        log_probabilities: float32 [batch, n_best], in nats, `END` included.
        looked_at: int32 [batch, n_best, timesteps], the source position that had the most
            attention when a token was written.
    """

    tokens: Any
    scores: Any
    log_probabilities: Any
    looked_at: Any


class _Beam(NamedTuple):
    """Hypotheses under way; rows are [batch, beam_width, ...], states [batch * beam_width, ...]."""

    tokens: Any
    looked_at: Any
    log_probabilities: Any
    attended: Any
    states: Any


class _Found(NamedTuple):
    """Hypotheses that have ended, [batch, beam_width, ...]."""

    tokens: Any
    looked_at: Any
    log_probabilities: Any
    scores: Any


def translate(
    models: Sequence[TranslationModel], tokens: Any, options: SearchOptions
) -> Translations:
    """Translates source sentences, int32 [batch, positions], each ended by `END`.

    Several models vote by the mean of their probabilities; they share their vocabularies. A
    hypothesis that has not ended at its sentence's length limit ends there.
    """
    return _Search(models, tf.convert_to_tensor(tokens), options).run()


class _Search:
    """A search under construction: what stays the same from step to step."""

    def __init__(
        self, models: Sequence[TranslationModel], tokens: Any, options: SearchOptions
    ) -> None:
        self._options = options
        self._width = options.beam_width
        self._batch, self._positions = tf.shape(tokens)[0], tf.shape(tokens)[1]
        self._present = tf.cast(tf.not_equal(tokens, PADDING), tf.float32)
        lengths = tf.reduce_sum(self._present, axis=1) - 1.0
        self._limits = tf.cast(lengths * options.longest, tf.int32) + options.longest_extra
        self._least = tf.cast(lengths * options.shortest, tf.int32)
        self._longest = tf.reduce_max(self._limits)
        encoded = [model.encode(tokens) for model in models]
        self._first_states = [[self._repeat(s) for s in states] for _, states in encoded]
        self._steps = [
            _step(model, Source(*(self._repeat(part) for part in source)))
            for model, (source, _) in zip(models, encoded, strict=True)
        ]

    def run(self) -> Translations:
        """Searches until no hypothesis under way can still come among the best."""
        _, _, found, _ = tf.while_loop(
            lambda index, _, __, done: (index < self._longest) & ~tf.reduce_all(done),
            self._go,
            (0, self._start(), self._nothing(), self._limits < 1),
        )
        best = self._options.n_best
        return Translations(
            found.tokens[:, :best],
            found.scores[:, :best],
            found.log_probabilities[:, :best],
            found.looked_at[:, :best],
        )

    def _start(self) -> _Beam:
        shape = (self._batch, self._width, self._longest)
        # All hypotheses of a sentence are the same at first: only the first one counts.
        first = tf.one_hot(tf.zeros(self._batch, tf.int32), self._width, 0.0, _NEVER)
        return _Beam(
            tf.fill(shape, PADDING),
            tf.zeros(shape, tf.int32),
            first,
            tf.zeros((self._batch, self._width, self._positions)),
            self._first_states,
        )

    def _nothing(self) -> _Found:
        shape = (self._batch, self._width, self._longest)
        rows = (self._batch, self._width)
        return _Found(
            tf.fill(shape, PADDING),
            tf.zeros(shape, tf.int32),
            tf.zeros(rows),
            tf.fill(rows, _NEVER),
        )

    def _go(self, index: Any, beam: _Beam, found: _Found, done: Any) -> Any:
        """Writes token `index` of every hypothesis."""
        log_probabilities, states, weights = self._predict(index, beam)
        totals = beam.log_probabilities[..., None] + self._allowed(index, beam, log_probabilities)
        vocabulary = tf.shape(totals)[-1]
        # Twice as many: as many as the beam go on even if all of its best end here.
        best, places = tf.math.top_k(tf.reshape(totals, (self._batch, -1)), 2 * self._width)
        parents, written = places // vocabulary, places % vocabulary
        looked = tf.argmax(weights, axis=-1, output_type=tf.int32)
        grown = _Beam(
            self._set(index, _pick(beam.tokens, parents), written),
            self._set(index, _pick(beam.looked_at, parents), _pick(looked, parents)),
            best,
            _pick(beam.attended + weights, parents),
            states,
        )
        last = index + 1 >= self._limits
        ends = written == END
        found = self._add(index, found, grown, (ends | last[:, None]) & ~done[:, None], ends)
        beam = self._go_on(grown, tf.where(ends, _NEVER, best), parents)
        return index + 1, beam, found, done | last | self._decided(beam, found)

    def _predict(self, index: Any, beam: _Beam) -> tuple[Any, Any, Any]:
        """log p of the next token [batch, beam, vocabulary], states, attention weights."""
        before = tf.cond(
            index > 0,
            lambda: tf.reshape(beam.tokens[:, :, tf.maximum(index - 1, 0)], (-1,)),
            lambda: tf.fill((self._batch * self._width,), START),
        )
        predicted, states, looked = [], [], []
        for step, carried in zip(self._steps, beam.states, strict=True):
            logits, new, weights = step(before, carried)
            predicted.append(tf.nn.log_softmax(logits))
            states.append(new)
            looked.append(tf.cast(weights, tf.float32))
        together = predicted[0]
        if len(predicted) > 1:
            together = tf.reduce_logsumexp(tf.stack(predicted), axis=0)
            together -= tf.math.log(float(len(predicted)))
        rows = (self._batch, self._width, -1)
        weights = tf.reduce_mean(tf.stack(looked), axis=0) if len(looked) > 1 else looked[0]
        return tf.reshape(together, rows), states, tf.reshape(weights, rows)

    def _allowed(self, index: Any, beam: _Beam, log_probabilities: Any) -> Any:
        """log p where the options allow the token, else -1e9."""
        vocabulary = tf.shape(log_probabilities)[-1]
        never = tf.one_hot([PADDING, START], vocabulary)
        forbidden = tf.reduce_sum(never, axis=0)[None, None]
        early = tf.cast(index < self._least, tf.float32)[:, None, None]
        forbidden += early * tf.one_hot(END, vocabulary)
        if self._options.no_repeat:
            forbidden += self._repeating(index, beam.tokens, vocabulary)
        return tf.where(forbidden > 0, _NEVER, log_probabilities)

    def _repeating(self, index: Any, tokens: Any, vocabulary: Any) -> Any:
        """Above 0 where a token would end an n-gram a second time, [batch, beam, vocabulary]."""
        size = self._options.no_repeat
        places = tf.range(self._longest)
        same = (places >= size - 1) & (places < index)
        same = tf.broadcast_to(same, tf.shape(tokens))
        for back in range(1, size):
            shifted = tf.roll(tokens, back, axis=2)
            latest = tokens[:, :, tf.maximum(index - back, 0)]
            same &= shifted == latest[..., None]
        return tf.reduce_max(
            tf.one_hot(tokens, vocabulary) * tf.cast(same, tf.float32)[..., None], axis=2
        )

    def _add(self, index: Any, found: _Found, grown: _Beam, ended: Any, by_end: Any) -> _Found:
        """The best of what had ended before and what ends now."""
        scores = grown.log_probabilities / self._penalty(index + 1)
        if self._options.coverage_penalty:
            covered = tf.math.log(tf.clip_by_value(grown.attended, 1e-9, 1.0))
            covered = tf.reduce_sum(covered * self._present[:, None], axis=-1)
            scores += self._options.coverage_penalty * covered
        # A forbidden token must not come back as a hypothesis that ends.
        ended &= grown.log_probabilities > 0.5 * _NEVER
        tokens = self._set(
            index,
            grown.tokens,
            tf.where(by_end, PADDING, grown.tokens[:, :, index]),
        )
        both = _Found(
            tf.concat([found.tokens, tokens], axis=1),
            tf.concat([found.looked_at, grown.looked_at], axis=1),
            tf.concat([found.log_probabilities, grown.log_probabilities], axis=1),
            tf.concat([found.scores, tf.where(ended, scores, _NEVER)], axis=1),
        )
        best, places = tf.math.top_k(both.scores, self._width)
        return _Found(
            _pick(both.tokens, places),
            _pick(both.looked_at, places),
            _pick(both.log_probabilities, places),
            best,
        )

    def _go_on(self, grown: _Beam, log_probabilities: Any, parents: Any) -> _Beam:
        """The best hypotheses that have not ended."""
        best, places = tf.math.top_k(log_probabilities, self._width)
        rows = tf.range(self._batch)[:, None] * self._width
        origins = tf.reshape(rows + _pick(parents, places), (-1,))
        return _Beam(
            _pick(grown.tokens, places),
            _pick(grown.looked_at, places),
            best,
            _pick(grown.attended, places),
            tf.nest.map_structure(lambda state: tf.gather(state, origins), grown.states),
        )

    def _decided(self, beam: _Beam, found: _Found) -> Any:
        """Where nothing under way can still come among the best, [batch].

        A log probability only falls, and no length is favoured more than the longest, or, with
        nothing to divide by, than any.
        """
        hope = beam.log_probabilities[:, 0] / self._penalty(self._limits)
        return found.scores[:, self._options.n_best - 1] >= hope

    def _penalty(self, length: Any) -> Any:
        return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** self._options.length_penalty

    def _repeat(self, value: Any) -> Any:
        return tf.repeat(value, self._width, axis=0) if self._width > 1 else value

    def _set(self, index: Any, rows: Any, values: Any) -> Any:
        """Rows [batch, n, timesteps] with `values` [batch, n] at timestep `index`."""
        here = tf.range(self._longest) == index
        return tf.where(here, values[..., None], rows)


def _step(model: TranslationModel, source: Source) -> Callable[[Any, list[Any]], Any]:
    return lambda tokens, states: model.decode_step(tokens, source, states)


def _pick(rows: Any, places: Any) -> Any:
    return tf.gather(rows, places, batch_dims=1)
