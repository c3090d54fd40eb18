"""Whether a model can stream at all: Keras' own steps against Keras' own run on the whole.

Judged before anything is converted, so that a refusal says what about the model cannot stream, and
a file that differs from Keras is a separate finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from rnn_apps.export.forms.replaceable_layers import is_of_keras
from rnn_apps.export.forms.replacement import in_float32
from rnn_apps.export.proof.comparison import Comparison, compare
from rnn_apps.export.proof.keras_reference import keras_outputs
from rnn_apps.export.proof.layer_records import LayerRecord, described, first_difference, recorded
from rnn_apps.export.proof.stream_data import Stream
from rnn_apps.export.results import ExportError, OutputError
from rnn_apps.export.signature.example_data import Example
from rnn_apps.export.signature.model_signature import ModelSignature

# Keras' steps against Keras' whole, both in float32: only the order of additions differs.
STEP_TOLERANCE = 1e-4
# Chunks on which the layer that cannot stream is looked for.
SEARCHED_CHUNKS = 6

_ANOTHER = "looks at several timesteps at once, some of which are not in the chunk"

Step = Callable[[Example], dict[str, np.ndarray]]
WatchedStep = Callable[[Example], tuple[dict[str, np.ndarray], LayerRecord]]


@dataclass(frozen=True)
class StreamedSequence:
    """One sequence that is streamed, and what Keras gives for the whole of it.

    Attributes:
        whole: the sequence with the states that the model itself takes.
        chunks: its chunks, without states.
        expected: Keras' outputs for the whole sequence.
        middle: number of chunks up to a place before the end.
        until_middle: Keras' outputs for the first `middle` chunks; None where the model takes whole
            sequences only.
    """

    whole: Example
    chunks: list[Example]
    expected: dict[str, np.ndarray]
    middle: int
    until_middle: dict[str, np.ndarray] | None

    def pairs(
        self, steps: Sequence[dict[str, np.ndarray]]
    ) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
        """What all steps together gave, with what Keras gives: at the end, and in the middle."""
        pairs = [(joined(steps, self.expected), self.expected)]
        if self.until_middle is not None:
            earlier = joined(steps[: self.middle], self.until_middle)
            pairs.append((earlier, self.until_middle))
        return pairs


def expected_of(
    model: keras.Model, whole: ModelSignature, stream: Stream, sequences: Sequence[Example]
) -> list[StreamedSequence]:
    """What Keras gives for sequences that are going to be streamed."""
    chunks = [stream.chunks(sequence) for sequence in sequences]
    middles = [max(1, len(parts) // 2) for parts in chunks]
    complete = [stream.cut(s, len(parts)) for s, parts in zip(sequences, chunks, strict=True)]
    halves = [stream.cut(s, middle) for s, middle in zip(sequences, middles, strict=True)]
    until: list[dict[str, np.ndarray] | None]
    try:
        # All in one, which Keras computes fastest.
        both = keras_outputs(model, whole, [*complete, *halves])
        expected, until = both[: len(complete)], [*both[len(complete) :]]
    except Exception:
        # A model that takes one number of timesteps only; the end is compared in any case.
        expected, until = keras_outputs(model, whole, complete), [None] * len(complete)
    return [
        StreamedSequence(c, parts, e, middle, half if middle < len(parts) else None)
        for c, parts, e, middle, half in zip(
            complete, chunks, expected, middles, until, strict=True
        )
    ]


def joined(
    steps: Sequence[dict[str, np.ndarray]], reference: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The outputs of steps in the shape of the whole's: joined along time, or the last."""
    return {
        name: np.concatenate([step[name] for step in steps], axis=1)
        if _per_timestep(steps[0][name], value, len(steps))
        else steps[-1][name]
        for name, value in reference.items()
    }


def _per_timestep(part: np.ndarray, whole: np.ndarray, chunks: int) -> bool:
    """Whether the parts make the whole; there may be fewer timesteps than go in."""
    return part.ndim >= 2 and whole.shape[1] == part.shape[1] * chunks


