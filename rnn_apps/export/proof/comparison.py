"""Comparing what a written file gives on its target's own runtime with what Keras gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.base.errors import ConfigurationError
from rnn_apps.export.processes.runtime_process import RuntimeCall, RuntimeProcess
from rnn_apps.export.results import ExportError, OutputError
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
        errors.append(
            _output_error(
                comparison.signature, name, difference, wanted, tolerance, state=name in states
            )
        )
    return tuple(errors)


def _output_error(
    signature: str,
    name: str,
    difference: np.ndarray,
    wanted: np.ndarray,
    tolerance: float,
    *,
    state: bool,
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
        state=state,
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
        raise ExportError(
            f"{what} differs from the Keras model: {listed}. If the task allows "
            "such a difference, give a larger tolerance="
        )


def _described(error: OutputError) -> str:
    if error.state:
        return (
            f"the state {error.output!r} differs by {error.relative_rmse:.3g} of its root mean "
            f"square (tolerance {error.tolerance:g})"
        )
    return (
        f"{error.output!r} differs by {error.maximum_absolute:.3g} where Keras' values reach "
        f"{error.scale:.3g} (tolerance {error.tolerance:g} of that)"
    )


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
