"""Comparing a written file, run on its target's own runtime, with the Keras model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge.runtime.model import Signature
from rnn_apps.edge.runtime.streaming import state_pairs
from rnn_apps.export.forms.replacement import in_float32
from rnn_apps.export.layers import all_layers
from rnn_apps.export.model_files import open_model
from rnn_apps.export.processes.failure_texts import failure_text, wrong_index
from rnn_apps.export.processes.runtime_process import RuntimeCall, RuntimeProcess
from rnn_apps.export.results import TOLERANCES, ExportError, OutputError, Verification
from rnn_apps.export.signature.example_data import (
    Example,
    examples_of,
    first_example,
    kept_data,
    random_examples,
    stacked,
)
from rnn_apps.export.signature.input_arrays import ExampleDataError
from rnn_apps.export.signature.model_signature import ModelSignature, signature_of

# Random sequences on which a file is compared where the user gave no data.
COMPARED = 8
# Calls for which one interpreter runs, within one time limit.
CALLS_OF_A_RUN = 16


@dataclass(frozen=True)
class Comparison:
    """Invocations of one signature: what goes in and what Keras gives for it."""

    signature: str
    inputs: list[Example]
    expected: list[dict[str, np.ndarray]]


def keras_outputs(
    model: keras.Model, signature: ModelSignature, examples: Sequence[Example]
) -> list[dict[str, np.ndarray]]:
    """What Keras itself computes, in float32, each example as a sequence of its own.

    Raises:
        ExportError: Keras gives NaN or infinity, or cannot compute an example.
        ExampleDataError: an example holds an index that an Embedding of the model has no row for.
    """
    with in_float32(model), _states_at_zero(model) as reset, _failures_named(model):
        results = _computed(model, signature, examples, reset)
    for outputs in results:
        for name, value in outputs.items():
            if not value.size:
                raise ExportError(
                    f"the Keras model's output {name!r} is empty ({value.shape}) on this data: the "
                    "sequences are shorter than its layers need. Give longer ones"
                )
            if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
                raise ExportError(
                    f"the Keras model itself gives NaN or infinity in {name!r} on the "
                    "representative data: there is nothing to compare a file with"
                )
    return results


@contextlib.contextmanager
def _failures_named(model: keras.Model) -> Iterator[None]:
    """Turns what Keras raises while it computes into errors that name the data or the model."""
    try:
        yield
    except UserError:
        raise
    except Exception as failure:
        if problem := wrong_index(failure):
            raise ExampleDataError(problem) from failure
        raise ExportError(
            f"Keras itself cannot compute {model.name!r} on this data: {failure_text(failure)}. "
            "Give representative_data that the model takes"
        ) from failure


def _computed(
    model: keras.Model,
    signature: ModelSignature,
    examples: Sequence[Example],
    reset: Callable[[], None],
) -> list[dict[str, np.ndarray]]:
    """Keras' outputs, from the model as a compiled function where that gives what the model gives.

    Keras' loops take some hundred times as long when they run operation by operation.
    """

    def by_operations(example: Example) -> dict[str, np.ndarray]:
        reset()
        return {n: np.asarray(value) for n, value in signature.call(model, example).items()}

    first = by_operations(examples[0])
    if len(examples) == 1:
        return [first]
    compiled = tf.function(
        lambda tensors: signature.call(model, tensors),
        autograph=False,
        input_signature=[{input.name: input.spec() for input in signature.inputs}],
    )

    def at_once(example: Example) -> dict[str, np.ndarray]:
        reset()
        outputs = compiled({name: tf.constant(value) for name, value in example.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    try:
        again = at_once(examples[0])
    except Exception:
        # Not every model can be traced with free shapes; what is wrong shows in the plain calls.
        return [first, *map(by_operations, examples[1:])]
    same = all(
        again[name].shape == value.shape and np.allclose(again[name], value, 1e-5, 1e-6)
        for name, value in first.items()
    )
    return [first, *map(at_once if same else by_operations, examples[1:])]


def compared_inputs(
    model: keras.Model, signature: ModelSignature, examples: Sequence[Example]
) -> list[Example]:
    """What the file is run on: every sequence by itself, and, where they are free, a batch of
    several and fewer timesteps; the first one again after others, which shows leaking states.
    """
    inputs, others = list(examples[:COMPARED]), examples[COMPARED:]
    shapes = {tuple(array.shape for array in example.values()) for example in inputs}
    if all(input.shape[0] is None for input in signature.inputs) and len(shapes) == 1:
        inputs.append(stacked(inputs[:3]))
    free_time = [i for i in signature.inputs if len(i.shape) > 1 and i.shape[1] is None]
    if len(free_time) == len(signature.inputs):
        inputs += _shorter(model, signature, inputs[0])
    return [*inputs, inputs[0], *others]


def _shorter(model: keras.Model, signature: ModelSignature, example: Example) -> list[Example]:
    """An example of fewer timesteps, if the model takes any: a convolution has a least length."""
    steps = min(array.shape[1] for array in example.values() if array.ndim > 1)
    [whole] = keras_outputs(model, signature, [example])
    for fewer in (steps // 2, 3 * steps // 4, steps - 1):
        cut = stacked([example], fewer)
        try:
            [outputs] = keras_outputs(model, signature, [cut]) if fewer else [{}]
        except UserError:
            continue
        # Below the least length Keras' convolution gives its input back.
        if outputs and all(_but_time(outputs[n]) == _but_time(whole[n]) for n in whole):
            return [cut]
    return []


def _but_time(output: np.ndarray) -> tuple[int, ...]:
    return output.ndim, *output.shape[2:]


@contextlib.contextmanager
def _states_at_zero(model: keras.Model) -> Iterator[Any]:
    """Yields a function that resets stateful layers; afterwards their states are as before.

    Meanwhile they start every call from zeros, which also frees them of the batch size that their
    states were made for.
    """
    stateful = [
        layer
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.RNN) and layer.stateful and layer.states is not None
    ]
    variables = [v for layer in stateful for v in keras.tree.flatten(layer.states)]
    kept = [keras.ops.convert_to_numpy(variable) for variable in variables]

    def reset() -> None:
        for layer in stateful:
            layer.reset_state()

    try:
        for layer in stateful:
            layer.stateful = False
        yield reset
    finally:
        for layer in stateful:
            layer.stateful = True
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


def compare(
    comparison: Comparison, actual: Sequence[Mapping[str, np.ndarray]], tolerance: float
) -> tuple[OutputError, ...]:
    """The error of each output over all invocations.

    Raises:
        ExportError: an output is missing or has another shape than in Keras.
    """
    errors = []
    for name in comparison.expected[0]:
        differences, expected_values = [], []
        for expected, outputs in zip(comparison.expected, actual, strict=True):
            if name not in outputs:
                raise ExportError(f"the file has no output {name!r}; it has {sorted(outputs)}")
            if unknown := sorted(set(outputs) - set(expected)):
                raise ExportError(f"the file has outputs {unknown} that the model does not have")
            if outputs[name].shape != expected[name].shape:
                raise ExportError(
                    f"output {name!r} has shape {outputs[name].shape} in the file and "
                    f"{expected[name].shape} in Keras"
                )
            wanted = expected[name].astype(np.float64)
            differences.append((outputs[name].astype(np.float64) - wanted).ravel())
            expected_values.append(wanted.ravel())
        difference, wanted = np.concatenate(differences), np.concatenate(expected_values)
        errors.append(_output_error(comparison.signature, name, difference, wanted, tolerance))
    return tuple(errors)


def _output_error(
    signature: str, name: str, difference: np.ndarray, wanted: np.ndarray, tolerance: float
) -> OutputError:
    size = float(np.sqrt(np.mean(wanted**2))) if wanted.size else 0.0
    spread = float(np.sqrt(np.mean(difference**2))) if wanted.size else 0.0
    return OutputError(
        signature=signature,
        output=name,
        maximum_absolute=float(np.abs(difference).max(initial=0.0)),
        relative_rmse=spread / size if size else spread,
        scale=float(np.abs(wanted).max(initial=0.0)),
        tolerance=tolerance,
    )


def run_comparisons(
    runtime: RuntimeProcess, path: Path, comparisons: Sequence[Comparison], tolerance: float
) -> tuple[OutputError, ...]:
    """Runs all invocations in order, `CALLS_OF_A_RUN` in each interpreter and without a reset, and
    compares.
    """
    calls = [RuntimeCall(inputs, c.signature) for c in comparisons for inputs in c.inputs]
    results = []
    for start in range(0, len(calls), CALLS_OF_A_RUN):
        results.extend(runtime.run(path, calls[start : start + CALLS_OF_A_RUN]))
    errors: list[OutputError] = []
    start = 0
    for comparison in comparisons:
        stop = start + len(comparison.inputs)
        errors.extend(compare(comparison, results[start:stop], tolerance))
        start = stop
    return tuple(errors)


def require_within(errors: Sequence[OutputError], what: str) -> None:
    """Raises ExportError naming the outputs that are out of tolerance."""
    wrong = [error for error in errors if not error.within]
    if wrong:
        listed = "; ".join(
            f"{error.output!r} is off by {error.maximum_absolute:.3g} where Keras' values reach "
            f"{error.scale:.3g} (tolerance {error.tolerance:g} of that)"
            for error in wrong
        )
        raise ExportError(
            f"{what} differs from the Keras model: {listed}. Where the task allows as much, say so "
            "with a larger tolerance="
        )


def verify(
    path: str | Path,
    model: keras.Model | str | Path,
    *,
    representative_data: Any = None,
    target: str = "litert",
    signature: str = "serving_default",
    tolerance: float | None = None,
    time_limit: float = 60.0,
    examples: int = 8,
) -> Verification:
    """Runs a .tflite file on its target's runtime and compares it with a Keras model.

    Args:
        path: the file.
        model: a Keras model, the path of a .keras file, or the path of an .npz file with stored
            reference data (`FILE.reference.npz`, written by `export_tflite(keep_reference=True)`).
        representative_data: inputs to compare on; random ones that fit the model if None.
        target: the runtime: "litert" or "tflm".
        tolerance: largest difference in units of the output's largest value; by default what
            suits the file's numbers: 1e-5 for float, 0.1 for a quantised file.

    Returns:
        The errors by output; `.ok` says whether they are within the tolerance.

    Raises:
        ExportError: the file does not run on the target, gives NaN or has other outputs.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such file")
    representative_data = kept_data(representative_data)
    limit = _tolerance_for(path) if tolerance is None else tolerance
    known = _file_signature(path, signature)
    if state_pairs(known):
        return _verify_stream(path, model, representative_data, target, known, limit, time_limit)
    comparison = _reference(model, representative_data, known, examples)
    with RuntimeProcess(target, time_limit) as runtime:
        errors = run_comparisons(runtime, path, [comparison], limit)
        call = RuntimeCall(comparison.inputs[0], comparison.signature)
        latency = runtime.latency(path, call, repeats=20, seconds=2.0)
    return Verification(path, target, errors, len(comparison.inputs), latency.median_ms)


