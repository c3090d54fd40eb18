"""Prefix beam search over the frame-wise outputs of a CTC model.

Source: Hannun et al. (2014), "First-pass large vocabulary continuous speech recognition using
bi-directional recurrent DNNs", algorithm 1.

Prefixes are linked: each knows the one that it extends, so that a longer one costs no more than a
short one. The labels that all prefixes of the beam share are settled from time to time and handed
over, so that a frame costs the same however long the stream is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge.speech.ctc import (
    AlignedLabel,
    CtcHypothesis,
    PrefixScorer,
    Scores,
    checked_frames,
)
from rnn_apps.edge.speech.ctc_prefixes import Beam, Prefix, Span, Step, ancestor

# Frames between two looks at what all prefixes share.
_SETTLED_EVERY = 50
# Extensions that the scorer is asked about in a frame, for each prefix of the beam's width.
_SCORED = 4
# Labels on which the beam may disagree; beyond, the best prefix decides over the older half.
MOST_OPEN = 120


class CtcBeamSearch:
    """Prefix beam search that takes a stream in pieces.

    The state between two pieces is the beam itself, so that the cost of a frame does not grow with
    the length of the stream, and the result is that of the whole stream at once.

    Args:
        blank: number of the blank label.
        beam: number of prefixes kept after every frame.
        scorer: scorer that adds to the acoustic model's log probability; None for none.
        least_log_probability: log probability below which a label is not tried in a frame; -inf
            tries all.
        most_labels: largest number of labels, the most probable ones, that are tried in a frame; 0
            for all.
        beam_width_nats: distance from the best prefix, in nats, beyond which prefixes are dropped.
        silent: labels that are never tried, such as one that stands for nothing.
    """

    def __init__(
        self,
        blank: int,
        beam: int = 16,
        scorer: PrefixScorer | None = None,
        least_log_probability: float = -np.inf,
        most_labels: int = 0,
        beam_width_nats: float = np.inf,
        silent: Iterable[int] = (),
    ) -> None:
        if beam < 1:
            raise ConfigurationError(f"beam is {beam}; it is at least 1.")
        self._blank = blank
        self._width = beam
        self._scorer = scorer
        self._least = least_log_probability
        self._most_labels = most_labels
        self._nats = beam_width_nats
        self._silent = np.array(sorted({blank, *silent}), np.int64)
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self.frames = 0
        state = self._scorer.start() if self._scorer else None
        self._root = Prefix(None, -1, 0, 0.0, state)
        self._root.slot = 0
        zero, never = np.zeros(1), np.full(1, -np.inf)
        self._beam = Beam(
            [self._root], np.full(1, -1), zero, zero, never, zero, never, [None], [None]
        )
        self._settled: list[AlignedLabel] = []

    def push(self, log_probabilities: np.ndarray) -> None:
        """Takes the next frames.

        Args:
            log_probabilities: log probabilities [frames, labels], each frame normalised
                (log-softmax).

        Raises:
            UserError: the shape does not fit, or a number is NaN.
        """
        frames = checked_frames(log_probabilities, self._blank)
        for frame in frames:
            self._advance(frame)
            self.frames += 1
            if self.frames % _SETTLED_EVERY == 0:
                self._settle()

    @property
    def wrote(self) -> bool:
        """Whether the best prefix so far holds any label."""
        return self._beam.prefixes[0].depth > 0

    @property
    def last_label(self) -> int | None:
        """The last label of the best prefix so far; None if it holds none."""
        best = self._beam.prefixes[0]
        return best.label if best.depth else None

    def hypotheses(self, n_best: int = 1, *, final: bool = False) -> list[CtcHypothesis]:
        """The best label sequences for what was pushed so far, best first.

        Args:
            n_best: largest number of hypotheses; there are never more than the beam is wide.
            final: true if the utterance ends here, so that the scorer's `finish` counts.
        """
        ranks = self._beam.ranks()
        if final and self._scorer:
            ranks = ranks + [self._scorer.finish(p.state) for p in self._beam.prefixes]
        chosen = np.argsort(-ranks, kind="stable")[:n_best]
        return [self._hypothesis(int(slot), float(ranks[slot])) for slot in chosen]

    def take_settled(self) -> list[AlignedLabel]:
        """Gives away the first labels that all hypotheses share and that can no longer change.

        They do not appear in later hypotheses.
        """
        settled, self._settled = self._settled, []
        return settled

    def _hypothesis(self, slot: int, score: float) -> CtcHypothesis:
        aligned = [*self._settled, *(span.aligned() for span in self._spans(slot))]
        return CtcHypothesis(tuple(item.label for item in aligned), score, tuple(aligned))

    def _spans(self, slot: int) -> list[Span]:
        """The best alignment's labels that are not settled, in order."""
        beam = self._beam
        in_blank = beam.best_blank[slot] >= beam.best_label[slot]
        span = beam.blank_spans[slot] if in_blank else beam.label_spans[slot]
        spans = []
        while span is not None:
            spans.append(span)
            span = span.parent
        return spans[::-1]

    def _tried(self, frame: Scores) -> npt.NDArray[np.int64]:
        """The labels that prefixes are extended by in a frame."""
        allowed = frame > self._least
        allowed[self._silent] = False
        tried = np.flatnonzero(allowed)
        if 0 < self._most_labels < len(tried):
            best = np.argpartition(-frame[tried], self._most_labels)[: self._most_labels]
            tried = np.sort(tried[best])
        return tried

    def _advance(self, frame: Scores) -> None:
        beam = self._beam
        total = np.logaddexp(beam.in_blank, beam.in_label)
        tried = self._tried(frame)
        # The empty prefix has no last label to repeat.
        repeated = np.where(beam.last >= 0, frame[beam.last], -np.inf)
        in_blank, in_label = total + frame[self._blank], beam.in_label + repeated
        # The same label twice needs a blank between.
        same = beam.last[:, None] == tried
        grown = np.where(same, beam.in_blank[:, None], total[:, None]) + frame[tried]
        merged = self._merge(grown, in_label, tried)
        gained = self._gained(grown, tried)
        stay = np.logaddexp(in_blank, in_label) + beam.gained
        kept = self._kept(np.concatenate([stay, (grown + gained).ravel()]))
        self._follow(Step(frame, tried.tolist(), in_blank, in_label, grown, gained, merged), kept)

    def _kept(self, ranks: Scores) -> npt.NDArray[np.int64]:
        """The places of the best candidates, best first."""
        possible = np.flatnonzero(ranks > max(ranks.max() - self._nats, np.finfo(float).min))
        if not len(possible):
            raise UserError("no label has a probability above zero; the model's output is wrong.")
        order = np.argsort(-ranks[possible], kind="stable")[: self._width]
        return possible[order]

    def _merge(
        self, grown: Scores, in_label: Scores, tried: npt.NDArray[np.int64]
    ) -> dict[int, tuple[int, int]]:
        """Extensions that are prefixes of the beam already go to those, in place.

        Returns:
            The slot of each such prefix -> its parent's slot and the label's column.
        """
        columns = {label: column for column, label in enumerate(tried.tolist())}
        merged = {}
        for slot, prefix in enumerate(self._beam.prefixes):
            parent = prefix.parent
            if parent is None or parent.slot < 0 or prefix.label not in columns:
                continue
            column = columns[prefix.label]
            in_label[slot] = np.logaddexp(in_label[slot], grown[parent.slot, column])
            grown[parent.slot, column] = -np.inf
            merged[slot] = (parent.slot, column)
        return merged

    def _gained(self, grown: Scores, tried: npt.NDArray[np.int64]) -> Scores:
        """What the scorer adds in all to each extension, as `grown`; asked once for each.

        Those that are out of reach before it is asked become impossible, in place.
        """
        gained = np.repeat(self._beam.gained[:, None], len(tried), axis=1)
        if self._scorer is None or not gained.size:
            return gained
        before = (grown + gained).ravel()
        hopeful = before > max(before.max() - self._nats, np.finfo(float).min)
        most = _SCORED * self._width
        if most < len(before):
            hopeful &= before >= np.partition(before, -most)[-most]
        grown.ravel()[~hopeful] = -np.inf
        labels = tried.tolist()
        prefixes = self._beam.prefixes
        for slot, column in np.argwhere(hopeful.reshape(grown.shape)).tolist():
            prefix, label = prefixes[slot], labels[column]
            known = prefix.extensions.get(label)
            if known is None:
                known = prefix.extensions[label] = self._scorer.extend(prefix.state, label)
            gained[slot, column] += known[1]
        return gained

    def _follow(self, step: Step, kept: npt.NDArray[np.int64]) -> None:
        """Makes the kept candidates the beam: prefixes as they were, and after them longer ones."""
        beam, size, count = self._beam, len(self._beam.prefixes), len(kept)
        made = Beam(
            [], np.zeros(count, np.int64), np.zeros(count), np.full(count, -np.inf),
            np.full(count, -np.inf), np.full(count, -np.inf), np.full(count, -np.inf), [], [],
        )  # fmt: skip
        for place, candidate in enumerate(kept.tolist()):
            if candidate < size:
                made.prefixes.append(beam.prefixes[candidate])
                made.in_blank[place] = step.in_blank[candidate]
                made.in_label[place] = step.in_label[candidate]
                self._stay(made, place, candidate, step)
                continue
            slot, column = divmod(candidate - size, len(step.labels))
            label, gained = step.labels[column], float(step.gained[slot, column])
            made.prefixes.append(self._extended(slot, label, gained))
            made.in_label[place] = step.grown[slot, column]
            made.best_label[place], span = self._grown_span(slot, label, step)
            made.blank_spans.append(None)
            made.label_spans.append(span)
        made.last[:] = [prefix.label for prefix in made.prefixes]
        made.gained[:] = [prefix.gained for prefix in made.prefixes]
        self._beam = made
        self._renumber(beam.prefixes)

    def _stay(self, made: Beam, place: int, slot: int, step: Step) -> None:
        """The best alignments of a prefix that is kept as it is."""
        beam = self._beam
        blank, label = float(beam.best_blank[slot]), float(beam.best_label[slot])
        made.best_blank[place] = max(blank, label) + step.frame[self._blank]
        span = beam.label_spans[slot]
        made.blank_spans.append(beam.blank_spans[slot] if blank >= label else span)
        score, lengthened = -np.inf, None
        if span is not None and label > -np.inf:
            value = float(step.frame[span.label])
            score = label + value
            lengthened = Span(
                span.parent, span.label, span.depth, span.start, self.frames + 1,
                max(span.peak, value),
            )  # fmt: skip
        if slot in step.merged:
            parent, column = step.merged[slot]
            other, other_span = self._grown_span(parent, step.labels[column], step)
            if other > score:
                score, lengthened = other, other_span
        made.best_label[place] = score
        made.label_spans.append(lengthened)

    def _grown_span(self, slot: int, label: int, step: Step) -> tuple[float, Span | None]:
        """The best alignment of a prefix with one more label: its score and its last span."""
        beam, value = self._beam, float(step.frame[label])
        before, span = float(beam.best_blank[slot]), beam.blank_spans[slot]
        if beam.best_label[slot] > before and beam.last[slot] != label:
            before, span = float(beam.best_label[slot]), beam.label_spans[slot]
        if before == -np.inf:
            return before, None
        depth = beam.prefixes[slot].depth + 1
        return before + value, Span(span, label, depth, self.frames, self.frames + 1, value)

    def _extended(self, slot: int, label: int, gained: float) -> Prefix:
        """The prefix with one more label: a new one, or one that is there for what extends it."""
        parent = self._beam.prefixes[slot]
        known = parent.children.get(label)
        if known is None:
            state = parent.extensions[label][0] if self._scorer else None
            known = Prefix(parent, label, parent.depth + 1, gained, state)
            parent.children[label] = known
        return known

    def _renumber(self, before: list[Prefix]) -> None:
        """Gives the prefixes of the beam their slots and forgets those that are of no more use."""
        for prefix in before:
            prefix.slot = -1
        for slot, prefix in enumerate(self._beam.prefixes):
            prefix.slot = slot
        for prefix in before:
            if prefix.slot < 0:
                prefix.extensions = {}
                self._forget(prefix)

    def _forget(self, prefix: Prefix) -> None:
        while prefix.slot < 0 and not prefix.children and prefix.parent is not None:
            parent = prefix.parent
            # Forgotten before, by way of another one.
            if parent.children.get(prefix.label) is not prefix:
                return
            del parent.children[prefix.label]
            prefix = parent

    def _settle(self) -> None:
        """Moves the labels that all prefixes share to the settled ones and cuts the links there.

        The last shared label stays open, since its alignment may still grow.
        """
        if self._beam.prefixes[0].depth - self._root.depth > MOST_OPEN:
            self._decide()
        root = self._root
        while root.slot < 0 and len(root.children) == 1:
            (root,) = root.children.values()
        if root is self._root or root.depth <= 1:
            return
        best = [span for span in self._spans(0) if span.depth < root.depth]
        self._settled.extend(span.aligned() for span in best)
        for spans in (self._beam.blank_spans, self._beam.label_spans):
            for span in spans:
                while span is not None and span.depth > root.depth:
                    span = span.parent
                if span is not None:
                    span.parent = None
        root.parent = None
        self._root = root

    def _decide(self) -> None:
        """Drops the prefixes that differ from the best one in its older half."""
        depth = self._beam.prefixes[0].depth - MOST_OPEN // 2
        wanted = ancestor(self._beam.prefixes[0], depth)
        agree = [ancestor(prefix, depth) is wanted for prefix in self._beam.prefixes]
        chosen = np.flatnonzero(agree)
        beam = self._beam
        self._beam = Beam(
            [beam.prefixes[i] for i in chosen], beam.last[chosen], beam.gained[chosen],
            beam.in_blank[chosen], beam.in_label[chosen],
            beam.best_blank[chosen], beam.best_label[chosen],
            [beam.blank_spans[i] for i in chosen], [beam.label_spans[i] for i in chosen],
        )  # fmt: skip
        self._renumber(beam.prefixes)
