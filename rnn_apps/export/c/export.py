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
from rnn_apps.export.c.options import CodeOptions
from rnn_apps.export.c.programs.blocks import in_blocks
from rnn_apps.export.c.programs.quantisation import quantised
from rnn_apps.export.c.programs.schedule import scheduled
from rnn_apps.export.c.proof.board_figures import board_figures
from rnn_apps.export.c.proof.compiler import Compiler, c_compiler
from rnn_apps.export.c.proof.harness import CompiledCode
from rnn_apps.export.c.proof.proven_builds import proven_builds
from rnn_apps.export.c.refusals import (
    refuse_free_shapes,
    refuse_options,
    refuse_place,
    refuse_request,
)
from rnn_apps.export.c.results import BoardFigure, CodeFolder, CodeResult
from rnn_apps.export.c.writing.code import Code, code_of
from rnn_apps.export.c.writing.folder import write_documents, write_folder
from rnn_apps.export.c.writing.names import check_prefix, prefix_of
from rnn_apps.export.forms.replaceable_layers import layer_name
from rnn_apps.export.options import SignatureRequest
from rnn_apps.export.planning.plans import SignaturePlan, sequence_plan
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.processes.runtime_process import RuntimeCall
from rnn_apps.export.results import OutputError
from rnn_apps.export.signature.example_data import kept_data
from rnn_apps.export.task_metric import TaskMetric, judge

if TYPE_CHECKING:
    from rnn_apps.export.processes.runtime_process import RuntimeProcess

# Each pass of the loop over time projects its own timestep: that needs the least memory.
FORM = "compact loop"
# Calls that boards make; the last one is counted.
BOARD_CALLS = 2


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
    boards: bool = False,
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
        quantize: None (float32), "int8" or "int16x8": weights of 8 bits with a scale per output
            channel, states, gates and activations of 16 bits; what has no integer kernel stays
            float32. "int16x8" has weights of 16 bits where 8 bits change the outputs by more
            than 0.5 % on the data, as in a SimpleRNN, and its proof allows half the error.
        representative_data: real inputs that the code is compared on, and on which the ranges of
            integers are measured; see `export_tflite`. Random data is used where there is none.
        timesteps: number of timesteps where the model leaves it free (a dict: by input name).
        batch_size: rows that one call takes; 1 unless the model itself fixes another number.
        chunk: timesteps of one streaming step.
        name: beginning of all names in the code; by default made from the model's name.
        tolerance: largest allowed |C - Keras| in units of max(0.1, max |Keras|); by default
            1e-5, int8 0.1, int16x8 0.05.
        time_limit: seconds for one run of the compiler, and of the compiled code.
        metric: the task's metric, which the code must keep; it is on the card.
        integer_io: True for inputs and outputs of 16 bits with a scale each, and functions that
            convert real numbers; needs quantize="int8" or "int16x8".
        boards: True to run the code on emulated microcontrollers as well, whose instructions and
            machine code are then on the card; needs a cross-compiler and QEMU for Arm or RISC-V,
            and measures on the cores that they are installed for.

    Raises:
        ExportError: the model has something that cannot be C (nothing is written), there is no
            compiler, or the compiled code failed or is wrong (nothing is left).
        ConfigurationError: an argument or the representative data cannot be used.
    """
    request = SignatureRequest(model, mode, representative_data, timesteps, batch_size, chunk)
    options = CodeOptions(quantize, tolerance, time_limit, integer_io, boards)
    written = _exported({"": request}, Path(folder), name, options, metric)
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
    options = CodeOptions(quantize, tolerance, time_limit)
    return _exported(requests, Path(folder), name, options, metric)


def _exported(
    requests: Mapping[str, SignatureRequest],
    path: Path,
    name: str | None,
    options: CodeOptions,
    metric: TaskMetric | None,
) -> CodeFolder:
    for request in requests.values():
        refuse_request(request, options.quantize)
    refuse_options(options)
    refuse_place(path)
    model_name = next(iter(requests.values())).model.name
    prefix = prefix_of(model_name) if name is None else check_prefix(name)
    compiler = c_compiler(options.time_limit)
    plans: list[SignaturePlan] = []
    codes: list[Code] = []
    results: dict[str, CodeResult] = {}
    for key, request in requests.items():
        own = f"{prefix}_{key}" if key else prefix
        plan = _plan(key, request, options.quantize)
        call = "step" if request.mode == "streaming" else "run"
        code = code_for(plan, own, call, request.model.name, options.quantize, options.integer_io)
        with tempfile.TemporaryDirectory() as made:
            results[key] = _proven(code, Path(made), compiler, plan, options, path, request.mode)
        plans.append(plan)
        codes.append(code)
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
        quantize: None, "int8" or "int16x8".
        integer_io: True for inputs and outputs of 16 bits.

    Raises:
        ExportError: the plan has an operator or a shape that cannot be C.
    """
    refuse_free_shapes(plan)
    states = _states(plan) if call == "step" else {}
    forms = {layer_name(use.layer): FORM for use in plan.uses}
    program = scheduled(lowered(plan.traced(forms), states, plan.float_layers))
    if quantize is not None:
        finer = quantize == "int16x8"
        program = quantised(program, plan.calibration, integer_io, finer)
    else:
        program = in_blocks(program)
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
            quantize=None if quantize is None else "int8",
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
    options: CodeOptions,
    path: Path,
    mode: str,
) -> CodeResult:
    """Compiles and runs the code and compares it with Keras."""
    (scratch / f"{code.interface.prefix}.h").write_text(code.header, encoding="ascii")
    source = scratch / f"{code.interface.prefix}.c"
    source.write_text(code.source, encoding="ascii")

    def prove(program: CompiledCode) -> tuple[OutputError, ...]:
        # Plans know runtimes by `run` and `stream`, which the compiled code has as well.
        return plan.prove(cast("RuntimeProcess", program), path, options.allowed_error)

    limit = options.time_limit
    proven = proven_builds(code, scratch, compiler, limit, prove, plan.calibration)
    boards: dict[str, BoardFigure] = {}
    if options.boards:
        names = [one.name for one in code.interface.inputs]
        given = [{name: one[name] for name in names} for one in plan.calibration[:BOARD_CALLS]]
        here = proven.program.run(path, [RuntimeCall(one) for one in given])
        boards = board_figures(source, code.interface, given, here, scratch)
    return CodeResult(
        folder=path,
        interface=code.interface,
        mode=mode,
        errors=proven.errors,
        cost=proven.cost,
        compiler=compiler.version,
        sanitized=proven.program.sanitized,
        reference_data="representative" if plan.real_data else "random",
        measured_on=plan.extent(None),
        quantize=options.quantize,
        boards=boards,
        check=proven.check,
    )
