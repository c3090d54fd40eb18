"""A run while it is trained: everything is checked first, then the run is begun, then finished.

Until `TrainingFolder.begin` the run is only read. Whatever refuses to train, be it the
configuration, the data or the model, therefore leaves a run as it was, and no folder where there
was none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import check_writable, write_json, writing
from pipelines.base.errors import DataError, UserError
from rnn_apps.application.configuration import write_toml
from rnn_apps.application.console import plain
from rnn_apps.application.run_folder import READ_OTHERWISE, RunFolder, check_application
from rnn_apps.application.run_parts import (
    BEGUN_WITH,
    RESULT,
    Mark,
    check_parts,
    checksums,
    read_json,
    read_mark,
    replaced_parts,
    sweep,
)
from rnn_apps.training import checkpoints
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.resuming import check_same_config

_log = logging.getLogger(__name__)

FINGERPRINTS = {"data": "sha256", "validation": "validation_sha256", "noise": "noise_sha256"}
"""The fingerprints in a run's record of its data, by the setting that says where the data is."""


class TrainingFolder(RunFolder):
    """The folder of a run that this process trains; made by `claimed_run`.

    Attributes:
        resumed: True if training continues from a checkpoint, so that the files that the run was
            begun with stay.
        chief: True if this process writes the run; of several workers only the first one does.
        begun: True once the beginning of this training has been written into the folder.
    """

    def __init__(
        self, path: Path, application: str, holds: contextlib.ExitStack, *, resumed: bool,
        chief: bool,
    ) -> None:  # fmt: skip
        super().__init__(path, application)
        self.resumed = resumed
        self.chief = chief
        self.begun = False
        self._holds = holds
        self._held = path.is_dir()
        self._begun_with: tuple[str, ...] = ()
        self._moved: set[str] = set()
        self._sources: dict[str, str] = {}

    def check_config(self, config: TrainingConfig) -> None:
        """Refuses to go on with settings that would change what was trained.

        Raises:
            ConfigurationError: names each of them with its old and new value.
        """
        if self.resumed:
            begun = dataclasses.asdict(self.read_config(type(config)))
            check_same_config(begun, config)
            now = dataclasses.asdict(config)
            self._moved = {name for name in FINGERPRINTS if begun.get(name) != now.get(name)}
            self._sources = {name: now.get(name, "") for name in FINGERPRINTS}

    def check_data(self, file: str, about: dict[str, Any], *, source: str) -> None:
        """Refuses to go on with other data than the run was begun with, wherever it is now.

        What is tested on may be another: it moves no weight.

        Args:
            file: name of the run's record of its data, such as "text.json".
            about: record of the data, with `FINGERPRINTS` of the training data and of the data
                that the best epoch is chosen by.
            source: name of the training data, for the message.

        Raises:
            DataError: a fingerprint is another one, or data has moved of which there is none, as in
                runs of earlier versions.
        """
        if not self.resumed:
            return
        path = self.path / file
        record = read_json(path) if path.exists() else {}
        for name, fingerprint in FINGERPRINTS.items():
            # What is validated on, or mixed in, may have been named by a setting of its own.
            place = source if name == "data" else self._sources.get(name) or source
            if fingerprint in record and record[fingerprint] != about.get(fingerprint):
                raise DataError(
                    f"does not hold the {name} that the run in {self.path} was started with",
                    file=place,
                    advice=f"Restore it. {READ_OTHERWISE}: start a new run.",
                )
            if fingerprint not in record and name in self._moved:
                raise DataError(
                    f"cannot be compared with the {name} that the run in {self.path} was started "
                    "with: the run has no fingerprint of it",
                    file=place,
                    advice=f"Put the {name} back in its place, or start a new run.",
                )

    @contextlib.contextmanager
    def begin(self, config: TrainingConfig) -> Iterator[Path]:
        """Makes the folder a run, with its configuration and what is written in the block.

        Yields:
            A folder for further files that stay as they are for the life of the run. They appear
            in the run when the block has succeeded.

        Raises:
            UserError: another process has begun a run here since this one was claimed.
        """
        made = not self.path.exists()
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        if not self._held:
            self._holds.enter_context(locked(self.path))
            if read_mark(self.path) is not None:
                raise UserError(f"{self.path}: another process has begun a run here meanwhile")
        try:
            sweep(self.path)
            with replaced_parts(self.path, BEGUN_WITH) as beside:
                yield beside
                write_toml(config, beside / self.config.name)
                self._begun_with = tuple(checksums(beside))
                mark = read_mark(self.path)
                if mark is None or (mark.parts is None and not self.resumed):
                    Mark(self.application).write(self.path)
        except BaseException:
            if made:
                shutil.rmtree(self.path, ignore_errors=True)
            raise
        self.begun = True

    @contextlib.contextmanager
    def finish(self, tables: Sequence[str] = (), /, **metrics: Any) -> Iterator[Path]:
        """Gives the run what training came to: the files written in the block, and `metrics`.

        What an earlier end of the same run left is replaced: its model, and the figures, the
        reports and the tables that were that model's.

        Args:
            tables: names of the tables that evaluations of the run leave in its folder.
            metrics: entries of metrics.json, by name.

        Yields:
            A folder for the files, the model among them. They appear in the run together, when
            the block has succeeded.
        """
        with replaced_parts(self.path, RESULT) as beside:
            yield beside
            mark = read_mark(self.path)
            if mark is not None and mark.parts is None:
                # From an earlier version: from here on it has checksums too.
                present = checksums(self.path)
                begun_with = {name: present[name] for name in self._begun_with}
                Mark(self.application, parts={BEGUN_WITH: begun_with, RESULT: {}}).write(self.path)
            named = (self.path / name for name in tables)
            for stale in (self.metrics, *self.path.glob("report*.html"), *named):
                stale.unlink(missing_ok=True)
        write_json(self.metrics, plain(metrics))


