"""Sequences that go through a streaming step chunk by chunk: the user's, and with masked steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from pipelines.base.errors import ConfigurationError
from rnn_apps.export.proof.proof_data import data_for
from rnn_apps.export.results import ExportError
from rnn_apps.export.signature.example_data import RANDOM_TIMESTEPS, Example, spread
from rnn_apps.export.signature.model_signature import InputTensor, ModelSignature
from rnn_apps.layers.layers_within import layers_within

# A stream is proven on at least this many chunks: the state crosses more than one border.
FEWEST_CHUNKS = 3
# The chunks of all sequences together on which a stream is proven and int8 is calibrated.
PROVEN_CHUNKS = 1000


@dataclass(frozen=True)
class Stream:
    """How sequences go through a step.

    Attributes:
        name: the signature's name.
        chunk: timesteps of one step.
        timed: the inputs that have a time axis; the others go into every step.
        states: shapes of all states by the names of their inputs; a stream starts with zeros.
        own: the states that are inputs of the model itself.
    """

    name: str
    chunk: int
    timed: frozenset[str]
    states: Mapping[str, tuple[int, ...]]
    own: frozenset[str]

    def start(self) -> Example:
        """The states at the beginning."""
        return {name: np.zeros(shape, np.float32) for name, shape in self.states.items()}

    def steps_of(self, sequence: Example) -> int:
        """Timesteps of a sequence."""
        return min(sequence[name].shape[1] for name in self.timed)

    def chunks(self, sequence: Example, limit: int | None = None) -> list[Example]:
        """The chunks of one sequence, at most `limit`, without states."""
        steps = self.steps_of(sequence)
        stop = steps if limit is None else min(steps, limit * self.chunk)
        return [
            {
                name: array[:, start : start + self.chunk] if name in self.timed else array
                for name, array in sequence.items()
                if name not in self.states
            }
            for start in range(0, stop - self.chunk + 1, self.chunk)
        ]

    def cut(self, sequence: Example, chunks: int) -> Example:
        """The first chunks of a sequence, as a whole, with the states of the model's own."""
        zeros = {name: np.zeros(self.states[name], np.float32) for name in sorted(self.own)}
        return {
            name: array[:, : chunks * self.chunk] if name in self.timed else array
            for name, array in sequence.items()
        } | zeros


def has_time(input: InputTensor) -> bool:
    """Whether an input's second dimension is time: it is free, or the input is a sequence."""
    return len(input.shape) >= 2 and (
        input.shape[1] is None
        or len(input.shape) == 3
        or input.dtype.startswith(("int", "uint", "bool"))
    )


def with_time(inputs: Sequence[InputTensor]) -> list[frozenset[str]]:
    """Which inputs have a time axis: the likeliest reading first, then others that are possible.

    An input of two dimensions with a fixed size may be a sequence of tokens or a row of static
    features. It is a sequence if the model's other sequences have as many timesteps.
    """
    sure = [input for input in inputs if _surely_timed(input)]
    likely = frozenset(input.name for input in inputs if has_time(input))
    lengths = {input.shape[1] for input in sure}
    fixed = [
        input
        for input in inputs
        if input not in sure and len(input.shape) == 2 and input.shape[1] is not None
    ]
    certain = frozenset(input.name for input in sure)
    as_long = certain | {input.name for input in fixed if input.shape[1] in lengths}
    readings = [likely]
    if sure:
        # A row of another length than the sequences is not a sequence.
        usual = frozenset(n for n in likely if n in as_long)
        readings = [usual, as_long, certain]
    else:
        readings.append(as_long | {input.name for input in fixed})
    return [reading for reading in dict.fromkeys(readings) if reading]


def length_of(inputs: Sequence[InputTensor], timed: Collection[str]) -> int | None:
    """The number of timesteps of the inputs with a time axis; None where it is free."""
    sizes = {input.shape[1] for input in inputs if input.name in timed}
    return sizes.pop() if len(sizes) == 1 else None


def _surely_timed(input: InputTensor) -> bool:
    return len(input.shape) >= 2 and (input.shape[1] is None or len(input.shape) >= 3)


