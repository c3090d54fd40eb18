"""A streaming signature: a chunk of timesteps and the states in, outputs and new states out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
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
from rnn_apps.export.results import ExportError, OutputError
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
    after the chunk.

    Raises:
        ExportError: the model has no recurrent layer, or one that needs what comes later.
    """
    refuse_what_cannot_stream(model)
    whole = signature_of(model, first_example(data), batch_size=batch_size or 1)
    # A model with a fixed number of timesteps refuses a shorter chunk, its layers don't.
    whole = dataclasses.replace(whole, any_length=True)
    signature = dataclasses.replace(
        whole, inputs=tuple(_chunked(input, chunk) for input in whole.inputs)
    )
    sequences = _whole_chunks(data_for(model, whole, data), whole, chunk)
    call = _call_of(model, signature)
    states, uses = _states_of(model, call, signature)

    def function(forms: Mapping[str, str]) -> Callable[[NamedTensors], NamedTensors]:
        return lambda tensors: call(
            tensors, forms, StateTape(model, {name: tensors[name] for name in states})
        )

    inputs = (*signature.inputs, *(InputTensor(n, s, "float32") for n, s in states.items()))
    steps = _keras_steps(function({}), sequences, states, chunk)
    return SignaturePlan(
        name=name,
        inputs=inputs,
        outputs=steps[0][1],
        uses=tuple(uses),
        function=function,
        calibration=[step_inputs for step_inputs, _ in steps],
        prove=_proof(name, model, whole, sequences, states, chunk),
        real_data=data is not None,
    )


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


def _chunked(input: InputTensor, chunk: int) -> InputTensor:
    if not _has_time(input):
        return input
    return dataclasses.replace(input, shape=(input.shape[0], chunk, *input.shape[2:]))


def _whole_chunks(examples: list[Example], whole: ModelSignature, chunk: int) -> list[Example]:
    """Sequences cut to a multiple of `chunk` timesteps."""
    timed = {input.name for input in whole.inputs if _has_time(input)}
    cut = []
    for example in examples:
        steps = min(example[name].shape[1] for name in timed) // chunk * chunk
        if steps:
            cut.append({n: a[:, :steps] if n in timed else a for n, a in example.items()})
    if not cut:
        raise ExportError(f"representative_data has no sequence of {chunk} timesteps")
    return cut


def _call_of(model: keras.Model, signature: ModelSignature) -> Callable[..., NamedTensors]:
    def call(
        tensors: NamedTensors,
        forms: Mapping[str, str],
        tape: StateTape,
        uses: list[LayerUse] | None = None,
    ) -> NamedTensors:
        with in_float32(model), with_forms(model, forms, default="loop", tape=tape, uses=uses):
            return {**signature.call(model, tensors), **tape.outputs}

    return call


def _states_of(
    model: keras.Model, call: Callable[..., NamedTensors], signature: ModelSignature
) -> tuple[dict[str, tuple[int, ...]], list[LayerUse]]:
    """The states' names and shapes, and the layers' uses, from tracing one step."""
    tape, uses = StateTape(model), list[LayerUse]()
    try:
        tf.function(
            lambda tensors: call(tensors, {}, tape, uses), autograph=False
        ).get_concrete_function({input.name: input.spec() for input in signature.inputs})
    except Exception as error:
        shapes = ", ".join(f"{input.name} {input.shape}" for input in signature.inputs)
        raise ExportError(f"the model cannot take single chunks ({shapes}): {error}") from error
    return dict(tape.taken), uses


def _chunks(sequence: Example, chunk: int, limit: int) -> list[Example]:
    """The chunks of one sequence; what has no time axis goes into every one."""
    longest = max(array.shape[1] for array in sequence.values() if array.ndim >= 2)
    return [
        {
            name: array[:, start : start + chunk]
            if array.ndim >= 2 and array.shape[1] == longest
            else array
            for name, array in sequence.items()
        }
        for start in range(0, min(longest, limit * chunk), chunk)
    ]


def _keras_steps(
    function: Callable[[NamedTensors], NamedTensors],
    sequences: list[Example],
    states: Mapping[str, tuple[int, ...]],
    chunk: int,
) -> list[tuple[Example, dict[str, np.ndarray]]]:
    """Inputs (with the states that really occur) and outputs of steps through the sequences."""
    step = tf.function(function, autograph=False)
    steps = []
    for sequence in sequences[:10]:
        state = {name: np.zeros(shape, np.float32) for name, shape in states.items()}
        for inputs in _chunks(sequence, chunk, CALIBRATED_STEPS):
            given = {**inputs, **state}
            outputs = {
                name: value.numpy()
                for name, value in step({n: tf.constant(v) for n, v in given.items()}).items()
            }
            steps.append((given, outputs))
            state = {name: outputs[f"{name}_out"] for name in states}
    return steps


def _proof(
    name: str,
    model: keras.Model,
    whole: ModelSignature,
    sequences: list[Example],
    states: Mapping[str, tuple[int, ...]],
    chunk: int,
) -> Callable[[RuntimeProcess, Path, float], tuple[OutputError, ...]]:
    """Streams sequences through the file, its own states fed back, against Keras on the whole."""
    streamed = [_chunks(sequence, chunk, COMPARED_STEPS) for sequence in sequences[:STREAMED]]
    complete = [_joined(chunks) for chunks in streamed]
    expected = keras_outputs(model, whole, complete)

    def prove(runtime: RuntimeProcess, path: Path, tolerance: float) -> tuple[OutputError, ...]:
        actual = []
        for chunks, reference in zip(streamed, expected, strict=True):
            state = {n: np.zeros(shape, np.float32) for n, shape in states.items()}
            collected: list[dict[str, np.ndarray]] = []
            for inputs in chunks:
                (outputs,) = runtime.run(path, [RuntimeCall({**inputs, **state}, name)])
                state = {n: outputs[f"{n}_out"] for n in states}
                collected.append(outputs)
            actual.append(
                {
                    key: np.concatenate([step[key] for step in collected], axis=1)
                    if _per_timestep(collected[0][key], chunk, value, chunk * len(chunks))
                    else collected[-1][key]
                    for key, value in reference.items()
                }
            )
        return compare(Comparison(name, complete, expected), actual, tolerance)

    return prove


def _per_timestep(part: np.ndarray, chunk: int, whole: np.ndarray, timesteps: int) -> bool:
    return part.ndim >= 2 and part.shape[1] == chunk and whole.shape[1] == timesteps


def _joined(chunks: list[Example]) -> Example:
    return {
        name: np.concatenate([chunk[name] for chunk in chunks], axis=1)
        if chunks[0][name].ndim >= 2
        else chunks[0][name]
        for name in chunks[0]
    }
