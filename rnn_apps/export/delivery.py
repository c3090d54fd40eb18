"""The export of a trained run: every application's files are chosen, written and proven here.

An application derives a class from `Delivery` that knows its files, what Keras gives for its
examples, how a file is judged against that, and what the contract says. `deliver` does the rest:
it chooses the formats, judges Keras once, writes each format in a folder that is as the export
will be, moves what is proven into the export, and leaves out, with the reason, what is not.
"""

from __future__ import annotations

import abc
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf

from pipelines.base.atomic_files import atomic_folder
from rnn_apps.edge.contract import CHECKSUMS, CONTRACT, OTHERS, content_checksum, write_contract
from rnn_apps.export.card_origin import add_origin
from rnn_apps.export.formats import Row, assembled_folder, chosen_formats, write_formats
from rnn_apps.export.processes import conversion_process
from rnn_apps.export.results import ExportError

SAVED_MODEL = "saved_model"
"""The format, and the folder, of a TensorFlow SavedModel."""
_OF_MODEL = "model_sha256"


@dataclass(frozen=True)
class DeviceFile:
    """A .tflite file of an export, or a folder of C code.

    Args:
        file: name of the file, or of the folder of C code, in the folder of the export.
        target: runtime that runs the file: "litert" or "tflm"; "c" for C code.
        quantize: kind of quantisation: "float16", "dynamic" or "int8"; None for float32.
        streaming: True for a file that takes a stream step by step.
        needs: name of another file of the export that this one runs with; empty for none.
    """

    file: str
    target: str = "litert"
    quantize: str | None = None
    streaming: bool = False
    needs: str = ""


class Delivery(abc.ABC):
    """What an application gives to the export of a run; made anew for each export.

    Attributes:
        files: device files by the name of their format; each subclass sets it.
        header: headings of the table with a row for each file, set by `prepare` at the latest.
        title: title of that table, set by `prepare` at the latest.
    """

    files: ClassVar[Mapping[str, DeviceFile]]
    header: Sequence[str]
    title: str

    @classmethod
    def formats(cls) -> tuple[str, ...]:
        """The names of all formats, in the order in which they are written."""
        return (SAVED_MODEL, *cls.files)

    def choose(self, asked: str | Sequence[str] | None) -> Sequence[str]:
        """The formats to write, in order.

        Args:
            asked: names of formats; None for all that the model allows, without C code, which
                needs a compiler and is written where it is asked for.

        Raises:
            ConfigurationError: there is no such format, or the model does not allow it.
        """
        return self.without_code() if asked is None else chosen_formats(asked, self.formats())

    @classmethod
    def without_code(cls) -> tuple[str, ...]:
        """The formats that need no compiler, in order."""
        code = {name for name, file in cls.files.items() if file.target == "c"}
        return tuple(name for name in cls.formats() if name not in code)

    @abc.abstractmethod
    def prepare(self, formats: Sequence[str]) -> None:
        """Reads the examples and judges the Keras model on them, once for all formats.

        Args:
            formats: names of the formats that are going to be written.

        Raises:
            UserError: the examples cannot be read.
        """

    @abc.abstractmethod
    def contract(self, formats: Sequence[str]) -> Mapping[str, Any]:
        """What the files of these formats take and give, as contract.json says it."""

    @abc.abstractmethod
    def save_companions(self, folder: Path) -> None:
        """Writes the files that every format comes with, such as a vocabulary; often none."""

    @abc.abstractmethod
    def saved_model(self, path: Path) -> Row:
        """Writes the SavedModel to `path` and proves it; returns its row of the table.

        Raises:
            ExportError: it does not compute what Keras computes.
        """

    @abc.abstractmethod
    def device_file(self, wanted: DeviceFile, folder: Path) -> Row:
        """Writes a device file into `folder` and proves it; returns its row of the table.

        Args:
            wanted: description of the file.
            folder: folder that holds the companions, the contract of this file and the file that
                it needs, so that it can be tried there as a device will.

        Raises:
            ExportError: it does not compute what Keras computes.
        """


