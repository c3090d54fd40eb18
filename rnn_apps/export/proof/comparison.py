"""Comparing what a written file gives on its target's own runtime with what Keras gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.base.errors import ConfigurationError
from rnn_apps.export.processes.runtime_process import RuntimeCall, RuntimeProcess
from rnn_apps.export.proof.variation import variation_of
from rnn_apps.export.results import ExportError, LabelErrors, OutputError, Variation
from rnn_apps.export.signature.example_data import Example

# Calls for which one interpreter runs, within one time limit.
CALLS_OF_A_RUN = 16


@dataclass(frozen=True)
class Comparison:
    """Invocations of one signature: their inputs and Keras' outputs."""

    signature: str
    inputs: list[Example]
    expected: list[dict[str, np.ndarray]]


def compare(
    comparison: Comparison,
    actual: Sequence[Mapping[str, np.ndarray]],
    tolerance: float,
    states: Collection[str] = (),
) -> tuple[OutputError, ...]:
    """The error of each output over all invocations.

    Args:
        comparison: inputs and Keras' outputs.
        actual: outputs of the file for the same inputs.
        tolerance: largest relative error.
        states: names of the outputs that are a stream's states, see `OutputError`.

    Raises:
        ExportError: an output is missing or has another shape than in Keras.
    """
    errors = []
    for name in comparison.expected[0]:
        differences, values, differing = [], [], 0
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
            values.append(expected[name].astype(np.float64))
            differences.append(outputs[name].astype(np.float64) - values[-1])
            differing += int(np.count_nonzero(outputs[name] != expected[name]))
        error = _output_error(comparison.signature, name, differences, values, tolerance)
        if _holds_labels(comparison.expected[0][name].dtype):
            labels = LabelErrors(differing, sum(value.size for value in values))
            error = dataclasses.replace(error, labels=labels)
        elif name in states:
            error = dataclasses.replace(error, state=True)
        elif not _goes_in_again(name, comparison):
            variation = variation_of(differences, values, tolerance)
            error = dataclasses.replace(error, variation=variation)
        errors.append(error)
    return tuple(errors)


def _holds_labels(dtype: np.dtype) -> bool:
    """Whether whole numbers of a type name things; those of 16 bits are samples of sound."""
    return dtype.kind in "biu" and dtype.itemsize != 2


def _goes_in_again(name: str, comparison: Comparison) -> bool:
    """Whether an output is a state of a model that is called step by step."""
    return name.endswith("_out") and name.removesuffix("_out") in comparison.inputs[0]


def _output_error(
    signature: str,
    name: str,
    differences: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    tolerance: float,
) -> OutputError:
    difference, wanted = (
        np.concatenate([part.ravel() for part in parts]) for parts in (differences, values)
    )
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


def run_calls(
    runtime: RuntimeProcess, path: Path, comparison: Comparison
) -> list[dict[str, np.ndarray]]:
    """The outputs of a file for the invocations of a comparison.

    They run in order, `CALLS_OF_A_RUN` in each interpreter and without a reset in between.

    Raises:
        ModelRunError: the file does not run, or gives NaN.
    """
    calls = [RuntimeCall(inputs, comparison.signature) for inputs in comparison.inputs]
    results = []
    for start in range(0, len(calls), CALLS_OF_A_RUN):
        results.extend(runtime.run(path, calls[start : start + CALLS_OF_A_RUN]))
    return results


def farthest_call(comparison: Comparison, actual: Sequence[Mapping[str, np.ndarray]]) -> int:
    """The number of the invocation that holds the largest difference from Keras."""
    distances = [
        max(
            float(np.abs(outputs[name].astype(np.float64) - value).max(initial=0.0))
            for name, value in expected.items()
        )
        for expected, outputs in zip(comparison.expected, actual, strict=True)
    ]
    return int(np.argmax(distances))


def require_within(errors: Sequence[OutputError], what: str) -> None:
    """Raises ExportError naming the outputs that are out of tolerance."""
    wrong = [error for error in errors if not error.within]
    if wrong:
        listed = "; ".join(map(_described, wrong))
        advice = " ".join(dict.fromkeys(map(_advice, wrong)))
        raise ExportError(f"{what} differs from the Keras model: {listed}. {advice}")


def _described(error: OutputError) -> str:
    if error.labels is not None:
        return f"the labels {error.output!r} differ in {error.labels}"
    if error.state:
        return (
            f"the state {error.output!r} differs by {error.relative_rmse:.3g} of its root mean "
            f"square (tolerance {error.tolerance:g})"
        )
    if error.variation is not None and not error.follows:
        return _not_followed(error.output, error.variation)
    return (
        f"{error.output!r} differs by {error.maximum_absolute:.3g} where Keras' values reach "
        f"{error.scale:.3g} (tolerance {error.tolerance:g} of that)"
    )


def _not_followed(output: str, variation: Variation) -> str:
    if variation.lost:
        channels = ", ".join(map(str, variation.lost))
        return (
            f"the file no longer follows {output!r}[..., {channels}], whose values are smaller "
            "than one step of the integers that hold the larger ones beside them"
        )
    return (
        f"the file no longer follows {output!r}: it differs by {variation.differs:.2g} standard "
        "deviations of Keras' values on this data"
    )


def _advice(error: OutputError) -> str:
    if error.labels is not None:
        return (
            "Export the numbers that the labels are made from (the logits; measurements before "
            "they are rounded), or, if the task allows such a share, give it as tolerance= and a "
            "metric= that shows what it costs"
        )
    if not error.follows:
        return (
            "Scale the output inside the training, or export the part of the model before what "
            "shifts or scales it, or choose another quantize="
        )
    return "If the task allows such a difference, give a larger tolerance="


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
        ConfigurationError: the file is not such an archive.
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
