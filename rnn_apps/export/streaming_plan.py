"""A streaming signature: a chunk of timesteps and the states in, outputs and new states out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnn_apps.export.example_data import Example, first_example
from rnn_apps.export.layers import all_layers, recurrent_layers
from rnn_apps.export.model_signature import InputTensor, ModelSignature, signature_of
from rnn_apps.export.plans import SignaturePlan, data_for
from rnn_apps.export.replacement import LayerUse, in_float32, with_forms
from rnn_apps.export.results import ExportError, OutputError, ProofExtent
from rnn_apps.export.runtime_process import RuntimeCall, RuntimeProcess
from rnn_apps.export.streaming import StateTape
from rnn_apps.export.tracing import NamedTensors
from rnn_apps.export.verification import Comparison, compare, keras_outputs

# Steps for which a stream is run and compared, and sequences that are streamed one after another.
COMPARED_STEPS = 12
STREAMED = 2
# Steps of each sequence that calibrate int8.
CALIBRATED_STEPS = 50

# Layers whose output at a timestep needs timesteps that a stream has not seen, or has forgotten.
NOT_STREAMABLE = frozenset(
    {
        "Bidirectional", "Flatten", "Permute", "Reshape", "RepeatVector",
        "Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention",
        "GlobalAveragePooling1D", "GlobalMaxPooling1D", "AveragePooling1D", "MaxPooling1D",
        "UpSampling1D", "ZeroPadding1D", "Cropping1D", "Conv1DTranspose",
    }
)  # fmt: skip


def streaming_plan(
    name: str, model: keras.Model, *, data: Any = None, batch_size: int | None = 1, chunk: int = 1
) -> SignaturePlan:
    """A signature that takes `chunk` timesteps at a time.

    States go in as `{layer}_h` (LSTM also `{layer}_c`) and come out as `{layer}_h_out`. A stream
    starts with states of zeros; the output of a layer that gives its last output only is that
    after the chunk. A model that itself takes states and gives them back (an input [batch, units]
    that comes out under the same name, or with "_out" after it) keeps their names.

    Raises:
        ExportError: the model has no recurrent layer, or one that needs what comes later.
    """
    refuse_what_cannot_stream(model)
    whole = signature_of(model, first_example(data), batch_size=batch_size or 1)
    # A model with a fixed number of timesteps refuses a shorter chunk, its layers don't.
    whole = dataclasses.replace(
        whole, any_length=True, inputs=tuple(_of_any_length(input) for input in whole.inputs)
    )
    timed = {input.name for input in whole.inputs if _has_time(input)}
    signature = dataclasses.replace(
        whole,
        inputs=tuple(_chunked(i, chunk) if i.name in timed else i for i in whole.inputs),
    )
    traced = _trace_once(model, signature)
    own = traced.own_states(signature)
    renamed = {output: f"{input}_out" for input, output in own.items()}
    whole = dataclasses.replace(whole, renamed=renamed)
    signature = dataclasses.replace(signature, renamed=renamed)
    starts = {i.name: tuple(size or 1 for size in i.shape) for i in whole.inputs if i.name in own}
    stream = _Stream(
        name=name,
        chunk=chunk,
        timed=frozenset(timed),
        sequences=_sequences(model, whole, data, starts, chunk),
        states={**starts, **traced.states},
    )

    def function(
        forms: Mapping[str, str], weight_bytes: int = 4
    ) -> Callable[[NamedTensors], NamedTensors]:
        return lambda tensors: _call(
            model,
            signature,
            tensors,
            forms,
            StateTape(model, {name: tensors[name] for name in traced.states}),
            weight_bytes=weight_bytes,
        )

    added = (InputTensor(n, s, "float32") for n, s in traced.states.items())
    compiled = tf.function(function({}), autograph=False)

    def step(given: Example) -> dict[str, np.ndarray]:
        outputs = compiled({name: tf.constant(value) for name, value in given.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    steps = _keras_steps(step, stream)
    return SignaturePlan(
        name=name,
        inputs=(*signature.inputs, *added),
        outputs=steps[0][1],
        uses=tuple(traced.uses),
        function=function,
        calibration=[step_inputs for step_inputs, _ in steps],
        reference=step,
        prove=_proof(model, whole, stream),
        real_data=data is not None,
        proven=ProofExtent(len(stream.sequences[:STREAMED]), COMPARED_STEPS * chunk, chunk),
    )


@dataclass(frozen=True)
class _Stream:
    """Real sequences and how they go through a step.

    Attributes:
        timed: the inputs that have a time axis; the others go into every step.
        states: shapes of all states by the names of their inputs; a stream starts with zeros.
    """

    name: str
    chunk: int
    timed: frozenset[str]
    sequences: list[Example]
    states: Mapping[str, tuple[int, ...]]

    def start(self) -> Example:
        """The states at the beginning."""
        return {name: np.zeros(shape, np.float32) for name, shape in self.states.items()}

    def chunks(self, sequence: Example, limit: int) -> list[Example]:
        """At most `limit` chunks of one sequence, without states."""
        longest = max(sequence[name].shape[1] for name in self.timed)
        return [
            {
                name: array[:, start : start + self.chunk] if name in self.timed else array
                for name, array in sequence.items()
                if name not in self.states
            }
            for start in range(0, min(longest, limit * self.chunk), self.chunk)
        ]

    def joined(self, chunks: list[Example]) -> Example:
        """The whole that the chunks are parts of, with the states that the model itself takes."""
        taken = {n: a for n, a in self.start().items() if n in self.sequences[0]}
        return taken | {
            name: np.concatenate([chunk[name] for chunk in chunks], axis=1)
            if name in self.timed
            else chunks[0][name]
            for name in chunks[0]
        }


@dataclass(frozen=True)
class _Trace:
    """What one traced step showed.

    Attributes:
        states: shapes of the recurrent layers' states that become inputs and outputs.
        outputs: shapes of the model's own outputs.
    """

    uses: list[LayerUse]
    states: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int | None, ...]]

    def own_states(self, signature: ModelSignature) -> dict[str, str]:
        """The states that the model itself takes and gives: output name -> its name in the file.

        That is an input without a time axis that comes back in the same shape under its own name,
        or under its own name with "_out" after it.
        """
        pairs = {}
        for input in signature.inputs:
            if _has_time(input) or len(input.shape) < 2 or not input.dtype.startswith("float"):
                continue
            for output in (f"{input.name}_out", input.name):
                if self.outputs.get(output) == input.shape:
                    pairs[input.name] = output
                    break
        return pairs


def refuse_what_cannot_stream(model: keras.Model) -> None:
    """Refuses models that no stream can compute.

    Raises:
        ExportError: names the layer and the reason.
    """
    if not recurrent_layers(model):
        raise ExportError("streaming needs a recurrent layer whose state goes from step to step")
    for layer in all_layers(model):
        kind = type(layer).__name__
        convolves = kind == "Conv1D" and layer.kernel_size[0] > 1
        if kind in NOT_STREAMABLE or convolves:
            raise ExportError(
                f"layer {layer.name!r} ({kind}) looks at several timesteps at once, which a step "
                'does not have: choose mode="sequence", or export the part after it'
            )
        if getattr(layer, "go_backwards", False):
            raise ExportError(
                f"layer {layer.name!r} reads the sequence from its end, which a stream has not "
                'seen yet: choose mode="sequence"'
            )


def _has_time(input: InputTensor) -> bool:
    """Whether an input's second dimension is time: it is free, or the input is a sequence."""
    return len(input.shape) >= 2 and (
        input.shape[1] is None or len(input.shape) == 3 or input.dtype.startswith("int")
    )