def compared(
    stream: Stream,
    sequences: Sequence[StreamedSequence],
    streamed: Sequence[Sequence[dict[str, np.ndarray]]],
    tolerance: float,
) -> tuple[OutputError, ...]:
    """The errors of streamed sequences, given what each of their steps gave."""
    pairs = [
        (sequence.whole, actual, expected)
        for sequence, steps in zip(sequences, streamed, strict=True)
        for actual, expected in sequence.pairs(steps)
    ]
    comparison = Comparison(stream.name, [whole for whole, _, _ in pairs], [e for _, _, e in pairs])
    states = {f"{name}_out" for name in stream.states}
    return compare(comparison, [actual for _, actual, _ in pairs], tolerance, states)


def run_steps(step: Step, stream: Stream, chunks: Sequence[Example]) -> list[dict[str, np.ndarray]]:
    """The outputs of steps through one sequence, each with the states that the one before left."""
    state = stream.start()
    outputs = []
    for inputs in chunks:
        outputs.append(step({**inputs, **state}))
        state = {name: outputs[-1][f"{name}_out"] for name in stream.states}
    return outputs


def refuse_what_differs(
    model: keras.Model,
    whole: ModelSignature,
    stream: Stream,
    sequences: Sequence[StreamedSequence],
    step: Step,
    watched: WatchedStep,
) -> None:
    """Refuses a model whose steps do not give what it gives for the whole sequence.

    Args:
        step: function that runs one step of the model with Keras' own loops.
        watched: the same function layer by layer, which also returns each layer's output.

    Raises:
        ExportError: names the layer that needs more than the chunk, and why.
    """
    for sequence in sequences:
        steps = run_steps(step, stream, sequence.chunks)
        try:
            errors = compared(stream, [sequence], [steps], STEP_TOLERANCE)
            wrong = [error for error in errors if not error.within]
        except ExportError:
            wrong = None
        if wrong == []:
            continue
        how = (
            "the outputs of a step have other shapes than a part of the whole"
            if wrong is None
            else f"output {wrong[0].output!r} differs by {wrong[0].maximum_absolute:.3g} where the "
            f"values reach {wrong[0].scale:.3g}"
        )
        cause = culprit(model, whole, stream, sequence, watched)
        raise ExportError(
            "the model cannot stream: run chunk by chunk, Keras itself does not give what it gives "
            f'for the whole sequence ({how}). {cause} Choose mode="sequence", or export the part '
            "of the model that can stream."
        )


def culprit(
    model: keras.Model,
    whole: ModelSignature,
    stream: Stream,
    sequence: StreamedSequence,
    watched: WatchedStep,
) -> str:
    """A sentence on the first layer whose outputs chunk by chunk are not those of the whole."""
    chunks = sequence.chunks[:SEARCHED_CHUNKS]
    complete = stream.cut(sequence.whole, len(chunks))
    parts: list[LayerRecord] = []
    record = LayerRecord()
    try:
        with in_float32(model), recorded(model, record):
            whole.call(model, complete)
        state = stream.start()
        for inputs in chunks:
            outputs, part = watched({**inputs, **state})
            state = {name: outputs[f"{name}_out"] for name in stream.states}
            parts.append(part)
    except Exception:
        return ""
    difference = first_difference(record, parts)
    if difference is None:
        return ""
    layer, given_differs = difference
    if given_differs:
        return f"What a `call` of the model computes before {described(layer)} {_ANOTHER}."
    return f"{described(layer)} {_reason(layer)}."


def _reason(layer: Any) -> str:
    if getattr(layer, "go_backwards", False):
        return "reads the sequence from its end, which a stream has not seen yet"
    if isinstance(layer, keras.layers.RNN):
        if not is_of_keras(type(layer).inner_loop):
            return "has a loop of its own (`inner_loop`), whose state no step can take up"
        if not is_of_keras(type(layer).call):
            return (
                "has a `call` of its own, which gives something else for chunks than for the whole"
            )
        return (
            "does not go on from where the chunk before ended: it starts from a state that the "
            "model computes anew for every chunk (`initial_state`), or its cell keeps more than "
            "its states"
        )
    if getattr(layer, "strides", None) or getattr(layer, "pool_size", None):
        return (
            f"{_ANOTHER} (one that only joins timesteps in pairs or the like can stream with a "
            "chunk= of a multiple)"
        )
    return _ANOTHER
