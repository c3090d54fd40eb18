"""Batched beam search inside the graph, by one model or an ensemble.

Sources: Graves (2012), "Sequence transduction with recurrent neural networks", for the search; Wu
et al. (2016), equation 14, for the penalties; Paulus et al. (2018), section 2.5, for n-grams that
do not repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rnn_apps.translation.network.model import END, PADDING, START, TranslationModel
from rnn_apps.translation.prediction import (
    NEVER,
    Prediction,
    coverage_penalty,
    length_penalty,
    written_at,
)
from rnn_apps.translation.search.sampling import write
from rnn_apps.translation.search.search_options import SearchOptions


class Translations(NamedTuple):
    """The results of a search, best first; a row's results do not depend on the other rows.

    Attributes:
        tokens: target tokens, int32 [batch, n_best, timesteps], without `END`, padded with
            `PADDING`.
        scores: scores by which hypotheses are ranked, float32 [batch, n_best]; -1e9 where the
            search found fewer than `n_best`.
        log_probabilities: log probabilities in nats, `END` included, float32 [batch, n_best].
        looked_at: source position per token, int32 [batch, n_best, timesteps], that had the most
            attention when a token was written.
    """

    tokens: Any
    scores: Any
    log_probabilities: Any
    looked_at: Any


class _Beam(NamedTuple):
    """Unfinished hypotheses, [batch, beam_width, ...]; states are [batch * beam_width, ...]."""

    tokens: Any
    looked_at: Any
    log_probabilities: Any
    attended: Any
    states: Any


class _Finished(NamedTuple):
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
    hypothesis that has not ended at its sentence's length limit ends there. Greedy search and
    sampling go a way of their own, which keeps no beam.
    """
    # Whatever is known of the shape is forgotten: a loop's tensors must keep what they begin with.
    tokens = tf.compat.v1.placeholder_with_default(tf.convert_to_tensor(tokens), [None, None])
    if options.samples or options.beam_width == 1:
        width = options.n_best if options.samples else 1
        prediction = Prediction(models, tokens, options, width)
        return Translations(*write(prediction, options, width))
    return _Search(Prediction(models, tokens, options, options.beam_width), options).run()


