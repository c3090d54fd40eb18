"""The folder of a run: what every application's training leaves behind, and how it is found."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.atomic_files import write_json
from pipelines.errors import DataError, UserError
from rnn_apps import __version__
from rnn_apps.configuration import make, read_toml, write_toml

if TYPE_CHECKING:
    import keras

Config = TypeVar("Config")


@dataclass(frozen=True)
class RunFolder:
    """The paths inside a run's folder.

    Args:
        path: the folder.
        application: the application's name on the command line, such as ``forecast``.
    """

    path: Path
    application: str

    @property
    def config(self) -> Path:
        """The effective configuration, as TOML that ``--config`` reads back."""
        return self.path / "config.toml"

    @property
    def checkpoints(self) -> Path:
        """The folder from which an interrupted training resumes."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The trained model with its best weights."""
        return self.path / "model.keras"

    @property
    def metrics(self) -> Path:
        """What training and the latest evaluation measured."""
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        """One row an epoch: losses, learning rate, gradient norm, rate."""
        return self.path / "history.csv"

    @property
    def report(self) -> Path:
        """The self-contained page that shows the run."""
        return self.path / "report.html"

    @property
    def _mark(self) -> Path:
        return self.path / "run.json"

    def read_config(self, config_type: type[Config]) -> Config:
        """The configuration that the run was started with."""
        return make(config_type, read_toml(config_type, self.config))

    def load_model(self) -> keras.Model:
        """The trained model; nothing in the file is executed (Keras' safe mode).

        The application has imported its layers, so that Keras knows them by name.

        Raises:
            UserError: the file is damaged or is no model of this toolkit.
        """
        import keras

        try:
            return keras.saving.load_model(self.model, compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{self.model}: the model cannot be loaded: {reason}") from None

    def read_metrics(self) -> dict[str, Any]:
        """The numbers in metrics.json; empty when nothing was measured yet."""
        if not self.metrics.exists():
            return {}
        return dict(_read_json(self.metrics))

    def keep_data(self, file: str, about: dict[str, Any], *, source: str, resume: bool) -> None:
        """Writes what is trained on; on resuming, refuses anything else.

        Args:
            file: the name in the folder, such as "text.json".
            about: "sha256", the fingerprint of it all, and what a reader should know.
            source: where it comes from, for the message.
            resume: the run may have been started with other data.

        Raises:
            DataError: it was.
        """
        path = self.path / file
        if resume and path.exists() and _read_json(path).get("sha256") != about["sha256"]:
            raise DataError(
                f"does not hold what the run in {self.path} was started with",
                file=source,
                advice="Restore it, or start a new run.",
            )
        write_json(path, about)

    def write_metrics(self, **parts: Any) -> None:
        """Sets the named parts of metrics.json (such as ``training`` or ``test``)."""
        write_json(self.metrics, {**self.read_metrics(), **parts})


def create_run(
    path: str | Path, application: str, config: Any, *, resume: bool = False
) -> RunFolder:
    """The folder for a training run; writes the effective configuration into it.

    Args:
        path: the folder; made if missing.
        application: the application's name.
        config: the effective configuration.
        resume: continue the run that is there, or start one where none is.

    Raises:
        UserError: no folder is named, it holds a run and `resume` is False, it holds another
            application's run, or it is a file or a folder with other things in it.
    """
    if not str(path):
        raise UserError("no run folder is named. Say where the run goes: --run FOLDER")
    folder = RunFolder(Path(path), application)
    if folder.path.exists() and not folder.path.is_dir():
        raise UserError(f"{path} is a file. Name a folder for the run")
    if folder._mark.exists():
        _check_application(folder)
        if not resume:
            raise UserError(
                f"{path} already holds a run. Continue it with --resume, or name another folder"
            )
    elif folder.path.is_dir() and any(not p.name.startswith(".") for p in folder.path.iterdir()):
        raise UserError(f"{path} is not empty and holds no run. Name another folder for the run")
    folder.path.mkdir(parents=True, exist_ok=True)
    write_json(folder._mark, {"application": application, "rnn_apps": __version__})
    write_toml(config, folder.config)
    return folder


def open_run(path: str | Path, application: str) -> RunFolder:
    """The folder of a finished run.

    Raises:
        UserError: there is no run, it is another application's, or its training has not finished.
    """
    folder = RunFolder(Path(path), application)
    if not folder._mark.exists():
        raise UserError(
            f"{path}: no run here. Train one with: rnn-apps {application} train --run {path}"
        )
    _check_application(folder)
    if not folder.model.exists():
        raise UserError(
            f"{path}: the run has no trained model yet. Finish it with: "
            f"rnn-apps {application} train --config {folder.config} --resume"
        )
    return folder


def _check_application(folder: RunFolder) -> None:
    found = _read_json(folder._mark).get("application")
    if found != folder.application:
        raise UserError(
            f"{folder.path} holds a run of '{found}', not of '{folder.application}'. "
            f"Use: rnn-apps {found} ... --run {folder.path}"
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object")
    return content
