"""Keras models as a folder of C code that is proven before it is there."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from pipelines.base.atomic_files import atomic_folder
from rnn_apps.export.c.lowering.graph import lowered
from rnn_apps.export.c.programs.quantisation import quantised
from rnn_apps.export.c.programs.schedule import scheduled
from rnn_apps.export.c.proof.compiler import Compiler, c_compiler
from rnn_apps.export.c.proof.cost import cost_of
from rnn_apps.export.c.proof.harness import compiled
from rnn_apps.export.c.refusals import (
    refuse_free_shapes,
    refuse_options,
    refuse_place,
    refuse_request,
)
from rnn_apps.export.c.results import CodeFolder, CodeResult
from rnn_apps.export.c.writing.code import Code, code_of
from rnn_apps.export.c.writing.folder import write_documents, write_folder
from rnn_apps.export.c.writing.names import check_prefix, prefix_of
from rnn_apps.export.forms.replaceable_layers import layer_name
from rnn_apps.export.options import SignatureRequest
from rnn_apps.export.planning.plans import SignaturePlan, sequence_plan
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.proof.comparison import require_within
from rnn_apps.export.results import TOLERANCES
from rnn_apps.export.signature.example_data import kept_data
from rnn_apps.export.task_metric import TaskMetric, judge

if TYPE_CHECKING:
    from rnn_apps.export.processes.runtime_process import RuntimeProcess

# Each pass of the loop over time projects its own timestep: that needs the least memory.
FORM = "compact loop"


def export_c(
    model: keras.Model,
    folder: str | Path,
    *,
    mode: str = "sequence",
    quantize: str | None = None,
    representative_data: Any = None,
    timesteps: int | Mapping[str, int] | None = None,
    batch_size: int | None = None,
    chunk: int = 1,
    name: str | None = None,
    tolerance: float | None = None,
    time_limit: float = 120.0,
    metric: TaskMetric | None = None,
    integer_io: bool = False,
) -> CodeResult:
    """Writes `model` as C99 whose outputs are those of Keras.

    The code has one header and one source, keeps all its memory in a struct that the caller owns,
    and needs no library. It is compiled with this computer's compiler and run in a child process
    under sanitizers, compared with Keras, and only then put at `folder`.

    Args:
        model: a built Keras model: Functional, Sequential, nested or subclassed.
        folder: folder to write; an earlier export of C code there is replaced.
        mode: "sequence" (each call of NAME_run is a sequence of its own) or "streaming" (each call
            of NAME_step takes `chunk` timesteps, and the states stay in the caller's struct).
        quantize: None (float32) or "int8": weights of 8 bits with a scale per output channel,
            states, gates and activations of 16 bits; what has no integer kernel stays float32.
        representative_data: real inputs that the code is compared on, and on which the ranges of
            int8 are measured; see `export_tflite`. Random data is used where there is none.
        timesteps: number of timesteps where the model leaves it free (a dict: by input name).
        batch_size: rows that one call takes; 1 unless the model itself fixes another number.
        chunk: timesteps of one streaming step.
        name: beginning of all names in the code; by default made from the model's name.
        tolerance: largest allowed |C - Keras| in units of max(0.1, max |Keras|); by default
            1e-5, int8 0.1.
        time_limit: seconds for one run of the compiler, and of the compiled code.
        metric: the task's metric, which the code must keep; it is on the card.
        integer_io: True for inputs and outputs of 16 bits with a scale each, and functions that
            convert real numbers; needs quantize="int8".

    Raises:
        ExportError: the model has something that cannot be C (nothing is written), there is no
            compiler, or the compiled code failed or is wrong (nothing is left).
        ConfigurationError: an argument or the representative data cannot be used.
    """
    request = SignatureRequest(model, mode, representative_data, timesteps, batch_size, chunk)
    written = _exported(
        {"": request}, Path(folder), quantize, name, tolerance, time_limit, metric, integer_io
    )
    (result,) = written.functions.values()
    return dataclasses.replace(result, metric=written.metric)


def export_c_functions(
    requests: Mapping[str, SignatureRequest],
    folder: str | Path,
    *,
    name: str,
    quantize: str | None = None,
    tolerance: float | None = None,
    time_limit: float = 120.0,
    metric: TaskMetric | None = None,
) -> CodeFolder:
    """Writes several models as one library of C code, each a function of its own.

    Every function has a header, a source and a struct of memory: NAME_KEY.h and NAME_KEY.c.

    Args:
        requests: models by the names (keys) of their functions, such as "encode".
        folder: folder to write; see `export_c`.
        name: beginning of all names in the code.
        quantize, tolerance, time_limit, metric: options that hold for all of them; see `export_c`.

    Raises:
        ExportError, ConfigurationError: see `export_c`.
    """
    for key in requests:
        check_prefix(f"{name}_{key}")
    return _exported(requests, Path(folder), quantize, name, tolerance, time_limit, metric)


def _exported(
    requests: Mapping[str, SignatureRequest],
    path: Path,
    quantize: str | None,
    name: str | None,
    tolerance: float | None,
    time_limit: float,
    metric: TaskMetric | None,
    integer_io: bool = False,
) -> CodeFolder:
    for request in requests.values():
        refuse_request(request, quantize)
    refuse_options(quantize, tolerance, integer_io)
    refuse_place(path)
    model_name = next(iter(requests.values())).model.name
    prefix = prefix_of(model_name) if name is None else check_prefix(name)
    compiler = c_compiler(time_limit)
    allowed = TOLERANCES[quantize] if tolerance is None else tolerance
    plans: list[SignaturePlan] = []
    codes: list[Code] = []
    results: dict[str, CodeResult] = {}
    for key, request in requests.items():
        own = f"{prefix}_{key}" if key else prefix
        plan = _plan(key, request, quantize)
        call = "step" if request.mode == "streaming" else "run"
        code = code_for(plan, own, call, request.model.name, quantize, integer_io)
        with tempfile.TemporaryDirectory() as made:
            result = _proven(
                code, Path(made), compiler, plan, allowed, time_limit, path, request.mode
            )
        plans.append(plan)
        codes.append(code)
        results[key] = dataclasses.replace(result, quantize=quantize)
    written = CodeFolder(path, prefix, model_name, results)
    with atomic_folder(path) as beside:
        sources = {code.interface.prefix: (code.header, code.source) for code in codes}
        write_folder(beside, sources, written)
        if metric is not None:
            written = dataclasses.replace(written, metric=judge(metric, plans, beside, "c"))
            write_documents(beside, written)
    return written


def code_for(
    plan: SignaturePlan,
    prefix: str,
    call: str,
    model_name: str,
    quantize: str | None = None,
    integer_io: bool = False,
) -> Code:
    """The C code of a plan, not proven yet.

    Args:
        plan: signature with fixed shapes.
        prefix: beginning of all names.
        call: "run" or "step".
        model_name: name of the Keras model.
        quantize: None or "int8".
        integer_io: True for inputs and outputs of 16 bits.

    Raises:
        ExportError: the plan has an operator or a shape that cannot be C.
    """
    refuse_free_shapes(plan)
    states = _states(plan) if call == "step" else {}
    forms = {layer_name(use.layer): FORM for use in plan.uses}
    program = scheduled(lowered(plan.traced(forms), states))
    if quantize is not None:
        program = quantised(program, plan.calibration, integer_io)
    return code_of(program, prefix, call, f"The Keras model {json.dumps(model_name)} in C")


def _states(plan: SignaturePlan) -> dict[str, tuple[int, ...]]:
    """The inputs that are states, by the rule of all streaming signatures."""
    return {
        given.name: tuple(size or 0 for size in given.shape)
        for given in plan.inputs
        if f"{given.name}_out" in plan.outputs
    }


def _plan(key: str, request: SignatureRequest, quantize: str | None) -> SignaturePlan:
    model, data = request.model, kept_data(request.representative_data)
    batch = request.batch_size or _own_batch(model) or 1
    if request.mode == "streaming":
        return streaming_plan(
            key or "step", model, data=data, batch_size=batch, chunk=request.chunk,
            quantize=quantize,
        )  # fmt: skip
    return sequence_plan(
        key or "serving_default", model, data=data, batch_size=batch, timesteps=request.timesteps
    )


def _own_batch(model: keras.Model) -> int | None:
    batches = {tensor.shape[0] for tensor in getattr(model, "inputs", None) or ()}
    return batches.pop() if len(batches) == 1 else None


def _proven(
    code: Code,
    scratch: Path,
    compiler: Compiler,
    plan: SignaturePlan,
    allowed: float,
    time_limit: float,
    path: Path,
    mode: str,
) -> CodeResult:
    """Compiles and runs the code and compares it with Keras."""
    (scratch / f"{code.interface.prefix}.h").write_text(code.header, encoding="ascii")
    (scratch / f"{code.interface.prefix}.c").write_text(code.source, encoding="ascii")
    program = compiled(code, scratch, compiler, time_limit)
    # Plans know runtimes by `run` and `stream`, which the compiled code has as well.
    errors = plan.prove(cast("RuntimeProcess", program), path, allowed)
    require_within(errors, "the C code")
    return CodeResult(
        folder=path,
        interface=code.interface,
        mode=mode,
        errors=errors,
        cost=cost_of(code, scratch, compiler),
        compiler=compiler.version,
        sanitized=program.sanitized,
        reference_data="representative" if plan.real_data else "random",
        measured_on=plan.extent(None),
    )
