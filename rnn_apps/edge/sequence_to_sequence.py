"""The decoder of an exported translation model as a step for greedy and beam search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.edge.runtime.signatures import Signature
from rnn_apps.edge.runtime.streaming import carry, state_pairs
from rnn_apps.edge.search import StepResult


class EncodedSource(NamedTuple):
    """What stays the same while a source is decoded.

    Attributes:
        memories: arrays by their names among the decoder's inputs, in the runtime's own types.
        positions: number of positions of the source where the file pads it; None where it does not.
    """

    memories: Mapping[str, np.ndarray]
    positions: int | None


class States(NamedTuple):
    """A hypothesis' states: one row of what a call of the decoder gave.

    Attributes:
        values: arrays [rows, ...] by state name, in the runtime's own types.
        row: number of this hypothesis' row in the arrays.
        source: source that the hypothesis decodes.
    """

    values: Mapping[str, np.ndarray]
    row: int
    source: EncodedSource


class EdgeDecoder:
    """An exported model with the signatures `encode` and `decode_step`.

    `encode` gives what `decode_step` takes under the same names: the first states, and memories
    that stay the same for a sentence (what attention looks at). `decode_step` takes them with
    `token`, and gives `logits` [rows, vocabulary], the next states under their names with "_out"
    after them and, if it attends, `alignment` [rows, source]. Its rows are hypotheses of one
    sentence: any number of them where the file leaves that free, else the number that it fixes. A
    memory of one row serves all of them.

    Args:
        model: exported model with both signatures.
        encode, decode_step: names of the two signatures.
        encoder: another model that has the signature `encode`; the same model if None.

    Raises:
        UserError: the signatures do not fit together.
    """

    def __init__(
        self,
        model: EdgeModel,
        encode: str = "encode",
        decode_step: str = "decode_step",
        encoder: EdgeModel | None = None,
    ) -> None:
        self._model = model
        self._encoder = model if encoder is None else encoder
        self.encode = self._encoder.signature(encode)
        self.decode_step = model.signature(decode_step)
        self._states = state_pairs(self.decode_step)
        self._memories = [
            name for name in self.decode_step.inputs if name not in (*self._states, "token")
        ]
        wanted = {*self._states, *self._memories}
        missing = sorted(wanted - set(self.encode.outputs))
        lacking = [name for name in ("token",) if name not in self.decode_step.inputs]
        lacking += [name for name in ("logits",) if name not in self.decode_step.outputs]
        if missing or lacking:
            raise UserError(
                f"the signatures {encode!r} and {decode_step!r} do not make a decoder: "
                f"{encode!r} does not give {missing}, {decode_step!r} lacks {lacking}."
            )

    def start(self, inputs: Mapping[str, np.ndarray] | np.ndarray) -> States:
        """Encodes one source (batch 1) and returns the first states, which hold its memories.

        Several sources can be decoded at the same time, each by its own calls of `step`.

        Raises:
            UserError: the source is longer than the model takes, or does not fit it otherwise.
        """
        inputs, positions = self._padded(inputs)
        raw = self._encoder(inputs, self.encode.key, raw=True)
        memories = {name: self._handed_on(raw, name) for name in self._memories}
        values = {name: self._handed_on(raw, name) for name in self._states}
        return States(values, 0, EncodedSource(memories, positions))

    def _padded(
        self, inputs: Mapping[str, np.ndarray] | np.ndarray
    ) -> tuple[dict[str, np.ndarray], int | None]:
        """The inputs of `encode` with as many positions as it takes, and how many there were."""
        if not isinstance(inputs, Mapping):
            inputs = dict.fromkeys(list(self.encode.inputs)[:1], inputs)
        if "present" not in self.encode.outputs:
            return dict(inputs), None
        padded, positions = {}, None
        for name, value in inputs.items():
            spec = self.encode.inputs.get(name)
            shape = np.shape(value)
            if spec is not None and len(shape) == len(spec.shape) == 2 and spec.shape[1] > 0:
                if shape[1] > spec.shape[1]:
                    raise UserError(
                        f"the source has {shape[1]} ids with its end, and the model takes up to "
                        f"{spec.shape[1]}: split it, or export with a larger longest_source"
                    )
                positions = shape[1]
                value = np.pad(np.asarray(value), ((0, 0), (0, spec.shape[1] - shape[1])))
            padded[name] = value
        return padded, positions

    def step(self, tokens: Sequence[int], states: Sequence[States]) -> StepResult[States]:
        """One step of n hypotheses, in one call where the file has n rows.

        Raises:
            UserError: the hypotheses are of several sources.
        """
        if any(state.source is not states[0].source for state in states):
            raise UserError("the hypotheses are of several sources: give those of one to each step")
        results = [self._call(*part) for part in self._parts(tokens, states)]
        if len(results) == 1:
            return results[0]
        alignments = [item.alignments for item in results if item.alignments is not None]
        return StepResult(
            np.concatenate([item.log_probabilities for item in results]),
            [state for item in results for state in item.states],
            np.concatenate(alignments) if alignments else None,
        )

    def _parts(
        self, tokens: Sequence[int], states: Sequence[States]
    ) -> Iterator[tuple[Sequence[int], Sequence[States], int]]:
        """What goes into each call, and how many of its rows are wanted."""
        rows = self.decode_step.inputs["token"].shape[:1]
        size = len(tokens) if rows in ((-1,), ()) else rows[0]
        for start in range(0, len(tokens), size):
            part, of_states = list(tokens[start : start + size]), list(states[start : start + size])
            more = size - len(part)
            # Rows that the file has too many compute the last one again.
            yield part + part[-1:] * more, of_states + of_states[-1:] * more, len(part)

    def _call(
        self, tokens: Sequence[int], states: Sequence[States], wanted: int
    ) -> StepResult[States]:
        rows = len(tokens)
        spec = self.decode_step.inputs["token"]
        inputs = {"token": np.array(tokens, spec.dtype).reshape(rows, *[1] * (len(spec.shape) - 1))}
        source = states[0].source
        for name, value in source.memories.items():
            once = self.decode_step.inputs[name].shape[0] == 1
            inputs[name] = value if once or rows == 1 else np.repeat(value, rows, axis=0)
        inputs |= _gathered(states, self._states)
        raw = self._model(inputs, self.decode_step.key, raw=True)
        carried = {
            name: carry(raw[out], self.decode_step.outputs[out], self.decode_step.inputs[name])
            for name, out in self._states.items()
        }
        logits = _real(self.decode_step, raw, "logits").reshape(rows, -1)[:wanted]
        alignment = None
        if "alignment" in raw:
            alignment = _real(self.decode_step, raw, "alignment").reshape(rows, -1)[:wanted]
            alignment = alignment[:, : source.positions]
        next_states = [States(carried, row, source) for row in range(wanted)]
        return StepResult(log_softmax(logits), next_states, alignment)

    def _handed_on(self, raw: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        return carry(raw[name], self.encode.outputs[name], self.decode_step.inputs[name])


def _gathered(states: Sequence[States], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The states of several hypotheses as rows."""
    first = states[0].values
    if all(state.values is first for state in states):
        rows = [state.row for state in states]
        return {name: first[name][rows] for name in names}
    return {
        name: np.concatenate([state.values[name][state.row, None] for state in states])
        for name in names
    }


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log(softmax(logits)) over the last axis, without overflow; float32 stays float32."""
    values = np.asarray(logits)
    if values.dtype != np.float32:
        values = values.astype(np.float64)
    shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _real(signature: Signature, raw: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    return signature.outputs[name].to_real(raw[name])