def _verify_stream(
    path: Path, model: Any, data: Any, target: str, known: Signature, limit: float, seconds: float
) -> Verification:
    """Streams whole sequences through a step signature, as at its export."""
    from rnn_apps.export.planning.streaming_plan import streaming_plan
    from rnn_apps.export.proof.stream_data import with_time

    model = _loaded(model)
    states = state_pairs(known)
    own = [spec.shape for name, spec in known.inputs.items() if name not in states]
    batch = max((shape[0] for shape in own if shape), default=1)
    # A row of static features goes into every step as it is; the others are a chunk.
    timed = with_time(signature_of(model, first_example(data)).inputs)
    names = [name for name in known.inputs if timed and name in timed[0]]
    chunk = min((known.inputs[name].shape[1] for name in names), default=1)
    plan = streaming_plan(known.key, model, data=data, batch_size=batch, chunk=chunk)
    with RuntimeProcess(target, seconds) as runtime:
        errors = plan.prove(runtime, path, limit)
        call = RuntimeCall(plan.calibration[0], known.key)
        latency = runtime.latency(path, call, repeats=20, seconds=2.0)
    return Verification(path, target, errors, plan.proven.sequences, latency.median_ms)


def _tolerance_for(path: Path) -> float:
    from rnn_apps.edge.runtime.flatbuffer import read_model_file

    file, _ = read_model_file(path)
    dtypes = {tensor.dtype for graph in file.subgraphs for tensor in graph.tensors}
    return TOLERANCES["int8" if dtypes & {"int8", "float16"} else None]


