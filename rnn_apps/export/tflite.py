"""A Keras model as a .tflite file that is proven on its target's runtime before it is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from pipelines.atomic_files import atomic_path
from rnn_apps.export import conversion_process, refusals
from rnn_apps.export.choice import candidates
from rnn_apps.export.example_data import Example, examples_of, first_example, random_examples
from rnn_apps.export.model_signature import ModelSignature, signature_of
from rnn_apps.export.probing import probe
from rnn_apps.export.replacement import LayerUse, in_float32, with_forms
from rnn_apps.export.results import ExportError, ExportResult, LayerForm, OutputError
from rnn_apps.export.runtime_process import RuntimeCall, RuntimeProcess
from rnn_apps.export.tracing import TracedFunction, write_saved_model
from rnn_apps.export.verification import (
    COMPARED,
    TOLERANCES,
    Comparison,
    compared_inputs,
    keras_outputs,
    require_within,
    run_comparisons,
)

SIGNATURE = "serving_default"

# At most so many sequences are used to calibrate int8.
CALIBRATED = 100


@dataclass(frozen=True)
class Options:
    """What `export_tflite` was asked for, apart from the model; see there."""

    target: str = "litert"
    mode: str = "sequence"
    quantize: str | None = None
    form: str | Mapping[str, str] = "auto"
    timesteps: int | Mapping[str, int] | None = None
    batch_size: int | None = None
    chunk: int = 1
    integer_io: bool = False
    tolerance: float | None = None
    time_limit: float = 120.0

    @property
    def allowed_error(self) -> float:
        """The tolerance asked for, or the one that suits the quantisation."""
        return TOLERANCES[self.quantize] if self.tolerance is None else self.tolerance


@dataclass(frozen=True)
class _Candidate:
    """One converted file with what running it gave."""

    forms: tuple[LayerForm, ...]
    path: Path
    operators: tuple[str, ...]
    errors: tuple[OutputError, ...]
    latency_ms: float


def export_tflite(
    model: keras.Model,
    path: str | Path,
    *,
    target: str = "litert",
    mode: str = "sequence",
    quantize: str | None = None,
    representative_data: Any = None,
    form: str | Mapping[str, str] = "auto",
    timesteps: int | Mapping[str, int] | None = None,
    batch_size: int | None = None,
    chunk: int = 1,
    integer_io: bool | None = None,
    tolerance: float | None = None,
    time_limit: float = 120.0,
    card: bool = True,
) -> ExportResult:
    """Writes `model` as a .tflite file whose outputs on the target's runtime are those of Keras.

    The file is converted and run in child processes, compared with the Keras model in float32, and
    only then put at `path`: whatever goes wrong, nothing is left behind.

    Args:
        model: a built Keras model: Functional, Sequential, nested or subclassed.
        target: "litert" (ai-edge-litert, batch and time stay free where the model has them free) or
            "tflm" (TensorFlow Lite Micro: batch 1, all shapes fixed).
        mode: "sequence" (every call is a sequence of its own) or "streaming" (a signature "step"
            that takes `chunk` timesteps and the states, and gives outputs and new states).
        quantize: None, "dynamic" (int8 weights, LiteRT), "float16" (weights, LiteRT) or "int8".
        representative_data: real inputs, batch first, in the model's own structure (an array, a
            tuple or dict of arrays, or a list of such batches): what the file is compared on and
            what int8 is calibrated with. Random data is used where there is none.
        form: "auto", one of "fused", "loop", "chunked loop", "unrolled", "keras loop" for all
            recurrent layers, or a dict from layer path to form.
        timesteps: fixes the free dimensions besides the batch (a dict: by input name).
        batch_size: fixes the batch.
        chunk: timesteps that one streaming step takes.
        integer_io: int8 files take and give int8; by default so on "tflm" only.
        tolerance: largest allowed |file - Keras| in units of max(0.1, max |Keras|); by default
            1e-5, float16 5e-3, dynamic 0.05, int8 0.1.
        time_limit: seconds for one conversion, and for one run of the file.
        card: write `FILE.md` and `FILE.json` beside the file.

    Raises:
        ExportError: the target cannot run the model as asked (nothing was written), or the
            converted file crashed, hung, or was wrong (nothing is left).
        ConfigurationError: an argument or the representative data cannot be used.
    """
    options = Options(
        target=target,
        mode=mode,
        quantize=quantize,
        form=form,
        timesteps=timesteps,
        batch_size=batch_size,
        chunk=chunk,
        integer_io=(target == "tflm" and quantize == "int8") if integer_io is None else integer_io,
        tolerance=tolerance,
        time_limit=time_limit,
    )
    refusals.refuse_arguments(model, options, representative_data)
    result = _export_sequence(model, Path(path), options, representative_data)
    return _with_card(result, model.name) if card else result


def _export_sequence(model: keras.Model, path: Path, options: Options, data: Any) -> ExportResult:
    batch = 1 if options.target == "tflm" and options.batch_size is None else options.batch_size
    timesteps = options.timesteps
    signature = signature_of(model, first_example(data), batch_size=batch, timesteps=timesteps)
    if options.target == "tflm":
        refusals.refuse_free_shapes(signature)
    if data is None:
        examples = random_examples(model, signature, COMPARED)
    else:
        examples = examples_of(data, signature, CALIBRATED)
    uses = probe(model, signature)
    inputs = compared_inputs(examples, signature)
    comparison = Comparison(SIGNATURE, inputs, keras_outputs(model, signature, inputs))
    return _best(model, signature, options, path, uses, comparison, examples, data is not None)


def _best(
    model: keras.Model,
    signature: ModelSignature,
    options: Options,
    path: Path,
    uses: Sequence[LayerUse],
    comparison: Comparison,
    examples: Sequence[Example],
    real_data: bool,
) -> ExportResult:
    """Converts and measures the candidates and publishes the fastest that is right."""
    good: list[_Candidate] = []
    measured: dict[str, float | str] = {}
    with (
        conversion_process.scratch_folder() as folder,
        RuntimeProcess(options.target, options.time_limit) as runtime,
    ):
        failure: ExportError | None = None
        tried = candidates(uses, options.target, options.quantize, options.form)
        for number, forms in enumerate(tried):
            name = "+".join(dict.fromkeys(form.form for form in forms)) or "none"
            part = folder / str(number)
            try:
                candidate = _make(
                    model, signature, options, forms, part, comparison, examples, runtime
                )
            except ExportError as error:
                failure = failure or error
                measured[name] = str(error)
                continue
            good.append(candidate)
            measured[name] = candidate.latency_ms
            if options.target == "tflm":
                # The order of the rules holds there: a host's clock says nothing about a device's.
                break
        if not good:
            assert failure is not None
            raise failure
        best = min(good, key=lambda candidate: candidate.latency_ms)
        arena = runtime.arena(best.path) if options.target == "tflm" else None
        content = best.path.read_bytes()
    with atomic_path(path) as beside:
        beside.write_bytes(content)
    return ExportResult(
        path=path,
        target=options.target,
        mode=options.mode,
        quantize=options.quantize,
        forms=best.forms,
        signatures=_described(signature, comparison),
        operators=best.operators,
        errors=best.errors,
        bytes=len(content),
        latency_ms=best.latency_ms,
        arena_bytes=arena,
        candidates=measured,
        reference_data="representative" if real_data else "random",
    )


def _make(
    model: keras.Model,
    signature: ModelSignature,
    options: Options,
    forms: tuple[LayerForm, ...],
    folder: Path,
    comparison: Comparison,
    examples: Sequence[Example],
    runtime: RuntimeProcess,
) -> _Candidate:
    """Converts the model with these forms and proves the file."""
    folder.mkdir()
    by_layer = {form.layer: form.form for form in forms}
    traced = TracedFunction(lambda tensors: signature.call(model, tensors), signature.inputs)
    with in_float32(model), with_forms(model, by_layer):
        write_saved_model({SIGNATURE: traced}, folder / "saved_model")
    calibration = None
    if options.quantize == "int8":
        calibration = folder / "calibration.npz"
        conversion_process.write_calibration(calibration, {SIGNATURE: examples})
    path = folder / "model.tflite"
    operators = conversion_process.convert(
        conversion_process.Conversion(
            saved_model=str(folder / "saved_model"),
            signatures=(SIGNATURE,),
            output=str(path),
            quantize=options.quantize,
            integer_io=options.integer_io,
            calibration=None if calibration is None else str(calibration),
            rewrites=("reset_lstm_states",),
        ),
        time_limit=options.time_limit,
    )
    refusals.refuse_operators(operators, forms)
    errors = run_comparisons(runtime, path, [comparison], options.allowed_error)
    require_within(errors, f"the {options.target} file")
    latency = runtime.latency(path, RuntimeCall(comparison.inputs[0], SIGNATURE), seconds=2.0)
    return _Candidate(forms, path, operators, errors, latency.median_ms)


def _described(signature: ModelSignature, comparison: Comparison) -> dict[str, Any]:
    """The signature as the card tells it: shapes with -1 for what is free."""
    return {
        comparison.signature: {
            "inputs": {
                input.name: {
                    "shape": [-1 if size is None else size for size in input.shape],
                    "dtype": input.dtype,
                }
                for input in signature.inputs
            },
            "outputs": {
                name: {"shape": list(value.shape), "dtype": str(value.dtype)}
                for name, value in comparison.expected[0].items()
            },
        }
    }


def _with_card(result: ExportResult, model_name: str) -> ExportResult:
    from rnn_apps.export.card import write_card

    return dataclasses.replace(result, card=write_card(result, model_name=model_name))