def _of_any_length(input: InputTensor) -> InputTensor:
    """A model made for one timestep at a time streams sequences of any length."""
    if not _has_time(input) or input.shape[1] != 1:
        return input
    return dataclasses.replace(input, shape=(input.shape[0], None, *input.shape[2:]))


def _chunked(input: InputTensor, chunk: int) -> InputTensor:
    return dataclasses.replace(input, shape=(input.shape[0], chunk, *input.shape[2:]))


def _sequences(
    model: keras.Model,
    whole: ModelSignature,
    data: Any,
    starts: Mapping[str, tuple[int, ...]],
    chunk: int,
) -> list[Example]:
    """Sequences of whole chunks; states that the model itself takes are zeros at their start."""
    without = tuple(input for input in whole.inputs if input.name not in starts)
    examples = data_for(model, dataclasses.replace(whole, inputs=without), data)
    timed = {input.name for input in without if _has_time(input)}
    zeros = {name: np.zeros(shape, np.float32) for name, shape in starts.items()}
    cut = []
    for example in examples:
        steps = min(example[name].shape[1] for name in timed) // chunk * chunk
        if steps:
            shortened = {n: a[:, :steps] if n in timed else a for n, a in example.items()}
            cut.append(shortened | zeros)
    if not cut:
        raise ExportError(f"representative_data has no sequence of {chunk} timesteps")
    return cut