def _loaded(model: Any) -> keras.Model:
    return model if isinstance(model, keras.Model) else open_model(model)


def _reference(model: Any, data: Any, known: Signature, count: int) -> Comparison:
    if not isinstance(model, keras.Model) and Path(model).suffix == ".npz":
        return read_reference(Path(model))
    model = _loaded(model)
    own = {input.name for input in signature_of(model, first_example(data)).inputs}
    if own != set(known.inputs):
        raise ConfigurationError(
            f"the file takes {', '.join(sorted(known.inputs))} and the model "
            f"{', '.join(sorted(own))}: the file was made from another model"
        )
    # The batch size and the timesteps that the file was written for, where it fixes them.
    batches = {spec.shape[0] for spec in known.inputs.values() if spec.shape}
    batch = batches.pop() if len(batches) == 1 else -1
    steps = {n: s.shape[1] for n, s in known.inputs.items() if len(s.shape) > 1 and s.shape[1] > 0}
    signature = signature_of(
        model,
        first_example(data),
        batch_size=None if batch == -1 else batch,
        timesteps=steps or None,
    )
    if data is None:
        examples = random_examples(model, signature, count)
    else:
        examples = examples_of(data, signature, count)
    return Comparison(known.key, examples, keras_outputs(model, signature, examples))


