"""A stream through a step model: the state is carried from chunk to chunk and reset on request."""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.edge.runtime.quantization import requantize
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec

# The session that last began a stream on a model whose state is in variables.
_OWNERS: weakref.WeakKeyDictionary[EdgeModel, weakref.ref[StreamingSession]] = (
    weakref.WeakKeyDictionary()
)
# The successor of the state input NAME is the output of this name.
SUCCESSOR = "{}_out"
STEP_SIGNATURE = "step"


def state_pairs(signature: Signature) -> dict[str, str]:
    """Names of the state inputs of a signature -> the outputs that hold their successors.

    An input is a state where an output of the same shape and kind has its name with "_out" after
    it. If every input matched, the signature has no states: an autoencoder's output may be named
    like that.
    """
    pairs = {
        name: SUCCESSOR.format(name)
        for name, spec in signature.inputs.items()
        if SUCCESSOR.format(name) in signature.outputs
        and _can_follow(signature.outputs[SUCCESSOR.format(name)], spec)
    }
    return pairs if len(pairs) < len(signature.inputs) else {}


def _can_follow(output: TensorSpec, state: TensorSpec) -> bool:
    """Whether what comes out of `output` can go in as `state` at the next step."""
    sizes = zip(output.shape, state.shape, strict=False)
    fits = len(output.shape) == len(state.shape) and all(
        -1 in (one, other) or one == other for one, other in sizes
    )
    return fits and (output.dtype == state.dtype or None not in (output.scale, state.scale))


