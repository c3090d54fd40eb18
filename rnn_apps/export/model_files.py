"""Opening a model's file that comes from anywhere: its code never runs, its sizes are checked."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import ConfigurationError, DataError, UserError
from rnn_apps.export.processes.failure_texts import failure_text
from rnn_apps.export.weight_limit import with_weight_limit

if TYPE_CHECKING:
    import keras

# A zip file is refused if its content has more than this many bytes and this many times its size.
LARGEST_CONTENT = 2**31
LARGEST_EXPANSION = 50


def open_model(path: str | Path, modules: Sequence[str] = ()) -> keras.Model:
    """The model in a `.keras` file, or in an `.h5` file that Keras 3 can read, not compiled.

    Args:
        modules: modules or .py files with the model's own layers, which are imported first.

    Raises:
        ConfigurationError: there is no such file or module, or the file is of another kind.
        DataError: the file is damaged, or Keras refuses it.
    """
    file = Path(path)
    _refuse_other_kinds(file)
    own: dict[str, Any] = {}
    for name in modules:
        own |= vars(_imported(name))
    stored = _stored_bytes(file)
    import keras

    from rnn_apps import layers

    try:
        with (
            with_weight_limit(file, stored) as limit,
            keras.saving.custom_object_scope(_classes(own)),
        ):
            model = layers.load_model(file)
    except UserError:
        raise
    except Exception as refusal:
        if limit.refusal is not None:
            raise limit.refusal from None
        raise DataError(
            _problem(str(refusal)) or f"Keras cannot load it: {failure_text(refusal)}",
            file=file,
            advice=_advice(file, str(refusal)),
        ) from refusal
    if not isinstance(model, keras.Model):
        raise DataError(f"it holds a {type(model).__name__}, not a model", file=file)
    return model


def _refuse_other_kinds(file: Path) -> None:
    if file.is_dir():
        what = "a SavedModel" if (file / "saved_model.pb").exists() else "a folder"
        raise ConfigurationError(
            f"{file} is {what}, which holds a graph and no layers that a form could replace. Give "
            "the .keras file that the model was saved as"
        )
    if not file.is_file():
        raise ConfigurationError(f"{file}: there is no such file. Give a .keras file.")
    if file.suffix not in (".keras", ".h5", ".hdf5"):
        raise ConfigurationError(
            f"{file} is not a .keras file. Save the model with model.save('NAME.keras')"
        )


def _stored_bytes(file: Path) -> int:
    """How many bytes a file takes for its weights: an .h5 file all, a .keras file a part.

    What is damaged is left to the loading, which says so.

    Raises:
        DataError: its content is larger than it should be.
    """
    if file.suffix != ".keras":
        return file.stat().st_size
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {item.filename: item.file_size for item in archive.infolist()}
    except Exception:
        return 0
    total = sum(sizes.values())
    if total > LARGEST_CONTENT and total > LARGEST_EXPANSION * file.stat().st_size:
        raise DataError(f"its content is {total} bytes, far more than the file", file=file)
    return sum(size for name, size in sizes.items() if name.endswith((".h5", ".npz")))


def _imported(name: str) -> ModuleType:
    """A module by its name, found also in the current folder, or a .py file."""
    try:
        if not name.endswith(".py"):
            with _current_folder_first():
                return importlib.import_module(name)
        specification = importlib.util.spec_from_file_location(Path(name).stem, name)
        if specification is None or specification.loader is None or not Path(name).is_file():
            raise ImportError("there is no such file")
        module = importlib.util.module_from_spec(specification)
        sys.modules[specification.name] = module
        specification.loader.exec_module(module)
        return module
    except Exception as failure:
        raise ConfigurationError(
            f"--import {name}: {type(failure).__name__}: {failure_text(failure)}"
        ) from failure


@contextmanager
def _current_folder_first() -> Iterator[None]:
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.remove(str(Path.cwd()))


def _classes(names: dict[str, Any]) -> dict[str, Any]:
    """What a file can name among a module's names: its classes and functions."""
    return {
        name: value
        for name, value in names.items()
        if callable(value) and not name.startswith("_") and not isinstance(value, ModuleType)
    }


def _problem(refusal: str) -> str | None:
    """What Keras' refusal comes down to, where that is known."""
    if _is_code(refusal):
        return "it holds Python code (a Lambda layer), which is never run from a file"
    if "No model config" in refusal:
        return "it holds weights alone (save_weights), not a model"
    found = re.search(r"(?:Could not locate|Unknown) (class|function|layer):? '([^']+)'", refusal)
    return None if found is None else f"Keras does not know its {found[1]} {found[2]!r}"


def _is_code(refusal: str) -> bool:
    return "lambda" in refusal.lower() and ("safe_mode" in refusal or "unsafe" in refusal)


def _advice(file: Path, refusal: str) -> str:
    if _is_code(refusal):
        return "Write the function as a layer of its own, and name its module with --import"
    if "Could not locate" in refusal or "Unknown layer" in refusal or "not registered" in refusal:
        return "Name the module with the model's own layers: --import MODULE, or FILE.py"
    if "No model config" in refusal:
        return (
            "Load them into the model that they are of, and save that with model.save('NAME.keras')"
        )
    if file.suffix != ".keras":
        return (
            "Keras 3 reads some .h5 files of Keras 2 only. Load it with the Keras that wrote it "
            "(package tf-keras) and build the same model in Keras 3, which takes its weights with "
            "set_weights; then save that as .keras"
        )
    return "Copy the file again, or save the model again with this version of Keras"
