"""The verb `verify`: a written file, run on its target's own runtime, compared with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.runtime.flatbuffer import read_model_file
from rnn_apps.edge.runtime.signatures import Signature, signatures_of
from rnn_apps.edge.runtime.streaming import state_pairs
from rnn_apps.export.model_files import open_model
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.export.processes.runtime_process import RuntimeCall, RuntimeProcess
from rnn_apps.export.proof.comparison import Comparison, compare, read_reference, run_calls
from rnn_apps.export.proof.keras_reference import keras_outputs
from rnn_apps.export.proof.proof_data import data_for
from rnn_apps.export.proof.stream_data import with_time
from rnn_apps.export.results import TOLERANCES, Verification
from rnn_apps.export.signature.example_data import first_example, kept_data, random_examples
from rnn_apps.export.signature.model_signature import signature_of


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
        path: path of the .tflite file.
        model: a Keras model, the path of a .keras file, or the path of an .npz file with stored
            reference data (`FILE.reference.npz`, written by `export_tflite(keep_reference=True)`).
        representative_data: inputs to compare on, all of them or as many as `export_tflite` takes;
            random ones that fit the model if None.
        target: name of the runtime: "litert" or "tflm".
        tolerance: largest difference in units of the output's largest value; by default 1e-5 for a
            float file and 0.1 for a quantised one.
        examples: number of random inputs, where `representative_data` is None.

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
        errors = compare(comparison, run_calls(runtime, path, comparison), limit)
        call = RuntimeCall(comparison.inputs[0], comparison.signature)
        latency = runtime.latency(path, call, repeats=20, seconds=2.0)
    return Verification(path, target, errors, len(comparison.inputs), latency.median_ms)


def _verify_stream(
    path: Path, model: Any, data: Any, target: str, known: Signature, limit: float, seconds: float
) -> Verification:
    """Streams whole sequences through a step signature, as at its export."""
    model = _loaded(model)
    states = state_pairs(known)
    own = [spec.shape for name, spec in known.inputs.items() if name not in states]
    batch = max((shape[0] for shape in own if shape), default=1)
    # A row of static features goes into every step as it is; the others are a chunk.
    timed = with_time(signature_of(model, first_example(data, any_length=True)).inputs)
    names = [name for name in known.inputs if timed and name in timed[0]]
    chunk = min((known.inputs[name].shape[1] for name in names), default=1)
    plan = streaming_plan(known.key, model, data=data, batch_size=batch, chunk=chunk)
    with RuntimeProcess(target, seconds) as runtime:
        errors = plan.prove(runtime, path, limit)
        call = RuntimeCall(plan.calibration[0], known.key)
        latency = runtime.latency(path, call, repeats=20, seconds=2.0)
    return Verification(path, target, errors, plan.proven.sequences, latency.median_ms)


def _tolerance_for(path: Path) -> float:
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
        examples = data_for(model, signature, data)
    return Comparison(known.key, examples, keras_outputs(model, signature, examples))


def _file_signature(path: Path, key: str) -> Signature:
    """The signature of a file by its name; the only one if there is one, whatever its name."""
    signatures = signatures_of(read_model_file(path)[0])
    if key not in signatures and len(signatures) == 1:
        return next(iter(signatures.values()))
    if key not in signatures:
        raise ConfigurationError(
            f"{path} has no signature {key!r}; it has {', '.join(sorted(signatures))}"
        )
    return signatures[key]
