"""A model read as a step: which inputs have time, what its states are, and how it is traced."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnn_apps.export.forms.replacement import LayerUse, in_float32, with_forms
from rnn_apps.export.forms.streaming import LayerCall, StateTape
from rnn_apps.export.planning.tracing import NamedTensors
from rnn_apps.export.processes.failure_texts import failure_text
from rnn_apps.export.proof.layer_records import LayerRecord, described, recorded
from rnn_apps.export.proof.stream_data import Stream, has_time, length_of
from rnn_apps.export.proof.stream_judgement import WatchedStep
from rnn_apps.export.results import ExportError
from rnn_apps.export.signature.example_data import Example
from rnn_apps.export.signature.model_signature import InputTensor, ModelSignature


class NotThisReadingError(ExportError):
    """The model does not fit this reading: it is another kind of stream, or none."""


class StreamingStep:
    """One way to read a model as a step: which inputs have a time axis, and what its states are.

    Args:
        timed: names of the inputs with a time axis.
        opens_given: true if a layer that the model calls with `initial_state` starts a stream from
            it.
        repeats: true if a RepeatVector of as many timesteps as the model was built for repeats its
            input for every timestep of the stream; otherwise its output is a sequence of its own.
    """

    def __init__(
        self,
        name: str,
        model: keras.Model,
        whole: ModelSignature,
        timed: frozenset[str],
        chunk: int,
        opens_given: bool,
        repeats: bool,
    ) -> None:
        self.name, self.model, self.chunk = name, model, chunk
        self.timed = timed
        self.opens_given = opens_given
        self.repeats = repeats
        self.uses: list[LayerUse] = []
        self.within: frozenset[LayerCall] = frozenset()
        self.states: dict[str, tuple[int, ...]] = {}
        self.own: dict[str, str] = {}
        self.has_given_states = False
        self._whole = whole
        self.signature = self._of_length(chunk)

    def trace(self) -> None:
        """Traces the step to see its states, and which recurrent layers run inside one timestep."""
        uses = self._layer_uses(self.signature)
        longer = self._longer_uses(uses)
        if longer is not None:
            self.within = frozenset(
                call
                for call, one, other in zip(_calls(uses), uses, longer, strict=True)
                if one.timesteps == other.timesteps
            )
        tape = self._tape(None)
        pairs: dict[str, str] = {}
        outputs = self._traced(self.signature, tape, self.uses, pairs)
        self.states = dict(tape.taken)
        shapes = {n: tuple(v.shape) for n, v in outputs.items() if n not in tape.outputs}
        self.own = {} if self.opens_given else self._own_states(shapes, pairs)
        if self.has_given_states and not self.own and not self.opens_given:
            raise NotThisReadingError(
                "the model gives a layer the state to start from and does not return its next "
                "value, so that a stream cannot carry it"
            )
        if not self.states and not self.own:
            raise ExportError(
                "the model carries no state from step to step: however many timesteps go in, its "
                'recurrent layers run over the same number of them; choose mode="sequence"'
            )
        self.signature = dataclasses.replace(self.signature, renamed=self._renamed(shapes))

    def whole_signature(self) -> ModelSignature:
        """How the model is called on whole sequences, of any length: a stream has no end."""
        return dataclasses.replace(self._of_length(None), renamed=self.signature.renamed)

    def usual_signature(self) -> ModelSignature:
        """The same with the number of timesteps that the model itself fixes, if it does."""
        return self._whole

    def stream(self) -> Stream:
        """How sequences go through the step."""
        own = {
            input.name: tuple(size or 1 for size in input.shape)
            for input in self._whole.inputs
            if input.name in self.own
        }
        states = {**own, **self.states}
        return Stream(self.name, self.chunk, self.timed, states, frozenset(own))

    def function(
        self,
        forms: Mapping[str, str],
        weight_bytes: int = 4,
        default: str = "loop",
        record: LayerRecord | None = None,
    ) -> Callable[[NamedTensors], NamedTensors]:
        """See `SignaturePlan.function`."""

        def call(tensors: NamedTensors) -> NamedTensors:
            tape = self._tape({name: tensors[name] for name in self.states})
            forming = _Forming(forms, default, weight_bytes, record)
            return self._call(self.signature, tensors, tape, None, forming)

        return call

    def compiled(self, form: str) -> Callable[[Example], dict[str, np.ndarray]]:
        """One step on arrays, with all layers in one form."""
        return _on_arrays(tf.function(self.function({}, default=form), autograph=False))

    def watched(self, form: str) -> WatchedStep:
        """As `compiled`, layer by layer, with what each layer gave."""

        def step(arrays: Example) -> tuple[dict[str, np.ndarray], LayerRecord]:
            record = LayerRecord()
            call = self.function({}, default=form, record=record)
            return _on_arrays(call)(arrays), record

        return step

    def _of_length(self, steps: int | None) -> ModelSignature:
        inputs = tuple(
            _with_steps(input, steps) if input.name in self.timed else input
            for input in self._whole.inputs
        )
        return dataclasses.replace(self._whole, inputs=inputs)

    def _repeated(self, signature: ModelSignature) -> tuple[int, int] | None:
        """Timesteps of the whole and of this signature, where a RepeatVector follows them."""
        whole, here = (length_of(s.inputs, self.timed) for s in (self._whole, signature))
        return (whole, here) if self.repeats and whole and here else None

    def _tape(self, inputs: dict[str, tf.Tensor] | None) -> StateTape:
        return StateTape(
            self.model,
            inputs,
            within=self.within,
            opens_given=self.opens_given,
            reserved={input.name for input in self._whole.inputs},
        )

    def _call(
        self,
        signature: ModelSignature,
        tensors: NamedTensors,
        tape: StateTape,
        uses: list[LayerUse] | None,
        forming: _Forming,
    ) -> dict[str, tf.Tensor]:
        options: dict[str, Any] = {"tape": tape, "uses": uses, "default": forming.default}
        options["weight_bytes"] = forming.weight_bytes
        options["repeats"] = self._repeated(signature)
        record = forming.record
        with (
            in_float32(self.model),
            with_forms(self.model, forming.forms, **options),
            contextlib.nullcontext() if record is None else recorded(self.model, record),
        ):
            outputs = signature.call(self.model, tensors)
        if twice := sorted(set(outputs) & set(tape.outputs)):
            raise ExportError(
                f"output {twice[0]!r} of the model has the name that the next value of a state "
                "takes: give the output, or the layer, another name"
            )
        return {**outputs, **tape.outputs}

    def _traced(
        self,
        signature: ModelSignature,
        tape: StateTape,
        uses: list[LayerUse],
        pairs: dict[str, str],
    ) -> Mapping[str, tf.Tensor]:
        """Outputs of one traced step; `pairs` takes state inputs -> what follows them."""

        record = LayerRecord()

        def call(tensors: NamedTensors) -> NamedTensors:
            outputs = self._call(signature, tensors, tape, uses, _Forming(record=record))
            self.has_given_states = self.has_given_states or bool(tape.given) or self.opens_given
            pairs.update(_linked(tensors, outputs, tape))
            return outputs

        function = tf.function(call, autograph=False)
        specs = {input.name: input.spec() for input in signature.inputs}
        try:
            traced = function.get_concrete_function(specs)
        except ExportError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{input.name} {input.shape}" for input in signature.inputs)
            where = (
                f"{described(record.failed)} fails on what a chunk gives it: "
                if record.failed is not None
                else ""
            )
            pools = getattr(record.failed, "pool_size", None) or getattr(
                record.failed, "strides", None
            )
            advice = "a chunk= of a multiple of its size, or " if pools else ""
            said = failure_text(error).rstrip(".")
            raise NotThisReadingError(
                f"the model cannot take single chunks ({shapes}). {where}{said}. "
                f'Choose {advice}mode="sequence".'
            ) from error
        outputs: Mapping[str, tf.Tensor] = traced.structured_outputs
        return outputs

    def _layer_uses(self, signature: ModelSignature) -> list[LayerUse]:
        uses: list[LayerUse] = []
        self._traced(signature, self._tape(None), uses, {})
        return uses

    def _longer_uses(self, uses: list[LayerUse]) -> list[LayerUse] | None:
        """The uses with more timesteps than a chunk; None if the model can't be traced with any."""
        known = {i.shape[1] for i in self._whole.inputs if i.name in self.timed}
        lengths = [size for size in known if size is not None and size != self.chunk]
        for length in [*lengths, 2 * self.chunk, 3 * self.chunk]:
            try:
                longer = self._layer_uses(self._of_length(length))
            except ExportError:
                continue
            if [use.layer for use in longer] == [use.layer for use in uses]:
                return longer
        return None

    def _own_states(
        self, shapes: Mapping[str, tuple[int | None, ...]], linked: Mapping[str, str]
    ) -> dict[str, str]:
        """The states that the model itself takes and gives: input -> the output's name."""
        own: dict[str, str] = {}
        for input in self.signature.inputs:
            timed = input.name in self.timed
            if timed or len(input.shape) < 2 or not input.dtype.startswith("float"):
                continue
            for output in (f"{input.name}_out", input.name, linked.get(input.name, "")):
                if shapes.get(output) == input.shape:
                    own[input.name] = output
                    break
        return own

    def _renamed(self, shapes: Mapping[str, Any]) -> dict[str, str]:
        """Outputs that are states take the names that states have, and no other output does."""
        renamed = {output: f"{name}_out" for name, output in self.own.items()}
        for input in self.signature.inputs:
            taken = f"{input.name}_out"
            if taken in shapes and taken not in renamed.values() and input.name not in self.own:
                renamed[taken] = f"{input.name}_output"
        return renamed