def sequences_of(
    model: keras.Model, whole: ModelSignature, data: Any, own: Mapping[str, Any], stream: Stream
) -> list[Example]:
    """The user's sequences (or random ones), each cut to whole chunks.

    Args:
        whole: signature of whole sequences. Where the user gave no data, random sequences have as
            many timesteps as it says, or some chunks where it leaves them free.

    Raises:
        ConfigurationError: a state of the model's own is in the data and is not zero.
        ExportError: no sequence has a whole chunk.
    """
    without = tuple(input for input in whole.inputs if input.name not in own)
    chosen = whole if _holds_states(data, whole) else dataclasses.replace(whole, inputs=without)
    if data is None:
        steps = max(RANDOM_TIMESTEPS, FEWEST_CHUNKS * stream.chunk)
        fixed = tuple(_with_free_time(i, steps) if i.name in stream.timed else i for i in without)
        chosen = dataclasses.replace(whole, inputs=fixed)
    cut = []
    for example in data_for(model, chosen, data):
        for name in own:
            if data is not None and example.pop(name, np.zeros(1)).any():
                raise ConfigurationError(
                    f"representative_data: the state {name!r} is not zero, which it is where a "
                    "stream begins: leave it out, or set it to zero"
                )
            example.pop(name, None)
        steps = stream.steps_of(example) // stream.chunk * stream.chunk
        if steps:
            cut.append({n: a[:, :steps] if n in stream.timed else a for n, a in example.items()})
    if not cut:
        raise ExportError(
            f"representative_data has no sequence of {stream.chunk} timesteps, which is one chunk: "
            "give longer sequences, or a smaller chunk="
        )
    return cut


def _with_free_time(input: InputTensor, steps: int) -> InputTensor:
    size = steps if input.shape[1] is None else input.shape[1]
    return dataclasses.replace(input, shape=(input.shape[0], size, *input.shape[2:]))


def some_of(sequences: Sequence[Example], stream: Stream) -> list[Example]:
    """Whole sequences with `PROVEN_CHUNKS` chunks together, evenly spread over all.

    At least two, where there are two, which are cut if they are longer.
    """
    longest = max(stream.steps_of(sequence) for sequence in sequences) // stream.chunk
    chosen = spread(sequences, max(2, PROVEN_CHUNKS // longest))
    limit = PROVEN_CHUNKS // len(chosen) * stream.chunk
    return [
        {n: a[:, :limit] if n in stream.timed else a for n, a in sequence.items()}
        for sequence in chosen
    ]


def _holds_states(data: Any, whole: ModelSignature) -> bool:
    """Whether the user gave the model's own states too."""
    if isinstance(data, list) and data and not isinstance(data[0], np.ndarray):
        return _holds_states(data[0], whole)
    if isinstance(data, Mapping):
        return set(data) >= {input.name for input in whole.inputs}
    return isinstance(data, tuple) and len(keras.tree.flatten(data)) == len(whole.inputs)


def lengthened(sequences: Sequence[Example], stream: Stream, chunks: int) -> Example:
    """The first sequence, or several of them one after another, so that there are `chunks`.

    Data for a stream may come in rows as short as one chunk; a stream has no end.
    """
    rows = list(sequences)
    joined = rows[0]
    number = 1
    while stream.steps_of(joined) < chunks * stream.chunk:
        following = rows[number % len(rows)]
        joined = {
            name: np.concatenate([array, following[name]], axis=1)
            if name in stream.timed
            else array
            for name, array in joined.items()
        }
        number += 1
    return joined


def chunks_with_masks(stream: Stream) -> int:
    """Chunks that hold masked timesteps at the beginning, in the middle and at the end."""
    return -(-5 * (stream.chunk + 1) // stream.chunk)


def with_masked_steps(model: keras.Model, sequence: Example, stream: Stream) -> Example:
    """The sequence with masked timesteps at its beginning, in its middle and at its end.

    Each stretch is longer than a chunk where the sequence is long enough, so that it crosses a
    border. Tokens are masked by 0, numbers by the value of the model's Masking layer, and a mask
    that is an input of its own by False.
    """
    steps = stream.steps_of(sequence)
    stretch = max(1, min(stream.chunk + 1, steps // 5))
    masked = np.zeros(steps, bool)
    for start in (0, (steps - stretch) // 2, steps - stretch):
        masked[start : start + stretch] = True
    values = [layer.mask_value for layer in layers_within(model) if _is_masking(layer)]
    changed = dict(sequence)
    for name in stream.timed:
        array = sequence[name].copy()
        if not np.issubdtype(array.dtype, np.floating):
            array[:, :steps][:, masked] = 0
        elif values:
            array[:, :steps][:, masked] = values[0]
        changed[name] = array
    return changed


def _is_masking(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Masking)