def _file_signature(path: Path, key: str) -> Signature:
    """What a file says of one of its signatures; of the only one, whatever its name."""
    from rnn_apps.edge.runtime.flatbuffer import read_model_file
    from rnn_apps.edge.runtime.model import signatures_of

    signatures = signatures_of(read_model_file(path)[0])
    if key not in signatures and len(signatures) == 1:
        return next(iter(signatures.values()))
    if key not in signatures:
        raise ConfigurationError(
            f"{path} has no signature {key!r}; it has {', '.join(sorted(signatures))}"
        )
    return signatures[key]


def write_reference(path: Path, comparison: Comparison) -> None:
    """Stores a comparison as .npz: `SIGNATURE/INDEX/inputs/NAME` and `.../outputs/NAME`."""
    arrays = {}
    for index, pair in enumerate(zip(comparison.inputs, comparison.expected, strict=True)):
        for part, values in zip(("inputs", "outputs"), pair, strict=True):
            for name, value in values.items():
                arrays[f"{comparison.signature}/{index}/{part}/{name}"] = value
    # NumPy's own stub confuses the arrays' names with its options.
    with open(path, "wb") as file:
        # Given a name instead of a file, NumPy would add an ending to it.
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_reference(path: Path) -> Comparison:
    """Reads what `write_reference` wrote.

    Raises:
        ConfigurationError: the file is no such archive.
    """
    collected: dict[int, dict[str, dict[str, np.ndarray]]] = {}
    signature = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                signature, index, part, name = key.split("/", 3)
                parts = collected.setdefault(int(index), {"inputs": {}, "outputs": {}})
                parts[part][name] = archive[key]
    except (ValueError, OSError, KeyError) as error:
        raise ConfigurationError(f"{path}: not stored reference data: {error}") from None
    if not collected:
        raise ConfigurationError(f"{path}: no reference data in it")
    pairs = [collected[index] for index in sorted(collected)]
    return Comparison(signature, [p["inputs"] for p in pairs], [p["outputs"] for p in pairs])