class CarriedState:
    """The states of one signature between two calls, in the runtime's own types.

    A quantised state leaves the model on another scale than the one it goes in with; it is
    requantised here.
    """

    def __init__(self, signature: Signature, batch: int = 1) -> None:
        self._signature = signature
        self._pairs = state_pairs(signature)
        self._batch = batch
        self.values: dict[str, np.ndarray] = {}
        self.reset()

    def reset(self) -> None:
        """All states to zero."""
        self.values = {name: self._zeros(self._signature.inputs[name]) for name in self._pairs}

    def take(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Keeps the successors among a call's raw outputs; returns the others as real numbers."""
        for name, output in self._pairs.items():
            self.values[name] = carry(
                outputs[output], self._signature.outputs[output], self._signature.inputs[name]
            )
        states = self._pairs.values()
        return {
            name: self._signature.outputs[name].to_real(value)
            for name, value in outputs.items()
            if name not in states
        }

    def real(self) -> dict[str, np.ndarray]:
        """The states as real numbers."""
        return {
            name: self._signature.inputs[name].to_real(value) for name, value in self.values.items()
        }

    def _zeros(self, spec: TensorSpec) -> np.ndarray:
        shape = [self._batch if size == -1 else size for size in spec.shape]
        return np.full(shape, spec.zero_point if spec.scale is not None else 0, spec.dtype)


def carry(value: np.ndarray, output: TensorSpec, goes_to: TensorSpec) -> np.ndarray:
    """What came out of one tensor in the form in which another takes it."""
    if output.scale is not None and goes_to.scale is not None:
        return requantize(
            value,
            output.scale,
            output.zero_point,
            goes_to.scale,
            goes_to.zero_point,
            goes_to.dtype,
        )
    return goes_to.to_runtime(output.to_real(value))


class StreamingSession:
    """Feeds a stream to an exported model chunk by chunk.

    Works alike on LiteRT and TensorFlow Lite Micro. A model carries its state in one of two ways:
    through inputs NAME and outputs NAME_out, or in variables inside.

    Args:
        model: a model with a streaming signature.
        signature: name of the signature; without one, "step" or the only signature.
        batch: number of streams that run in parallel, where the file leaves that free.

    Attributes:
        has_variables: whether the file keeps state in variables, so that sessions cannot share a
            model.

    Raises:
        UserError: the signature carries no state.
    """

    def __init__(self, model: EdgeModel, signature: str | None = None, batch: int = 1) -> None:
        if signature is None and STEP_SIGNATURE in model.signatures:
            signature = STEP_SIGNATURE
        self._model = model
        self.signature = model.signature(signature)
        self._state = CarriedState(self.signature, batch)
        self.has_variables = any(
            tensor.is_variable
            for tensor in model.file.subgraphs[self.signature.subgraph].tensors
            if tensor.index not in {item.index for item in self.signature.inputs.values()}
        )
        self._shapes: dict[str, tuple[int, ...]] | None = None
        self._batch = batch
        if not self._state.values and not self.has_variables:
            raise UserError(
                f"signature {self.signature.key!r} carries no state, so it cannot stream. Export "
                "the model with mode='streaming'."
            )
        self.reset()

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The explicit states as real numbers, by the names of their inputs (a copy)."""
        return {name: np.array(value) for name, value in self._state.real().items()}

    def reset(self) -> None:
        """Starts a new stream."""
        self._state.reset()
        self._shapes = None
        if self.has_variables:
            self._model.reset()
            _OWNERS[self._model] = weakref.ref(self)

    def step(
        self, chunk: np.ndarray | Mapping[str, np.ndarray]
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Runs the next chunk of the stream.

        Args:
            chunk: arrays of the inputs that are not states, by name; a single array where there is
                one such input.

        Returns:
            The outputs that are not states, as real numbers; an array where there is only one.

        Raises:
            UserError: the chunk does not fit the model or the number of streams, holds a state, or
                changes its shape in the middle of a stream of a model whose state is in variables
                (the runtime would reset them). The stream stays where it was.
        """
        outputs = self.step_by_name(chunk)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def step_by_name(self, chunk: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `step`; the outputs always by name."""
        data = self._by_name(chunk)
        self._refuse_other_batch(data)
        if self.has_variables:
            self._refuse_lost_variables(data)
        raw = self._model({**data, **self._state.values}, self.signature.key, raw=True)
        return self._state.take(raw)

    def _refuse_lost_variables(self, data: Mapping[str, np.ndarray]) -> None:
        shapes = {name: np.shape(value) for name, value in data.items()}
        if self._shapes not in (None, shapes):
            raise UserError(
                "this model keeps its state in variables, which a change of the chunk's shape "
                f"would reset: {self._shapes} before, {shapes} now. Keep to one chunk size, "
                "or reset first."
            )
        self._shapes = shapes
        owner = _OWNERS.get(self._model)
        if owner is not None and owner() is not self:
            raise UserError(
                "this model keeps its state in variables, and another session has begun a stream "
                "on it since: load the file once for each stream, or reset this session first."
            )

    def _refuse_other_batch(self, data: Mapping[str, np.ndarray]) -> None:
        for name, value in data.items():
            free = self.signature.inputs[name].shape[:1] == (-1,)
            rows = np.shape(value)[:1]
            if free and self._state.values and rows not in ((), (self._batch,)):
                raise UserError(
                    f"input {name!r} has {rows[0]} rows, and the session was made for "
                    f"{self._batch} stream{'s' if self._batch > 1 else ''} in parallel: make it "
                    f"with batch={rows[0]}."
                )

    def _by_name(self, chunk: np.ndarray | Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        names = [name for name in self.signature.inputs if name not in self._state.values]
        taken = f"signature {self.signature.key!r} takes {', '.join(names)} at every step"
        if not isinstance(chunk, Mapping):
            if len(names) != 1:
                raise UserError(f"{taken}: give them by name, as {{'name': array}}.")
            return {names[0]: chunk}
        if states := sorted(set(chunk) & set(self._state.values)):
            raise UserError(
                f"{', '.join(states)}: the session carries the states itself; {taken}. `reset()` "
                "begins a new stream."
            )
        if set(chunk) != set(names):
            raise UserError(f"{taken}; it was given {', '.join(map(str, chunk)) or 'none'}.")
        return chunk
