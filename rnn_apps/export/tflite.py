"""A Keras model as a .tflite file that is proven on its target's runtime before it is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import ConfigurationError
from rnn_apps.export import refusals
from rnn_apps.export.options import Options, SignatureRequest
from rnn_apps.export.planning.plans import SignaturePlan, sequence_plan
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.processes import conversion_process
from rnn_apps.export.proof.comparison import write_reference
from rnn_apps.export.publishing import publish
from rnn_apps.export.results import ExportResult
from rnn_apps.export.signature.example_data import first_example, kept_data
from rnn_apps.export.signature.model_signature import signature_of
from rnn_apps.export.task_metric import TaskMetric

SEQUENCE_SIGNATURE = "serving_default"
STREAMING_SIGNATURE = "step"


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
    keep_reference: bool = False,
    metric: TaskMetric | None = None,
) -> ExportResult:
    """Writes `model` as a .tflite file whose outputs on the target's runtime are those of Keras.

    The file is converted and run in child processes, compared with the Keras model in float32, and
    only then put at `path`: whatever goes wrong, nothing is left behind.

    Args:
        model: a built Keras model: Functional, Sequential, nested or subclassed.
        target: runtime that the file is for: "litert" (ai-edge-litert; batch and time stay free
            where the model has them free) or "tflm" (TensorFlow Lite Micro; batch 1, all shapes
            fixed).
        mode: use of the model: "sequence" (every call is a sequence of its own) or "streaming" (a
            signature "step" that takes `chunk` timesteps and the states, and returns outputs and
            new states).
        quantize: kind of quantisation: None, "dynamic" (int8 weights, LiteRT), "float16" (weights,
            LiteRT) or "int8".
        representative_data: real inputs, batch first, in the model's own structure (an array, a
            tuple or dict of arrays, or a list of such batches). The file is compared with Keras on
            them, and int8 is calibrated with them. Random data is used if None. All sequences are
            used, or some hundred that are spread evenly over much data. For a stream these are
            whole sequences of any length, for int8 of at least two chunks.
        form: form of the recurrent layers: "auto" (the fastest, measured on LiteRT), "rule" (the
            best by rule, unmeasured), one of "fused", "blocked loop", "loop", "chunked loop",
            "compact loop", "unrolled", "keras loop" for all of them, or a dict from layer path to
            form.
        timesteps: number of timesteps that fixes the free dimensions other than the batch; a dict
            fixes those of the named inputs.
        batch_size: batch size to fix.
        chunk: number of timesteps per streaming step.
        integer_io: true if int8 files take and return int8; by default on "tflm" only.
        tolerance: largest allowed |file - Keras| in units of max(0.1, max |Keras|); by default
            1e-5, float16 5e-3, dynamic 0.05, int8 0.1.
        time_limit: seconds for one conversion, and for one run of the file; time in which the child
            process waits for a processor does not count.
        card: true to write a card next to the file, as Markdown and as JSON.
        keep_reference: true to write `FILE.reference.npz` next to the file: the inputs that it was
            compared on and Keras' outputs, with which `verify` needs no model.
        metric: the task's own metric, measured with Keras and with the file before it is published;
            both figures are in the result and on the card.

    Raises:
        ExportError: the target cannot run the model as asked (nothing was written), or the
            converted file crashed, hung, was wrong or does its task too badly (nothing is left).
        ConfigurationError: an argument or the representative data cannot be used.
    """
    options = Options(
        target=target,
        mode=mode,
        quantize=quantize,
        form=form,
        integer_io=(target == "tflm" and quantize == "int8") if integer_io is None else integer_io,
        tolerance=tolerance,
        time_limit=time_limit,
    )
    request = SignatureRequest(model, mode, representative_data, timesteps, batch_size, chunk)
    refusals.refuse_request(request, options)
    refusals.refuse_place(Path(path), is_folder=False)
    if keep_reference and mode == "streaming":
        raise ConfigurationError("keep_reference: a stream has no reference of single calls")
    conversion_process.prepare()
    name = STREAMING_SIGNATURE if mode == "streaming" else SEQUENCE_SIGNATURE
    plan = _plan(name, request, options)
    result = publish([plan], Path(path), options, metric)
    if keep_reference:
        _keep_reference(plan, result.path)
    return _with_card(result, model.name) if card else result


def export_signatures(
    signatures: Mapping[str, keras.Model | SignatureRequest],
    path: str | Path,
    *,
    quantize: str | None = None,
    form: str | Mapping[str, str] = "auto",
    tolerance: float | None = None,
    time_limit: float = 120.0,
    card: bool = True,
    metric: TaskMetric | None = None,
) -> ExportResult:
    """Writes one LiteRT file with several signatures, such as `encode` and `decode_step`.

    Weights that the models share are in the file once. Every signature is compared with its own
    Keras model. The other arguments are those of `export_tflite`.

    Args:
        signatures: name -> a Keras model (whole sequences) or a `SignatureRequest`, which also
            makes `step` signatures and carries representative data.

    Raises:
        ExportError, ConfigurationError: as `export_tflite`.
    """
    options = Options(quantize=quantize, form=form, tolerance=tolerance, time_limit=time_limit)
    refusals.refuse_place(Path(path), is_folder=False)
    if not signatures:
        raise ConfigurationError("export_signatures needs at least one signature")
    requests = {
        name: item if isinstance(item, SignatureRequest) else SignatureRequest(item)
        for name, item in signatures.items()
    }
    for name, request in requests.items():
        if not name.isidentifier():
            raise ConfigurationError(f"{name!r} cannot be a signature's name: use letters and _")
        refusals.refuse_request(request, options)
    conversion_process.prepare()
    options = dataclasses.replace(options, mode="+".join(r.mode for r in requests.values()))
    plans = [_plan(name, request, options) for name, request in requests.items()]
    result = publish(plans, Path(path), options, metric)
    model_name = " + ".join(dict.fromkeys(request.model.name for request in requests.values()))
    return _with_card(result, model_name) if card else result


def _plan(name: str, request: SignatureRequest, options: Options) -> SignaturePlan:
    request = dataclasses.replace(
        request, representative_data=kept_data(request.representative_data)
    )
    batch = request.batch_size
    # A step has states of its own for every row, so that its batch is always fixed.
    if batch is None and (options.target == "tflm" or request.mode == "streaming"):
        batch = _own_batch(request.model) or 1
    if request.mode == "streaming":
        return streaming_plan(
            name,
            request.model,
            data=request.representative_data,
            batch_size=batch,
            chunk=request.chunk,
            quantize=options.quantize,
        )
    if options.target == "tflm":
        example = first_example(request.representative_data)
        signature = signature_of(
            request.model, example, batch_size=batch, timesteps=request.timesteps
        )
        refusals.refuse_free_shapes(signature.inputs)
    return sequence_plan(
        name,
        request.model,
        data=request.representative_data,
        batch_size=batch,
        timesteps=request.timesteps,
    )


def _keep_reference(plan: SignaturePlan, path: Path) -> None:
    assert plan.comparison is not None
    with atomic_path(path.with_name(path.name + ".reference.npz")) as beside:
        write_reference(beside, plan.comparison)


def _own_batch(model: keras.Model) -> int | None:
    """The batch size that a model's Input layers fix."""
    inputs: Sequence[Any] = getattr(model, "inputs", None) or ()
    batches = {tensor.shape[0] for tensor in inputs}
    return batches.pop() if len(batches) == 1 else None


def _with_card(result: ExportResult, model_name: str) -> ExportResult:
    from rnn_apps.export.card import write_card

    return dataclasses.replace(result, card=write_card(result, model_name=model_name))
