"""A Keras model as a folder of C code that is proven before it is there."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from pipelines.base.atomic_files import atomic_folder
from pipelines.base.errors import ConfigurationError
from rnn_apps.export import refusals
from rnn_apps.export.c.lowering.graph import lowered
from rnn_apps.export.c.programs.quantisation import quantised
from rnn_apps.export.c.programs.schedule import scheduled
from rnn_apps.export.c.proof.compiler import Compiler, c_compiler
from rnn_apps.export.c.proof.cost import cost_of
from rnn_apps.export.c.proof.harness import compiled
from rnn_apps.export.c.results import CodeResult
from rnn_apps.export.c.writing.code import Code, code_of
from rnn_apps.export.c.writing.folder import write_folder
from rnn_apps.export.c.writing.names import check_prefix, prefix_of
from rnn_apps.export.forms.replaceable_layers import layer_name
from rnn_apps.export.planning.plans import SignaturePlan, sequence_plan
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.proof.comparison import require_within
from rnn_apps.export.results import MODES, TOLERANCES, ExportError
from rnn_apps.export.signature.example_data import kept_data

if TYPE_CHECKING:
    from rnn_apps.export.processes.runtime_process import RuntimeProcess

CARD = "card.json"
QUANTIZATIONS = (None, "int8")
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

    Raises:
        ExportError: the model has something that cannot be C (nothing is written), there is no
            compiler, or the compiled code failed or is wrong (nothing is left).
        ConfigurationError: an argument or the representative data cannot be used.
    """
    _refuse_arguments(model, mode, timesteps, batch_size, chunk, tolerance)
    _refuse_quantisation(quantize, representative_data)
    path = Path(folder)
    refuse_place(path)
    prefix = prefix_of(model.name) if name is None else check_prefix(name)
    compiler = c_compiler(time_limit)
    data = kept_data(representative_data)
    plan = _plan(model, mode, quantize, data, timesteps, batch_size, chunk)
    call = "step" if mode == "streaming" else "run"
    code = code_for(plan, prefix, call, model.name, quantize)
    allowed = TOLERANCES[quantize] if tolerance is None else tolerance
    with tempfile.TemporaryDirectory() as made:
        result = _proven(code, Path(made), compiler, plan, allowed, time_limit, path, mode)
        result = dataclasses.replace(result, quantize=quantize)
    with atomic_folder(path) as beside:
        write_folder(beside, code, result, model.name)
    return result


def code_for(
    plan: SignaturePlan, prefix: str, call: str, model_name: str, quantize: str | None = None
) -> Code:
    """The C code of a plan, not proven yet.

    Args:
        plan: signature with fixed shapes.
        prefix: beginning of all names.
        call: "run" or "step".
        model_name: name of the Keras model.
        quantize: None or "int8".

    Raises:
        ExportError: the plan has an operator or a shape that cannot be C.
    """
    _refuse_free_shapes(plan)
    states = _states(plan) if call == "step" else {}
    forms = {layer_name(use.layer): FORM for use in plan.uses}
    program = scheduled(lowered(plan.traced(forms), states))
    if quantize is not None:
        program = quantised(program, plan.calibration)
    return code_of(program, prefix, call, f"The Keras model {json.dumps(model_name)} in C")


def _states(plan: SignaturePlan) -> dict[str, tuple[int, ...]]:
    """The inputs that are states, by the rule of all streaming signatures."""
    return {
        given.name: tuple(size or 0 for size in given.shape)
        for given in plan.inputs
        if f"{given.name}_out" in plan.outputs
    }


def _plan(
    model: keras.Model,
    mode: str,
    quantize: str | None,
    data: Any,
    timesteps: int | Mapping[str, int] | None,
    batch_size: int | None,
    chunk: int,
) -> SignaturePlan:
    batch = batch_size or _own_batch(model) or 1
    if mode == "streaming":
        return streaming_plan(
            "step", model, data=data, batch_size=batch, chunk=chunk, quantize=quantize
        )
    return sequence_plan("run", model, data=data, batch_size=batch, timesteps=timesteps)


def _refuse_quantisation(quantize: str | None, data: Any) -> None:
    if quantize not in QUANTIZATIONS:
        known = ", ".join(map(repr, QUANTIZATIONS))
        raise ConfigurationError(f"quantize = {quantize!r}: for C choose from {known}")
    if quantize is not None and data is None:
        raise ExportError(
            'quantize="int8" needs representative_data: real sequences of full length, from which '
            "the ranges of all activations are measured"
        )


def _own_batch(model: keras.Model) -> int | None:
    batches = {tensor.shape[0] for tensor in getattr(model, "inputs", None) or ()}
    return batches.pop() if len(batches) == 1 else None


def _refuse_arguments(
    model: Any,
    mode: str,
    timesteps: int | Mapping[str, int] | None,
    batch_size: int | None,
    chunk: int,
    tolerance: float | None,
) -> None:
    refusals.refuse_model(model)
    if mode not in MODES:
        raise ConfigurationError(f"mode = {mode!r}: choose from {', '.join(MODES)}")
    given = list(timesteps.values()) if isinstance(timesteps, Mapping) else [timesteps]
    for name, number in [("timesteps", n) for n in given] + [
        ("batch_size", batch_size),
        ("chunk", chunk),
    ]:
        if number is not None and not (isinstance(number, Integral) and int(number) >= 1):
            raise ConfigurationError(f"{name} = {number!r} must be a whole number from 1 on")
    if tolerance is not None and not tolerance >= 0:
        raise ConfigurationError(f"tolerance = {tolerance} must be at least 0")
    if mode == "streaming" and timesteps is not None:
        raise ConfigurationError("a streaming step takes chunk= timesteps; leave out timesteps")
    if mode == "sequence" and chunk != 1:
        raise ConfigurationError('chunk= is for mode="streaming"; a sequence is taken whole')


def _refuse_free_shapes(plan: SignaturePlan) -> None:
    for given in plan.inputs:
        if None in given.shape:
            raise ExportError(
                f"C code has fixed sizes, and input {given.name!r} is {given.shape}: give "
                'timesteps=, or choose mode="streaming", which takes sequences of any length'
            )


def refuse_place(path: Path) -> None:
    """Refuses to put a folder of code over anything but another one.

    Raises:
        ConfigurationError: something stands at `path` that would be lost.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise ConfigurationError(f"{path} is a file. Name a folder for the C code")
    if any(path.iterdir()) and not _is_code(path / CARD):
        raise ConfigurationError(
            f"{path} holds other files, which C code there would replace. Name a new folder"
        )


def _is_code(card: Path) -> bool:
    try:
        return bool(json.loads(card.read_text(encoding="utf-8"))["target"] == "c")
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