class _Search:
    """A running search: everything that stays the same from step to step."""

    def __init__(self, prediction: Prediction, options: SearchOptions) -> None:
        self._options = options
        self._width = options.beam_width
        self._prediction = prediction
        self._rows = (prediction.batch, self._width)
        self._limits = prediction.limits

    def run(self) -> Translations:
        """Searches until no unfinished hypothesis can still be among the best."""
        longest = self._prediction.longest
        _, _, finished, _ = tf.while_loop(
            lambda index, _, __, done: (index < longest) & ~tf.reduce_all(done),
            self._extend,
            (0, self._start(), self._nothing(), self._limits < 1),
        )
        best = self._options.n_best
        return Translations(
            finished.tokens[:, :best],
            finished.scores[:, :best],
            finished.log_probabilities[:, :best],
            finished.looked_at[:, :best],
        )

    def _start(self) -> _Beam:
        shape = (*self._rows, self._prediction.longest)
        # All hypotheses of a sentence are the same at first: only the first one counts.
        zeros = tf.zeros(self._prediction.batch, tf.int32)
        return _Beam(
            tf.fill(shape, PADDING),
            tf.zeros(shape, tf.int32),
            tf.one_hot(zeros, self._width, 0.0, NEVER),
            tf.zeros((*self._rows, self._prediction.positions)),
            self._prediction.first_states,
        )

    def _nothing(self) -> _Finished:
        shape = (*self._rows, self._prediction.longest)
        return _Finished(
            tf.fill(shape, PADDING),
            tf.zeros(shape, tf.int32),
            tf.zeros(self._rows),
            tf.fill(self._rows, NEVER),
        )

    def _extend(self, index: Any, beam: _Beam, finished: _Finished, done: Any) -> Any:
        """Writes token `index` of every hypothesis."""
        before = tf.cond(
            index > 0,
            lambda: tf.reshape(beam.tokens[:, :, tf.maximum(index - 1, 0)], (-1,)),
            lambda: tf.fill((self._prediction.batch * self._width,), START),
        )
        predicted = self._prediction.predict(before, beam.states)
        best, log_probabilities, parents, written = self._extensions(index, beam, predicted)
        weights = tf.reshape(predicted.weights, (*self._rows, -1))
        most_attended = tf.argmax(weights, axis=-1, output_type=tf.int32)
        grown = _Beam(
            written_at(index, _pick(beam.tokens, parents), written),
            written_at(index, _pick(beam.looked_at, parents), _pick(most_attended, parents)),
            log_probabilities,
            _pick(beam.attended + weights, parents),
            predicted.states,
        )
        last = index + 1 >= self._limits
        ends = written == END
        finished = self._add(index, finished, grown, (ends | last[:, None]) & ~done[:, None], ends)
        beam = self._go_on(grown, tf.where(ends, NEVER, best), parents)
        return index + 1, beam, finished, done | last | self._decided(beam, finished)

    def _extensions(self, index: Any, beam: _Beam, predicted: Any) -> tuple[Any, Any, Any, Any]:
        """The most probable one-token extensions, [batch, 2 * width], best first.

        Twice as many as the beam is wide: as many go on even if all of its best end here.

        Returns:
            The numbers by which they are chosen, their log probabilities, the hypotheses they
            extend, and the tokens.
        """
        logits = self._prediction.allowed(index, beam.tokens, predicted)
        # The best of all are among the best of each: no vocabulary is ever sorted as a whole.
        count = tf.minimum(2 * self._width, tf.shape(logits)[-1])
        values, written = tf.math.top_k(logits, count)
        gained = tf.reshape(values - predicted.normalizers[:, None], (*self._rows, count))
        totals = beam.log_probabilities[..., None] + gained
        best, places = tf.math.top_k(
            tf.reshape(totals, (self._prediction.batch, -1)), 2 * self._width
        )
        parents = places // count
        chosen = _pick(tf.reshape(written, (self._prediction.batch, -1)), places)
        if self._options.repetition_penalty == 1:
            return best, best, parents, chosen
        own = tf.gather(predicted.logits, written, batch_dims=1) - predicted.normalizers[:, None]
        own = _pick(tf.reshape(own, (self._prediction.batch, -1)), places)
        own += _pick(beam.log_probabilities, parents)
        # What is forbidden stays so.
        return best, tf.where(best > 0.5 * NEVER, own, best), parents, chosen

    def _add(
        self, index: Any, finished: _Finished, grown: _Beam, ended: Any, by_end: Any
    ) -> _Finished:
        """The best of the hypotheses that had ended before and those that end now."""
        scores = grown.log_probabilities / length_penalty(index + 1, self._options)
        if self._options.coverage_penalty:
            present = self._prediction.present[:, None]
            scores += coverage_penalty(grown.attended, present, self._options)
        # A forbidden token must not come back as a hypothesis that ends.
        ended &= grown.log_probabilities > 0.5 * NEVER
        tokens = written_at(
            index,
            grown.tokens,
            tf.where(by_end, PADDING, grown.tokens[:, :, index]),
        )
        both = _Finished(
            tf.concat([finished.tokens, tokens], axis=1),
            tf.concat([finished.looked_at, grown.looked_at], axis=1),
            tf.concat([finished.log_probabilities, grown.log_probabilities], axis=1),
            tf.concat([finished.scores, tf.where(ended, scores, NEVER)], axis=1),
        )
        best, places = tf.math.top_k(both.scores, self._width)
        return _Finished(
            _pick(both.tokens, places),
            _pick(both.looked_at, places),
            _pick(both.log_probabilities, places),
            best,
        )

    def _go_on(self, grown: _Beam, best: Any, parents: Any) -> _Beam:
        """The best hypotheses that have not ended; those that have are about -1e9 in `best`."""
        best, places = tf.math.top_k(best, self._width)
        own = _pick(grown.log_probabilities, places)
        rows = tf.range(self._prediction.batch)[:, None] * self._width
        origins = tf.reshape(rows + _pick(parents, places), (-1,))
        return _Beam(
            _pick(grown.tokens, places),
            _pick(grown.looked_at, places),
            tf.where(best > 0.5 * NEVER, own, best),
            _pick(grown.attended, places),
            tf.nest.map_structure(lambda state: tf.gather(state, origins), grown.states),
        )

    def _decided(self, beam: _Beam, finished: _Finished) -> Any:
        """Where no unfinished hypothesis can still be among the best, [batch].

        A log probability only falls, and no length is favoured more than the longest, or, with
        nothing to divide by, than any.
        """
        most = tf.reduce_max(beam.log_probabilities, axis=1)
        hope = most / length_penalty(self._limits, self._options)
        return finished.scores[:, self._options.n_best - 1] >= hope


def _pick(rows: Any, places: Any) -> Any:
    return tf.gather(rows, places, batch_dims=1)
