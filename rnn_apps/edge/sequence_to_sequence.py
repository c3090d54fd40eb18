"""The decoder of an exported translation model as a step for greedy and beam search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipelines.errors import UserError
from rnn_apps.edge.model import EdgeModel, Signature
from rnn_apps.edge.search import StepResult
from rnn_apps.edge.streaming import carry, state_pairs

# A decoder's states by name, one row each, in the runtime's own types.
States = Mapping[str, np.ndarray]


class EdgeDecoder:
    """An exported model with the signatures `encode` and `decode_step`.

    `encode` gives what `decode_step` takes under the same names: the first states, and memories
    that stay the same for a sentence (what attention looks at). `decode_step` takes them with
    `token`, and gives `logits` [rows, vocabulary], the next states under their names with "_out"
    after them and, if it attends, `alignment` [rows, source].

    Raises:
        UserError: the signatures do not fit together.
    """

    def __init__(
        self, model: EdgeModel, encode: str = "encode", decode_step: str = "decode_step"
    ) -> None:
        self._model = model
        self.encode = model.signature(encode)
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
        self._memory: dict[str, np.ndarray] = {}

    def start(self, inputs: Mapping[str, np.ndarray] | np.ndarray) -> States:
        """Encodes one source (batch 1): the memories are kept, the first states returned."""
        raw = self._model(inputs, self.encode.key, raw=True)
        self._memory = {name: self._handed_on(raw, name) for name in self._memories}
        return {name: self._handed_on(raw, name) for name in self._states}

    def step(self, tokens: Sequence[int], states: Sequence[States]) -> StepResult[States]:
        """One step of n hypotheses: in one call where the file leaves the batch free."""
        if self.decode_step.inputs["token"].shape[:1] == (-1,):
            return self._call(tokens, states)
        results = [
            self._call([token], [state]) for token, state in zip(tokens, states, strict=True)
        ]
        alignments = [item.alignments for item in results if item.alignments is not None]
        return StepResult(
            np.concatenate([item.log_probabilities for item in results]),
            [state for item in results for state in item.states],
            np.concatenate(alignments) if alignments else None,
        )

    def _call(self, tokens: Sequence[int], states: Sequence[States]) -> StepResult[States]:
        rows = len(tokens)
        spec = self.decode_step.inputs["token"]
        inputs = {"token": np.array(tokens, spec.dtype).reshape(rows, *[1] * (len(spec.shape) - 1))}
        for name, value in self._memory.items():
            inputs[name] = np.repeat(value, rows, axis=0) if rows > 1 else value
        for name in self._states:
            inputs[name] = np.concatenate([state[name] for state in states])
        raw = self._model(inputs, self.decode_step.key, raw=True)
        carried = {
            name: carry(raw[out], self.decode_step.outputs[out], self.decode_step.inputs[name])
            for name, out in self._states.items()
        }
        logits = _real(self.decode_step, raw, "logits").reshape(rows, -1)
        alignment = None
        if "alignment" in raw:
            alignment = _real(self.decode_step, raw, "alignment").reshape(rows, -1)
        next_states = [
            {name: value[row : row + 1] for name, value in carried.items()} for row in range(rows)
        ]
        return StepResult(log_softmax(logits), next_states, alignment)

    def _handed_on(self, raw: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        return carry(raw[name], self.encode.outputs[name], self.decode_step.inputs[name])


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log(softmax(logits)) over the last axis, float64, without overflow."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _real(signature: Signature, raw: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    return signature.outputs[name].to_real(raw[name])