@contextlib.contextmanager
def claimed_run(
    path: str | Path, application: str, *, resume: bool = False, chief: bool = True,
    scratch: str = "",
) -> Iterator[TrainingFolder]:  # fmt: skip
    """Checks that a run can be trained in a folder, and holds it for this process meanwhile.

    Args:
        path: path of the folder, which need not exist.
        application: name of the application on the command line.
        resume: True to continue the run that is there, or to start one where there is none.
        chief: True for the process that writes the run; False for all workers but the first.
        scratch: name of a folder inside; entries that are made there before the run has begun are
            removed again if it never begins.

    Raises:
        UserError: no folder is named; it holds a run and `resume` is False; it holds another
            application's run, a damaged one, or one that cannot be continued; another process is
            training in it; or it is a file or a folder with other things in it.
    """
    if not str(path):
        raise UserError("no run folder is named. Say where the run goes: --run FOLDER")
    folder = RunFolder(Path(path), application)
    with contextlib.ExitStack() as holds:
        if chief and folder.path.is_dir():
            holds.enter_context(locked(folder.path))
        # The chief may have begun the run by now.
        resumed = _resumed(folder, resume=resume or not chief) and resume
        if chief:
            check_writable(folder.path)
        if resume and chief:
            _announce_start(folder, resumed)
        claimed = TrainingFolder(folder.path, application, holds, resumed=resumed, chief=chief)
        with _without_leftovers(claimed, scratch):
            yield claimed


def _resumed(folder: RunFolder, *, resume: bool) -> bool:
    """Whether training continues from a checkpoint; refuses a folder that cannot be trained in."""
    path = folder.path
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file. Name a folder for the run")
    mark = read_mark(path)
    if mark is None:
        if path.is_dir() and any(not p.name.startswith(".") for p in path.iterdir()):
            raise UserError(
                f"{path} is not empty and holds no run. Name another folder for the run"
            )
        return False
    check_application(folder)
    if not resume:
        raise UserError(
            f"{path} already holds a run. Continue it with --resume, or name another folder"
        )
    if checkpoints.exist(folder.checkpoints):
        check_parts(path, (BEGUN_WITH,))
        return True
    if folder.model.exists():
        raise UserError(
            f"{path} holds a trained model, but no checkpoint from which training could go on. "
            "Put back its folder checkpoints, or train in another folder"
        )
    return False


def _announce_start(folder: RunFolder, resumed: bool) -> None:
    if not resumed:
        why = "no checkpoint was written yet" if folder.path.exists() else "there is no run yet"
        _log.info("%s: %s; training starts from the beginning.", folder.path, why)


@contextlib.contextmanager
def _without_leftovers(claimed: TrainingFolder, scratch: str) -> Iterator[None]:
    """Removes what was made in `scratch` if the block fails before the run has begun."""
    folder, inside = claimed.path, claimed.path / scratch
    was_there = folder.exists()
    kept = set(inside.iterdir()) if scratch and inside.is_dir() else set()
    try:
        yield
    except BaseException:
        if scratch and inside.is_dir() and not claimed.begun:
            for entry in set(inside.iterdir()) - kept:
                shutil.rmtree(entry, ignore_errors=True)
            with contextlib.suppress(OSError):
                # Neither is removed if it holds anything.
                inside.rmdir()
                if not was_there:
                    folder.rmdir()
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for this process, which the system gives up when the process ends, killed too.

    The folder itself is locked, so that nothing is written into it.

    Raises:
        UserError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        # Windows has no such locks.
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder}: another process is training this run. Wait until it has ended, or name "
                "another folder"
            ) from None
        except OSError as error:
            # Some network file systems cannot lock a folder.
            _log.warning("%s cannot be locked (%s): start one training only", folder, error)
        yield
    finally:
        os.close(handle)