@dataclass(frozen=True)
class _Forming:
    """The forms that a step's layers take; and where what they give is kept, if anywhere."""

    forms: Mapping[str, str] = field(default_factory=dict)
    default: str = "loop"
    weight_bytes: int = 4
    record: LayerRecord | None = None


def _calls(uses: Sequence[LayerUse]) -> list[LayerCall]:
    counts: Counter[int] = Counter()
    calls = []
    for use in uses:
        calls.append((id(use.layer), counts[id(use.layer)]))
        counts[id(use.layer)] += 1
    return calls


def _linked(tensors: NamedTensors, outputs: NamedTensors, tape: StateTape) -> dict[str, str]:
    """Inputs that are the `initial_state` of a layer -> the output that is its final state."""
    names = {id(tensor): name for name, tensor in tensors.items()}
    results = {id(tensor): name for name, tensor in outputs.items()}
    return {
        names[id(start)]: results[id(end)]
        for start, end in tape.given
        if id(start) in names and id(end) in results
    }


def _on_arrays(
    function: Callable[[NamedTensors], NamedTensors],
) -> Callable[[Example], dict[str, np.ndarray]]:
    def call(arrays: Example) -> dict[str, np.ndarray]:
        outputs = function({name: tf.constant(value) for name, value in arrays.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return call


def of_any_length(input: InputTensor) -> InputTensor:
    """A model made for one timestep at a time streams sequences of any length."""
    if not has_time(input) or input.shape[1] != 1:
        return input
    return dataclasses.replace(input, shape=(input.shape[0], None, *input.shape[2:]))


def _with_steps(input: InputTensor, steps: int | None) -> InputTensor:
    return dataclasses.replace(input, shape=(input.shape[0], steps, *input.shape[2:]))
