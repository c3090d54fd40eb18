"""The command line's verbs for export: `export`, `verify`, `inspect`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import ConfigurationError, DataError
from rnn_apps.application.definition import Verb
from rnn_apps.export.model_files import open_model

if TYPE_CHECKING:
    import keras
    import numpy as np

    from rnn_apps.export.results import ExportResult, OutputError

_TARGETS = ("litert", "tflm")
_EXPORT_TARGETS = (*_TARGETS, "c")
_EXPORT_SECONDS, _VERIFY_SECONDS, _VERIFY_EXAMPLES = 120.0, 60.0, 8


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.keras", help="a trained Keras 3 model")
    parser.add_argument(
        "--to",
        required=True,
        metavar="PATH",
        help="FILE.tflite, or a folder for a SavedModel or for C code",
    )
    parser.add_argument(
        "--target",
        choices=_EXPORT_TARGETS,
        default="litert",
        help="runtime that the file is for, or c for C99 source",
    )
    parser.add_argument(
        "--mode",
        choices=("sequence", "streaming"),
        default="sequence",
        help="whether the file takes whole sequences or one chunk after another with its states",
    )
    parser.add_argument(
        "--quantize",
        choices=("dynamic", "float16", "int8", "int16x8"),
        help="kind of quantisation, int16x8 with --target c only; float32 without it",
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="real examples, batch first: .npy, or .npz with one array per input",
    )
    _add_import(parser)
    parser.add_argument(
        "--form",
        default="auto",
        help="form of the recurrent layers in the file; measured without it",
    )
    parser.add_argument("--timesteps", type=int, help="number of timesteps to fix")
    parser.add_argument("--batch-size", type=int, help="batch size to fix; free without it")
    parser.add_argument(
        "--chunk", type=int, default=1, help="number of timesteps per streaming step"
    )
    parser.add_argument(
        "--tolerance", type=float, help="largest error allowed, in units of the largest output"
    )
    parser.add_argument(
        "--time-limit", type=float, default=_EXPORT_SECONDS, metavar="SECONDS",
        help="longest time for one conversion and for one run of the file (120)",
    )  # fmt: skip
    parser.add_argument(
        "--no-card", dest="card", action="store_false", help="write no card next to the file"
    )
    parser.add_argument(
        "--keep-reference",
        action="store_true",
        help="write FILE.reference.npz, with which verify needs no model",
    )
    parser.add_argument(
        "--c-files",
        metavar="FOLDER",
        help="target tflm: write the C array header, the C++ example and what builds them there",
    )
    parser.add_argument(
        "--integer-io",
        action=argparse.BooleanOptionalAction,
        help="with --quantize int8: whether inputs and outputs are integers with a scale each; "
        "without it, of target tflm only",
    )
    parser.add_argument(
        "--boards",
        action="store_true",
        help="target c: count instructions and machine code on emulated microcontrollers",
    )
    parser.add_argument(
        "--name", help="target c: beginning of all names in the code; without it, the model's name"
    )


def _run_export(arguments: argparse.Namespace) -> dict[str, Any]:
    from rnn_apps.export import export_tflite
    from rnn_apps.export.saved_model import proven_saved_model

    target = Path(arguments.to)
    _require_above_zero("--time-limit", arguments.time_limit)
    if arguments.c_files and arguments.target != "tflm":
        raise ConfigurationError("--c-files is for microcontrollers: add --target tflm.")
    if arguments.target == "c":
        return _exported_code(arguments)
    if arguments.name is not None:
        raise ConfigurationError("--name begins the names of C code: add --target c.")
    if arguments.boards:
        raise ConfigurationError("--boards runs C code: add --target c.")
    is_file = target.suffix.lower() == ".tflite"
    if not is_file:
        _refuse_for_saved_model(arguments, target)
    data = read_examples(arguments.data)
    model = open_model(arguments.model, arguments.modules)
    if not is_file:
        given = {} if arguments.tolerance is None else {"tolerance": arguments.tolerance}
        with _named_after(arguments.data):
            errors, compared = proven_saved_model(model, target, data, **given)
        return {
            "saved_model": str(target),
            "error": max(error.maximum_absolute for error in errors),
            "checked_on": "random" if data is None else "representative",
            "compared_on": str(compared),
            **_labels(errors),
        }
    with _named_after(arguments.data):
        result = _exported_file(export_tflite, model, target, data, arguments)
    summary: dict[str, Any] = {
        "file": str(result.path),
        "bytes": result.bytes,
        "forms": {form.layer: f"{form.form}: {form.reason}" for form in result.forms},
        "error": result.error,
        "checked_on": result.reference_data,
        "compared_on": "; ".join(map(str, result.measured_on.values())),
        **_labels(result.errors),
        "latency_ms": result.latency_ms,
        "arena_bytes": result.arena_bytes,
        "card": None if result.card is None else str(result.card),
    }
    if arguments.c_files:
        from rnn_apps.export.micro.microcontroller import write_microcontroller_files

        written = write_microcontroller_files(
            result.path, arguments.c_files, arena_bytes=result.arena_bytes
        )
        files = (written.header, written.example, written.interface, *written.project)
        summary["c_files"] = [str(path) for path in files]
    return summary


def _labels(errors: Sequence[OutputError]) -> dict[str, Any]:
    """How many labels of each output differ, where the model gives labels."""
    found = {error.output: str(error.labels) for error in errors if error.labels is not None}
    return {"differing_labels": found} if found else {}


def _exported_code(arguments: argparse.Namespace) -> dict[str, Any]:
    from rnn_apps.export.c import export_c

    unused = {
        "--form": arguments.form != "auto",
        "--keep-reference": arguments.keep_reference,
        "--no-card": not arguments.card,
    }
    if given := [name for name, is_given in unused.items() if is_given]:
        raise ConfigurationError(f"--target c takes no {', '.join(given)}: leave it out")
    if Path(arguments.to).suffix.lower() == ".tflite":
        raise ConfigurationError(f"--to {arguments.to}: C code is a folder; name one")
    data = read_examples(arguments.data)
    with _named_after(arguments.data):
        result = export_c(
            open_model(arguments.model, arguments.modules),
            arguments.to,
            mode=arguments.mode,
            quantize=arguments.quantize,
            representative_data=data,
            timesteps=arguments.timesteps,
            batch_size=arguments.batch_size,
            chunk=arguments.chunk,
            name=arguments.name,
            tolerance=arguments.tolerance,
            integer_io=bool(arguments.integer_io),
            boards=arguments.boards,
            time_limit=arguments.time_limit,
        )
    return {
        "folder": str(result.folder),
        "header": str(result.header),
        "function": result.interface.function,
        "error": result.error,
        "checked_on": result.reference_data,
        "weight_bytes": result.cost.weight_bytes,
        "state_bytes": result.cost.state_bytes,
        "scratch_bytes": result.cost.scratch_bytes,
        "multiply_accumulates": result.cost.products,
        "card": str(result.folder / "card.json"),
    }


def _exported_file(
    export: Callable[..., ExportResult],
    model: keras.Model,
    path: Path,
    data: Any,
    arguments: argparse.Namespace,
) -> ExportResult:
    return export(
        model,
        path,
        target=arguments.target,
        mode=arguments.mode,
        quantize=arguments.quantize,
        representative_data=data,
        form=arguments.form,
        timesteps=arguments.timesteps,
        batch_size=arguments.batch_size,
        chunk=arguments.chunk,
        keep_reference=arguments.keep_reference,
        tolerance=arguments.tolerance,
        integer_io=arguments.integer_io,
        time_limit=arguments.time_limit,
        card=arguments.card,
    )


def _require_above_zero(flag: str, value: float) -> None:
    if not value > 0:
        raise ConfigurationError(f"{flag} {value:g}: it must be above 0")


def _refuse_for_saved_model(arguments: argparse.Namespace, target: Path) -> None:
    """Refuses options that do not apply to a SavedModel, and a name that looks like a file's."""
    if target.suffix[1:].isalpha():
        raise ConfigurationError(
            f"--to {target}: a file of an edge runtime ends in .tflite, and a SavedModel is a "
            f"folder, whose name does not end in {target.suffix}"
        )
    unused = {
        "--target": arguments.target != "litert",
        "--mode": arguments.mode != "sequence",
        "--quantize": arguments.quantize is not None,
        "--form": arguments.form != "auto",
        "--timesteps": arguments.timesteps is not None,
        "--batch-size": arguments.batch_size is not None,
        "--chunk": arguments.chunk != 1,
        "--keep-reference": arguments.keep_reference,
        "--integer-io": arguments.integer_io is not None,
        "--time-limit": arguments.time_limit != _EXPORT_SECONDS,
        "--no-card": not arguments.card,
    }
    if given := [name for name, is_given in unused.items() if is_given]:
        raise ConfigurationError(
            f"--to {target} is a SavedModel, which takes no {', '.join(given)}: end the name in "
            ".tflite for a file of an edge runtime"
        )


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="module or .py file that defines the model's own layers; may be repeated",
    )