def _call(
    model: keras.Model,
    signature: ModelSignature,
    tensors: NamedTensors,
    forms: Mapping[str, str],
    tape: StateTape,
    uses: list[LayerUse] | None = None,
    weight_bytes: int = 4,
) -> NamedTensors:
    options: dict[str, Any] = {"tape": tape, "uses": uses, "weight_bytes": weight_bytes}
    with in_float32(model), with_forms(model, forms, default="loop", **options):
        return {**signature.call(model, tensors), **tape.outputs}


def _trace_once(model: keras.Model, signature: ModelSignature) -> _Trace:
    """Traces one step to see the states and what comes out."""
    tape, uses = StateTape(model), list[LayerUse]()
    try:
        traced = tf.function(
            lambda tensors: _call(model, signature, tensors, {}, tape, uses), autograph=False
        ).get_concrete_function({input.name: input.spec() for input in signature.inputs})
    except Exception as error:
        shapes = ", ".join(f"{input.name} {input.shape}" for input in signature.inputs)
        raise ExportError(f"the model cannot take single chunks ({shapes}): {error}") from error
    outputs = traced.structured_outputs
    shapes_by_name = {n: tuple(v.shape) for n, v in outputs.items() if n not in tape.outputs}
    return _Trace(uses, dict(tape.taken), shapes_by_name)


def _keras_steps(
    step: Callable[[Example], dict[str, np.ndarray]], stream: _Stream
) -> list[tuple[Example, dict[str, np.ndarray]]]:
    """Inputs (with the states that really occur) and outputs of steps through the sequences."""
    steps = []
    for sequence in stream.sequences[:10]:
        state = stream.start()
        for inputs in stream.chunks(sequence, CALIBRATED_STEPS):
            given = {**inputs, **state}
            outputs = step(given)
            steps.append((given, outputs))
            state = {name: outputs[f"{name}_out"] for name in stream.states}
    return steps


def _proof(
    model: keras.Model, whole: ModelSignature, stream: _Stream
) -> Callable[[RuntimeProcess, Path, float], tuple[OutputError, ...]]:
    """Streams sequences through the file, its own states fed back, against Keras on the whole."""
    streamed = [stream.chunks(s, COMPARED_STEPS) for s in stream.sequences[:STREAMED]]
    complete = [stream.joined(chunks) for chunks in streamed]
    expected = keras_outputs(model, whole, complete)

    def prove(runtime: RuntimeProcess, path: Path, tolerance: float) -> tuple[OutputError, ...]:
        actual = []
        for chunks, reference in zip(streamed, expected, strict=True):
            state = stream.start()
            collected: list[dict[str, np.ndarray]] = []
            for inputs in chunks:
                (outputs,) = runtime.run(path, [RuntimeCall({**inputs, **state}, stream.name)])
                state = {n: outputs[f"{n}_out"] for n in state}
                collected.append(outputs)
            actual.append(
                {
                    key: np.concatenate([step[key] for step in collected], axis=1)
                    if _per_timestep(collected[0][key], value, len(collected))
                    else collected[-1][key]
                    for key, value in reference.items()
                }
            )
        return compare(Comparison(stream.name, complete, expected), actual, tolerance)

    return prove


def _per_timestep(part: np.ndarray, whole: np.ndarray, chunks: int) -> bool:
    """Whether the parts make the whole; there may be fewer timesteps than go in."""
    return part.ndim >= 2 and whole.shape[1] == part.shape[1] * chunks
