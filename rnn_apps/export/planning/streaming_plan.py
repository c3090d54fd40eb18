"""A streaming signature: a chunk of timesteps and states go in, outputs and new states come out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rnn_apps.export.forms.replaceable_layers import is_of_keras, recurrent_layers
from rnn_apps.export.forms.reshaping import repeats_vector
from rnn_apps.export.planning.plans import SignaturePlan, float_layers
from rnn_apps.export.planning.stream_step import NotThisReadingError, StreamingStep, of_any_length
from rnn_apps.export.processes.runtime_process import RuntimeProcess
from rnn_apps.export.proof.keras_reference import keras_outputs
from rnn_apps.export.proof.layer_records import described
from rnn_apps.export.proof.repeatability import refuse_what_does_not_repeat
from rnn_apps.export.proof.stream_data import (
    FEWEST_CHUNKS,
    Stream,
    chunks_with_masks,
    length_of,
    lengthened,
    sequences_of,
    some_of,
    with_masked_steps,
    with_time,
)
from rnn_apps.export.proof.stream_judgement import (
    Step,
    StreamedSequence,
    compared,
    expected_of,
    refuse_what_differs,
    run_steps,
)
from rnn_apps.export.results import ExportError, OutputError, ProofExtent
from rnn_apps.export.signature.example_data import Example, first_example, spread
from rnn_apps.export.signature.input_arrays import ExampleDataError
from rnn_apps.export.signature.model_signature import InputTensor, ModelSignature, signature_of
from rnn_apps.layers.layers_within import layers_within

# Chunks for which one interpreter runs, within one time limit, if it is not one sequence.
CHUNKS_OF_A_RUN = 200


def streaming_plan(
    name: str,
    model: keras.Model,
    *,
    data: Any = None,
    batch_size: int | None = 1,
    chunk: int = 1,
    quantize: str | None = None,
) -> SignaturePlan:
    """A signature that takes `chunk` timesteps at a time.

    States go in as `{layer}_h` (LSTM also `{layer}_c`) and come out as `{layer}_h_out`. A stream
    starts with states of zeros; the output of a layer that gives its last output only is that
    after the chunk. A model that itself takes states and gives them back keeps their names: an
    input [batch, units] that comes out under the same name, or with "_out" after it, or that is
    the `initial_state` of a layer whose final state is an output.

    Time is free in a stream, also where the model has a fixed number of timesteps: the data are
    sequences of any length, which are cut into chunks. The ranges of int8 are measured on the
    chunks of whole sequences with the states that are carried from one to the next; sequences of
    one chunk would not show them.

    What may stream is not judged by the kinds of layers: Keras itself runs chunk by chunk, and must
    give what it gives for whole sequences.

    Raises:
        ExportError: the model has no recurrent layer, or cannot stream; the layer is named.
        ConfigurationError: the data does not fit the model, or has sequences of one chunk where
            `quantize` is "int8".
    """
    _refuse_without_states(model)
    whole = signature_of(model, first_example(data, any_length=True), batch_size=batch_size or 1)
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
        may_repeat = any(repeats_vector(layer, length or 0) for layer in layers_within(model))
        for repeats in (False, True)[: 1 + may_repeat]:
            for opens_given in (False, True):
                step = StreamingStep(name, model, whole, timed, chunk, opens_given, repeats)
                try:
                    return _plan(step, data, calibrating=quantize == "int8")
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
    for layer in layers_within(model):
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


def _plan(step: StreamingStep, data: Any, calibrating: bool) -> SignaturePlan:
    """The plan of one reading of the model, if Keras' steps give what Keras' whole gives."""
    step.trace()
    stream = step.stream()
    whole = step.whole_signature()
    taken = step.usual_signature() if data is None else whole
    sequences = sequences_of(step.model, taken, data, step.own, stream)
    if calibrating:
        _refuse_single_chunks(sequences, stream)
    masked = any(use.masked for use in step.uses)
    length = length_of(step.usual_signature().inputs, step.timed)
    proven = _proven(step.model, whole, length, stream, sequences, masked, calibrating)
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
        float_layers=float_layers(step.model),
    )


def _proven(
    model: keras.Model,
    whole: ModelSignature,
    length: int | None,
    stream: Stream,
    sequences: list[Example],
    masked: bool,
    calibrating: bool,
) -> list[StreamedSequence]:
    """What a file is proven on: chunks of several sequences, masked timesteps, and one again.

    Where this also calibrates int8, no sequence is made longer by another, with which its states
    would be those of no sequence.
    """
    chosen = _of_a_length_that_keras_takes(model, whole, length, stream, sequences)
    chosen.sort(key=stream.steps_of, reverse=True)
    if stream.steps_of(chosen[0]) < FEWEST_CHUNKS * stream.chunk and not calibrating:
        chosen = [_longer(model, whole, stream, chosen, FEWEST_CHUNKS)]
    if masked:
        chunks = chunks_with_masks(stream)
        long = chosen[0] if calibrating else _longer(model, whole, stream, chosen, chunks)
        chosen.insert(1, with_masked_steps(model, long, stream))
    first, *others = expected_of(model, whole, stream, chosen)
    # The first again, after another stream: it must start from zeros.
    return [first, *others[:1], first, *others[1:]]


def _refuse_single_chunks(sequences: Sequence[Example], stream: Stream) -> None:
    """Refuses data that does not show the states from which an int8 stream goes on."""
    longest = max(map(stream.steps_of, sequences))
    if longest < 2 * stream.chunk:
        smaller = ", or a smaller chunk=" if stream.chunk > 1 else ""
        raise ExampleDataError(
            f"has sequences of one chunk (chunk={stream.chunk} timesteps): the states that an int8 "
            "stream carries from chunk to chunk would have no range. Give whole sequences, "
            "[sequences, timesteps, ...], as long as the streams that will be met; the number of "
            f"timesteps is free here, whatever the model's Input says{smaller}"
        )


def _of_a_length_that_keras_takes(
    model: keras.Model,
    whole: ModelSignature,
    length: int | None,
    stream: Stream,
    sequences: Sequence[Example],
) -> list[Example]:
    """The sequences, cut to what is proven unless the model takes whole ones only.

    Args:
        length: number of timesteps that the model's inputs say; None where it is free.

    Raises:
        ExportError: the model takes one number of timesteps only, which no chunks make up.
    """
    cut = some_of(sequences, stream)
    if _takes(model, whole, stream, cut[0]):
        return cut
    if _takes(model, whole, stream, sequences[0]):
        return spread(sequences, len(cut))
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
        streamed = []
        for run in _runs([sequence.chunks for sequence in proven]):
            streamed.extend(runtime.stream(path, run, stream.name))
        return compared(stream, proven, streamed, tolerance)

    return prove


def _runs(sequences: Sequence[list[Example]]) -> list[list[list[Example]]]:
    """Sequences in groups: the first three, and others of about `CHUNKS_OF_A_RUN` together."""
    runs, others = [list(sequences[:3])], sequences[3:]
    for sequence in others:
        if len(runs) == 1 or sum(map(len, runs[-1])) + len(sequence) > CHUNKS_OF_A_RUN:
            runs.append([])
        runs[-1].append(sequence)
    return runs