@contextmanager
def _named_after(path: str | None) -> Iterator[None]:
    """Adds the file's name to errors about example data."""
    from rnn_apps.export.signature.input_arrays import ExampleDataError

    try:
        yield
    except ExampleDataError as refusal:
        if path is None:
            raise
        raise DataError(refusal.problem, file=path) from refusal


def _add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.tflite", help="an exported model")
    parser.add_argument(
        "--model",
        required=True,
        metavar="MODEL.keras",
        help="model that the file was made from, or the .reference.npz of export --keep-reference",
    )
    parser.add_argument(
        "--target", choices=_TARGETS, default="litert", help="runtime that the file is for"
    )
    parser.add_argument("--data", metavar="FILE", help="real examples to compare on: .npy or .npz")
    _add_import(parser)
    parser.add_argument("--signature", default="serving_default", help="signature to run")
    parser.add_argument(
        "--tolerance", type=float, help="largest error allowed, in units of the largest output"
    )
    parser.add_argument(
        "--time-limit", type=float, default=_VERIFY_SECONDS, metavar="SECONDS",
        help="longest time for one run of the file (60)",
    )  # fmt: skip
    parser.add_argument(
        "--examples", type=int, default=_VERIFY_EXAMPLES, metavar="N",
        help="number of random examples to compare on, without --data (8)",
    )  # fmt: skip


