"""A streaming signature: a chunk of timesteps and the states in, outputs and new states out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rnn_apps.export.example_data import Example, first_example
from rnn_apps.export.layer_records import described
from rnn_apps.export.layers import all_layers, is_of_keras, recurrent_layers
from rnn_apps.export.model_signature import InputTensor, ModelSignature, signature_of
from rnn_apps.export.plans import SignaturePlan
from rnn_apps.export.repeatability import refuse_what_does_not_repeat
from rnn_apps.export.reshaping import repeats_vector
from rnn_apps.export.results import ExportError, OutputError, ProofExtent
from rnn_apps.export.runtime_process import RuntimeProcess
from rnn_apps.export.stream_data import (
    FEWEST_CHUNKS,
    Stream,
    chunks_with_masks,
    length_of,
    lengthened,
    sequences_of,
    with_masked_steps,
    with_time,
)
from rnn_apps.export.stream_judgement import (
    Step,
    StreamedSequence,
    compared,
    expected_of,
    refuse_what_differs,
    run_steps,
)
from rnn_apps.export.stream_step import NotThisReadingError, StreamingStep, of_any_length
from rnn_apps.export.verification import keras_outputs

# Sequences that are streamed one after another, and the most chunks of each.
STREAMED = 8
COMPARED_CHUNKS = 64


def streaming_plan(
    name: str, model: keras.Model, *, data: Any = None, batch_size: int | None = 1, chunk: int = 1
) -> SignaturePlan:
    """A signature that takes `chunk` timesteps at a time.

    States go in as `{layer}_h` (LSTM also `{layer}_c`) and come out as `{layer}_h_out`. A stream
    starts with states of zeros; the output of a layer that gives its last output only is that
    after the chunk. A model that itself takes states and gives them back keeps their names: an
    input [batch, units] that comes out under the same name, or with "_out" after it, or that is
    the `initial_state` of a layer whose final state is an output.

    What may stream is not judged by the kinds of layers: Keras itself runs chunk by chunk, and must
    give what it gives for whole sequences.

    Raises:
        ExportError: the model has no recurrent layer, or cannot stream; the layer is named.
        ConfigurationError: the data does not fit the model.
    """
    _refuse_without_states(model)
    whole = signature_of(model, first_example(data), batch_size=batch_size or 1)
    # A model with a fixed number of timesteps refuses a shorter chunk, its layers don't.
    whole = dataclasses.replace(
        whole, any_length=True, inputs=tuple(of_any_length(input) for input in whole.inputs)
    )
    readings = with_time(whole.inputs)
    if not readings:
        raise ExportError(
            "no input of the model is a sequence, [batch, timesteps, ...], that could be streamed: "
            + ", ".join(f"{input.name} {input.shape}" for input in whole.inputs)
        )
    failures: list[ExportError] = []
    misread: list[ExportError] = []
    for timed in readings:
        # A RepeatVector gives a row of features to every timestep, or to a decoder.
        length = length_of(whole.inputs, timed)
        may_repeat = any(repeats_vector(layer, length or 0) for layer in all_layers(model))
        for repeats in (False, True)[: 1 + may_repeat]:
            for opens_given in (False, True):
                step = StreamingStep(name, model, whole, timed, chunk, opens_given, repeats)
                try:
                    return _plan(step, data)
                except NotThisReadingError as failure:
                    misread.append(failure)
                except ExportError as failure:
                    failures.append(failure)
                if not step.has_given_states:
                    break
    raise [*failures, *misread][0]


def _refuse_without_states(model: keras.Model) -> None:
    """Refuses models that have no state which a step could carry."""
    if recurrent_layers(model):
        return
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.RNN):
            why = (
                "has a loop of its own (`inner_loop`)"
                if not is_of_keras(type(layer).inner_loop)
                else "has states that are images"
            )
            raise ExportError(
                f"{described(layer)} {why}, so that no step can take up its state: choose "
                'mode="sequence"'
            )
    raise ExportError("streaming needs a recurrent layer whose state goes from step to step")


def _plan(step: StreamingStep, data: Any) -> SignaturePlan:
    """The plan of one reading of the model, if Keras' steps give what Keras' whole gives."""
    step.trace()
    stream = step.stream()
    whole = step.whole_signature()
    sequences = sequences_of(step.model, whole, data, step.own, stream)
    masked = any(use.masked for use in step.uses)
    proven = _proven(step.model, whole, stream, sequences, masked)
    (again,) = keras_outputs(step.model, whole, [proven[0].whole])
    refuse_what_does_not_repeat(step.model, whole, proven[0].whole, proven[0].expected, again)
    keras_step = step.compiled("keras loop")
    refuse_what_differs(step.model, whole, stream, proven, keras_step, step.watched("keras loop"))
    # Each sequence once: a file is proven on all that calibrates it.
    different = list({id(sequence.whole): sequence for sequence in proven}.values())
    steps = _steps_with_states(keras_step, stream, different)
    added = (InputTensor(n, shape, "float32") for n, shape in step.states.items())
    return SignaturePlan(
        name=step.name,
        inputs=(*step.signature.inputs, *added),
        outputs=steps[0][1],
        uses=tuple(step.uses),
        function=step.function,
        calibration=[inputs for inputs, _ in steps],
        reference=keras_step,
        prove=_proof(stream, proven),
        real_data=data is not None,
        proven=ProofExtent(
            len(different), max(len(s.chunks) for s in different) * step.chunk, step.chunk
        ),
    )


def _proven(
    model: keras.Model,
    whole: ModelSignature,
    stream: Stream,
    sequences: list[Example],
    masked: bool,
) -> list[StreamedSequence]:
    """What a file is proven on: chunks of several sequences, masked timesteps, and one again."""
    chosen = _of_a_length_that_keras_takes(model, whole, stream, sequences[:STREAMED])
    if stream.steps_of(chosen[0]) < FEWEST_CHUNKS * stream.chunk:
        chosen = [_longer(model, whole, stream, chosen, FEWEST_CHUNKS)]
    if masked:
        long = _longer(model, whole, stream, chosen, chunks_with_masks(stream))
        chosen.append(with_masked_steps(model, long, stream))
    proven = [expected_of(model, whole, stream, sequence) for sequence in chosen]
    # Another stream, after others: it begins anew.
    return [*proven, proven[0]]


def _of_a_length_that_keras_takes(
    model: keras.Model, whole: ModelSignature, stream: Stream, sequences: Sequence[Example]
) -> list[Example]:
    """The sequences, cut to what is proven unless the model takes whole ones only.

    Raises:
        ExportError: the model takes one number of timesteps only, which no chunks make up.
    """
    limit = COMPARED_CHUNKS * stream.chunk
    cut = [
        {n: a[:, :limit] if n in stream.timed else a for n, a in sequence.items()}
        for sequence in sequences
    ]
    if _takes(model, whole, stream, cut[0]):
        return cut
    if _takes(model, whole, stream, sequences[0]):
        return list(sequences)
    length = length_of(whole.inputs, stream.timed)
    if length is not None and length % stream.chunk:
        raise ExportError(
            f"the model takes sequences of {length} timesteps only, which chunks of {stream.chunk} "
            f"do not make up: choose a chunk= that divides {length}"
        )
    return cut


def _takes(model: keras.Model, whole: ModelSignature, stream: Stream, sequence: Example) -> bool:
    """Whether Keras computes the model on as many timesteps as the sequence has."""
    steps = stream.steps_of(sequence)
    try:
        keras_outputs(model, whole, [stream.cut(sequence, steps // stream.chunk)])
    except ExportError:
        return False
    return True


def _longer(
    model: keras.Model,
    whole: ModelSignature,
    stream: Stream,
    sequences: list[Example],
    chunks: int,
) -> Example:
    """A sequence of as many chunks, or what there is where Keras takes no longer one.

    Raises:
        ExportError: what there is, is one chunk: nothing would go from one to the next.
    """
    longer = lengthened(sequences, stream, chunks)
    if _takes(model, whole, stream, longer):
        return longer
    if stream.steps_of(sequences[0]) >= 2 * stream.chunk:
        return sequences[0]
    raise ExportError(
        f"the sequences of representative_data have one chunk of {stream.chunk} timesteps, and the "
        "model takes no longer ones. A stream is proven on two chunks and more: choose a smaller "
        "chunk="
    )


def _steps_with_states(
    step: Step, stream: Stream, sequences: Sequence[StreamedSequence]
) -> list[tuple[Example, dict[str, np.ndarray]]]:
    """Inputs (with the states that really occur) and outputs of steps through the sequences."""
    steps = []
    for sequence in sequences:
        state = stream.start()
        outputs = run_steps(step, stream, sequence.chunks)
        for inputs, made in zip(sequence.chunks, outputs, strict=True):
            steps.append(({**inputs, **state}, made))
            state = {name: made[f"{name}_out"] for name in stream.states}
    return steps


def _proof(
    stream: Stream, proven: Sequence[StreamedSequence]
) -> Callable[[RuntimeProcess, Path, float], tuple[OutputError, ...]]:
    """Streams sequences through the file, one after another, against Keras on the whole."""

    def prove(runtime: RuntimeProcess, path: Path, tolerance: float) -> tuple[OutputError, ...]:
        sequences = [sequence.chunks for sequence in proven]
        streamed = runtime.stream(path, sequences, stream.name)
        return compared(stream.name, proven, streamed, tolerance)

    return prove