def deliver(
    delivery: Delivery,
    to: str | Path,
    asked: str | Sequence[str] | None = None,
    *,
    origin: Mapping[str, Any] | None = None,
    model: Path | None = None,
) -> dict[str, Any]:
    """Writes the files of a run, each proven before it is there.

    Args:
        delivery: files, judge and contract of the application.
        to: folder for the files.
        asked: names of formats; None for all that the model allows, without C code.
        origin: content of the run's origin.json, named on the card of each file; None or empty if
            it began with initial weights.
        model: file of the trained model. Files of an earlier export of the same model in the folder
            keep their place in the contract; without it, and of another model, they lose it.

    Returns:
        "table" with a row for each file, "files", and "contract", the file that says what they
        take and give; "not written" names the formats that failed, with the reason.

    Raises:
        ConfigurationError: there is no such format, or the model does not allow it.
        ExportError: no file computes what Keras computes; none is left behind.
    """
    chosen = delivery.choose(asked)
    if any(file.target != "c" for name, file in delivery.files.items() if name in chosen):
        conversion_process.prepare()
    delivery.prepare(chosen)
    folder = Path(to)
    with assembled_folder(folder, CONTRACT) as beside:
        delivery.save_companions(beside)
        written = write_formats(chosen, lambda name: _write(delivery, name, beside))
        add_origin(beside, origin or {})
        write_contract(beside, _whole_contract(delivery, list(written.rows), beside, folder, model))
    return written.result(folder, CONTRACT, delivery.title, delivery.header)


def _whole_contract(
    delivery: Delivery, written: Sequence[str], beside: Path, folder: Path, model: Path | None
) -> dict[str, Any]:
    """The contract of the formats written and of those that an earlier export left there."""
    places = {name: file.file for name, file in delivery.files.items()} | {SAVED_MODEL: SAVED_MODEL}
    checksums = {places[name]: content_checksum(beside / places[name]) for name in written}
    if model is None:
        return {**delivery.contract(written), CHECKSUMS: checksums}
    own = content_checksum(model)
    checksums = _earlier_checksums(folder, own) | checksums
    formats = [name for name in delivery.formats() if places[name] in checksums]
    others = [
        file for file in places.values() if file not in checksums and (folder / file).exists()
    ]
    contract = {**delivery.contract(formats), _OF_MODEL: own, CHECKSUMS: checksums}
    return contract | ({OTHERS: others} if others else {})


def _earlier_checksums(folder: Path, model: str) -> dict[str, str]:
    """The checksums of files that an earlier export of the same model left in the folder."""
    try:
        earlier = json.loads((folder / CONTRACT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(earlier, dict) or earlier.get(_OF_MODEL) != model:
        return {}
    return {
        file: checksum
        for file, checksum in earlier.get(CHECKSUMS, {}).items()
        if (folder / file).exists() and content_checksum(folder / file) == checksum
    }


def _write(delivery: Delivery, name: str, folder: Path) -> Row:
    """Writes one format in a folder of its own and moves what is proven into `folder`."""
    wanted = delivery.files.get(name)
    with tempfile.TemporaryDirectory(prefix=".trial.", dir=folder) as trial_name:
        trial = Path(trial_name)
        delivery.save_companions(trial)
        if wanted is None:
            before = set(trial.iterdir())
            row = delivery.saved_model(trial / SAVED_MODEL)
        else:
            write_contract(trial, delivery.contract([name]))
            _link_needed(wanted, folder, trial)
            before = set(trial.iterdir())
            row = delivery.device_file(wanted, trial)
        for made in set(trial.iterdir()) - before:
            os.replace(made, folder / made.name)
    return row


def _link_needed(wanted: DeviceFile, folder: Path, trial: Path) -> None:
    if not wanted.needs:
        return
    if not (folder / wanted.needs).exists():
        raise ExportError(
            f"{wanted.file} runs together with {wanted.needs}, which could not be written"
        )
    os.link(folder / wanted.needs, trial / wanted.needs)


@contextmanager
def saved_and_loaded(served: Any, path: Path) -> Iterator[Any]:
    """Writes a SavedModel and yields it as it is loaded again, to be proven.

    The folder is there only if the block succeeds.

    Args:
        served: `tf.Module` whose `signatures()` gives its concrete functions by name.
        path: folder for the SavedModel.
    """
    with atomic_folder(path) as beside:
        tf.saved_model.save(served, str(beside), signatures=served.signatures())
        yield tf.saved_model.load(str(beside))


def kibibytes(path: Path) -> float:
    """The size of a file, or of all files in a folder, in KiB with one decimal."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return round(sum(file.stat().st_size for file in files if file.is_file()) / 1024, 1)