def _run_verify(arguments: argparse.Namespace) -> dict[str, Any]:
    from rnn_apps.export import verify
    from rnn_apps.export.proof.comparison import require_within
    from rnn_apps.export.results import ProofExtent

    _require_above_zero("--time-limit", arguments.time_limit)
    _require_above_zero("--examples", arguments.examples)
    stored = arguments.model.endswith(".npz")
    if stored and (arguments.data or arguments.modules):
        raise ConfigurationError(
            f"--model {arguments.model} has its own examples and no layers: leave out --data and "
            "--import"
        )
    data = read_examples(arguments.data)
    with _named_after(arguments.data):
        found = verify(
            arguments.file,
            arguments.model if stored else open_model(arguments.model, arguments.modules),
            representative_data=data,
            target=arguments.target,
            signature=arguments.signature,
            tolerance=arguments.tolerance,
            time_limit=arguments.time_limit,
            examples=arguments.examples,
        )
    require_within(found.errors, f"{arguments.file} on {arguments.target}")
    return {
        "file": str(arguments.file),
        "target": arguments.target,
        "compared_on": str(ProofExtent(found.compared)),
        **_labels(found.errors),
        "latency_ms": found.latency_ms,
        "table": {
            "title": "Error against Keras",
            "header": ["output", "largest error", "relative RMSE", "largest value"],
            "rows": [
                [error.output, error.maximum_absolute, error.relative_rmse, error.scale]
                for error in found.errors
            ],
        },
    }


def _add_inspect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.tflite", help="any .tflite file")


def _run_inspect(arguments: argparse.Namespace) -> dict[str, Any]:
    from rnn_apps.export import inspect

    found = inspect(arguments.file)
    rows = []
    for key, signature in found.signatures.items():
        for kind, tensors in (("input", signature.inputs), ("output", signature.outputs)):
            for name, item in tensors.items():
                shape = ["any" if size == -1 else str(size) for size in item.shape]
                scale = "" if item.scale is None else f"{item.scale:.6g}, {item.zero_point}"
                rows.append([key, kind, name, f"[{', '.join(shape)}]", item.dtype, scale])
    table = {
        "title": "Signatures",
        "header": ["signature", "", "name", "shape", "type", "scale, zero point"],
        "rows": rows,
    }
    return {**found.as_dict(), "table": table}


def read_examples(path: str | None) -> np.ndarray | dict[str, np.ndarray] | None:
    """Representative data from .npy (the only input) or .npz (inputs by name); nothing pickled.

    Raises:
        DataError: there is no such file, or it holds something else.
    """
    if path is None:
        return None
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise DataError("there is no such file", file=path) from None
    except Exception as refusal:
        problem, advice = _why_not_arrays(path, refusal)
        raise DataError(problem, file=path, advice=advice) from refusal
    # NumPy's name for an array that was saved without one.
    return arrays["arr_0"] if set(arrays) == {"arr_0"} else arrays


def _why_not_arrays(path: str, refusal: Exception) -> tuple[str, str]:
    """The problem with a file that NumPy does not read, and the advice."""
    save = "Give an array saved by numpy.save, or arrays by input name by numpy.savez."
    # NumPy takes whatever it does not know for a pickle.
    if "pickle" in str(refusal):
        with open(path, "rb") as file:
            start = file.read(6)
        if not start.startswith((b"\x93NUMPY", b"PK")):
            return "is not a .npy or .npz file", save
    if "Object arrays" in str(refusal):
        return (
            "cannot be read: it holds Python objects, which may be code",
            'Convert them to numbers, as with numpy.save(NAME, array.astype("float32")).',
        )
    return f"cannot be read ({type(refusal).__name__}: {refusal})", save


VERBS = (
    Verb(
        "export",
        "a Keras model as a proven .tflite file, a SavedModel or C code",
        _add_export_arguments,
        _run_export,
    ),
    Verb(
        "verify",
        "run a .tflite file on its runtime and compare it with Keras",
        _add_verify_arguments,
        _run_verify,
    ),
    Verb(
        "inspect",
        "operators, signatures, types and states of a .tflite file",
        _add_inspect_arguments,
        _run_inspect,
    ),
)
