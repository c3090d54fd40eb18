"""From plans to a file: convert the candidates, prove and time them, publish the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.atomic_files import atomic_path
from rnn_apps.export import refusals
from rnn_apps.export.forms.choice import best_of, candidates
from rnn_apps.export.forms.replacement import LayerUse
from rnn_apps.export.options import Options
from rnn_apps.export.planning.plans import SignaturePlan
from rnn_apps.export.planning.tracing import write_saved_model
from rnn_apps.export.processes import conversion_process
from rnn_apps.export.processes.failure_texts import failure_text
from rnn_apps.export.processes.runtime_process import Latency, RuntimeCall, RuntimeProcess
from rnn_apps.export.proof.comparison import require_within
from rnn_apps.export.results import ExportError, ExportResult, LayerForm, OutputError
from rnn_apps.export.task_metric import TaskMetric, judge

# Rivals are timed in turn, for this many rounds of this many seconds each per signature; a file
# without rivals is timed once.
TIMED_ROUNDS = 3
TIMED_SECONDS = 0.5
TIMED_ALONE_SECONDS = 0.3
# What is changed in every written file, and in those for one target (`flatbuffer_rewrites`).
REWRITES = (
    "reset_lstm_states", "repair_int8", "newer_select", "share_constants", "short_names",
)  # fmt: skip
TARGET_REWRITES = {
    "litert": ("known_sizes",),
    "tflm": ("any_as_maximum", "tile_as_broadcast", "one_hot_as_comparison"),
}


@dataclass(frozen=True)
class _Candidate:
    """One converted file with the results of running it."""

    forms: tuple[LayerForm, ...]
    path: Path
    operators: tuple[str, ...]
    errors: tuple[OutputError, ...]

    @property
    def name(self) -> str:
        """Its forms."""
        return _name(self.forms)


def publish(
    plans: Sequence[SignaturePlan],
    path: Path,
    options: Options,
    metric: TaskMetric | None = None,
) -> ExportResult:
    """Writes the file that `plans` describe to `path`, if it is right.

    On LiteRT with `form="auto"` the candidates are timed and the best by time and size is taken
    (`choice.best_of`); otherwise, and on TFLite Micro, where this computer's clock says nothing
    about the device's, the first one that is right.

    Raises:
        ExportError: no candidate could be converted, none runs and agrees with Keras, or the best
            one does its task too badly.
    """
    tried = candidates(_uses(plans), options.target, options.quantize, options.form)
    measuring = options.target == "litert" and options.form == "auto" and len(tried) > 1
    good: list[_Candidate] = []
    measured: dict[str, float | str] = {}
    failures: list[ExportError] = []
    with (
        conversion_process.scratch_folder() as folder,
        RuntimeProcess(options.target, options.time_limit, known_as=path.name) as runtime,
    ):
        for number, forms in enumerate(tried):
            name = _name(forms)
            try:
                good.append(_make(plans, options, forms, folder / str(number), runtime))
            except ExportError as error:
                failures.append(error)
                measured[name] = str(error)
                continue
            if not measuring:
                break
        if not good:
            raise failures[0]
        times = _timed(good, plans, runtime)
        # The fastest run is what other work on this computer disturbs least.
        fastest = [sum(time.fastest_ms for time in one.values()) for one in times]
        measured |= {one.name: time for one, time in zip(good, fastest, strict=True)}
        place = best_of(fastest, [one.path.stat().st_size for one in good])
        best, latencies = good[place], times[place]
        judged = None if metric is None else judge(metric, plans, best.path, options.target)
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
        signatures={plan.name: plan.described() for plan in plans},
        operators=best.operators,
        errors=best.errors,
        bytes=len(content),
        latencies_ms={name: latency.median_ms for name, latency in latencies.items()},
        arena_bytes=arena,
        candidates=measured,
        reference_data="representative" if all(p.real_data for p in plans) else "random",
        measured_on={plan.name: plan.extent(options.quantize) for plan in plans},
        metric=judged,
    )


def _name(forms: Sequence[LayerForm]) -> str:
    return "+".join(dict.fromkeys(form.form for form in forms)) or "none"


def _uses(plans: Sequence[SignaturePlan]) -> list[LayerUse]:
    """Each layer once; in the strictest of its uses, where several signatures share it."""
    strictest: dict[int, LayerUse] = {}
    for plan in plans:
        for use in plan.uses:
            known = strictest.get(id(use.layer))
            strictest[id(use.layer)] = use if known is None else known.stricter(use)
    return list(strictest.values())


def _make(
    plans: Sequence[SignaturePlan],
    options: Options,
    forms: tuple[LayerForm, ...],
    folder: Path,
    runtime: RuntimeProcess,
) -> _Candidate:
    """Converts the plans with these forms and proves the file."""
    folder.mkdir()
    by_layer = {form.layer: form.form for form in forms}
    names = tuple(plan.name for plan in plans)
    try:
        weight_bytes = 1 if options.quantize in ("dynamic", "int8") else 4
        traced = {plan.name: plan.traced(by_layer, weight_bytes) for plan in plans}
        write_saved_model(traced, folder / "saved_model")
    except Exception as error:
        raise ExportError(f"the model cannot be traced: {failure_text(error)}") from error
    calibration = None
    if options.quantize == "int8":
        calibration = folder / "calibration.npz"
        examples = {plan.name: plan.calibration for plan in plans}
        conversion_process.write_calibration(calibration, examples)
    path = folder / "model.tflite"
    operators = conversion_process.convert(
        conversion_process.Conversion(
            saved_model=str(folder / "saved_model"),
            signatures=names,
            output=str(path),
            quantize=options.quantize,
            integer_io=options.integer_io,
            calibration=None if calibration is None else str(calibration),
            rewrites=(*TARGET_REWRITES[options.target], *REWRITES),
        ),
        time_limit=options.time_limit,
    )
    refusals.refuse_operators(operators, forms)
    if options.target == "litert":
        refusals.refuse_states_of_unknown_batch(path)
    errors = tuple(e for plan in plans for e in plan.prove(runtime, path, options.allowed_error))
    require_within(errors, f"the {options.target} file")
    return _Candidate(forms, path, operators, errors)


def _timed(
    rivals: Sequence[_Candidate], plans: Sequence[SignaturePlan], runtime: RuntimeProcess
) -> list[dict[str, Latency]]:
    """The time of each rival's signatures, by name.

    The rivals take turns, so that other work on this computer affects them all.
    """
    found: list[dict[str, Latency]] = [{} for _ in rivals]
    for plan in plans:
        call = RuntimeCall(plan.calibration[0], plan.name)
        for times, latency in zip(found, _timed_call(rivals, call, runtime), strict=True):
            times[plan.name] = latency
    return found


def _timed_call(
    rivals: Sequence[_Candidate], call: RuntimeCall, runtime: RuntimeProcess
) -> list[Latency]:
    if len(rivals) == 1:
        return [runtime.latency(rivals[0].path, call, seconds=TIMED_ALONE_SECONDS)]
    rounds = [
        [runtime.latency(rival.path, call, seconds=TIMED_SECONDS) for rival in rivals]
        for _ in range(TIMED_ROUNDS)
    ]
    return [Latency.of_all(found) for found in zip(*rounds, strict=True)]
