"""The folder of a run: what every application's training leaves behind, and how it is found."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.base.atomic_files import check_writable, write_json
from pipelines.base.errors import DataError, UserError
from rnn_apps.application.configuration import make, read_toml
from rnn_apps.application.console import plain
from rnn_apps.application.run_parts import (
    BEGUN_WITH,
    RESULT,
    check_parts,
    read_json,
    read_mark,
    replaced_parts,
)
from rnn_apps.training.history import read_history

if TYPE_CHECKING:
    import keras

_log = logging.getLogger(__name__)

READ_OTHERWISE = "If it is as it was, the run may be of an earlier version that read it otherwise"
"""Words of advice where data is not what a run was trained on, before what to do then."""

Config = TypeVar("Config")


@dataclass(frozen=True)
class RunFolder:
    """The paths inside a run's folder.

    Args:
        path: path of the folder.
        application: name of the application on the command line, such as ``forecast``.
    """

    path: Path
    application: str

    @property
    def config(self) -> Path:
        """The effective configuration, as TOML that ``--config`` reads back."""
        return self.path / "config.toml"

    @property
    def checkpoints(self) -> Path:
        """The folder from which an interrupted training is continued."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The trained model with its best weights."""
        return self.path / "model.keras"

    @property
    def metrics(self) -> Path:
        """The figures of the training and of the latest evaluation."""
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        """The history: one row per epoch with losses, learning rate, gradient norm, speed."""
        return self.path / "history.csv"

    @property
    def report(self) -> Path:
        """The self-contained page that shows the run."""
        return self.path / "report.html"

    def read_config(self, config_type: type[Config]) -> Config:
        """The configuration that the run was started with.

        Raises:
            UserError: it cannot be read, or was cut short.
        """
        return make(config_type, self.read_settings(config_type))

    def read_settings(self, config_type: type) -> dict[str, Any]:
        """The settings in config.toml, which has all of them.

        Raises:
            UserError: it cannot be read, or was cut short.
        """
        settings = read_toml(config_type, self.config)
        # `check_parts` has compared checksums, where the run has them.
        last = getattr(config_type, "LAST_OF_UNCHECKED_RUNS", "")
        if last and (last not in settings or not self.config.read_bytes().endswith(b"\n")):
            raise UserError(
                f"{self.config} was cut short: a run's configuration has every setting, and this "
                f"one ends before {last}. Put back the original from a copy of the run, or train "
                "again in another folder"
            )
        return settings

    def load_model(self) -> keras.Model:
        """The trained model; nothing in the file is executed (Keras' safe mode).

        The application has imported its own layers, so that Keras knows them by name; those of
        `rnn_apps.layers` are imported here.

        Raises:
            UserError: the file is damaged or is not a model of this toolkit.
        """
        from rnn_apps.layers.loading import load_model

        try:
            return load_model(self.model)
        except UserError:
            raise
        except Exception as error:
            # What Keras, HDF5 and zip raise for a damaged file is anything.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{self.model}: the model cannot be loaded: {reason}") from error

    def read_metrics(self) -> dict[str, Any]:
        """The numbers in metrics.json; empty when nothing was measured yet.

        Raises:
            UserError: the file is damaged.
        """
        if not self.metrics.exists():
            return {}
        try:
            content = read_json(self.metrics)
        except UserError as error:
            raise UserError(f"{error}. Remove it, and evaluate the run anew") from None
        if not all(isinstance(part, dict | list) for part in content.values()):
            raise UserError(f"{self.metrics} is damaged. Remove it, and evaluate the run anew")
        return content

    def check_evaluable(self) -> None:
        """Refuses what would make an evaluation fail after everything has been computed.

        Raises:
            UserError: nothing can be written into the folder, or what is there is damaged.
        """
        check_writable(self.path)
        self.read_metrics()
        read_history(self.history)
        flows = self.path / "gradient_flow.json"
        if flows.exists():
            from rnn_apps.training.gradients.hidden_gradients import read_flows

            read_flows(flows)

    def check_own_data(self, file: str, source: str, **fingerprint: str) -> None:
        """Refuses to judge the run on its own data if that has changed since training.

        The test part is cut from the data anew, so it might hold what was trained on.

        Args:
            file: name of the run's record of its data, such as "text.json".
            source: name of the data, for the message.
            fingerprint: entry of the record that has to be equal, by its name. A record of an
                earlier version that lacks it is not compared.

        Raises:
            DataError: the data has changed. Where it comes with a package, a notice is given only.
        """
        path = self.path / file
        record = read_json(path) if path.exists() else {}
        if all(record.get(name, value) == value for name, value in fingerprint.items()):
            return
        problem = f"is no longer what the run in {self.path} was trained on"
        if source.startswith("builtin:"):
            _log.warning("%s %s: another version of its package is installed.", source, problem)
            return
        raise DataError(
            f"{problem}, so that its test part may hold what was trained on",
            file=source,
            advice=f"Restore it. {READ_OTHERWISE}: train again, or name data that was not trained "
            "on: --data SOURCE.",
        )

    @contextlib.contextmanager
    def further_results(self) -> Iterator[Path]:
        """Yields a folder for files that join the run's results when the block succeeds."""
        with replaced_parts(self.path, RESULT, whole=False) as beside:
            yield beside

    def write_metrics(self, **parts: Any) -> None:
        """Sets the named parts of metrics.json (such as ``training`` or ``test``)."""
        write_json(self.metrics, plain({**self.read_metrics(), **parts}))

    def write_evaluation(
        self, part: str, figures: dict[str, Any], table: dict[str, Any], *, judged: bool
    ) -> Path:
        """Sets what metrics.json says of an evaluated part.

        Args:
            part: name of the part, or "other_data" for data that is not the run's own.
            figures: figures that were measured on it.
            table: figures as the table that the terminal and the report show.
            judged: True if the run is judged on this part: then the table is kept too.

        Returns:
            The page for the report: the run's own page for the part that the run is judged on,
            and a page of its own for every other part.
        """
        self.write_metrics(**{part: figures}, **({"table": table} if judged else {}))
        return self.report if judged else self.path / f"report-{part}.html"


def open_run(path: str | Path, application: str) -> RunFolder:
    """The folder of a finished run, all of whose files are as training wrote them.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is missing, damaged or another one.
    """
    folder = RunFolder(Path(path), application)
    if read_mark(folder.path) is None:
        raise UserError(
            f"{path}: no run here. Train one with: "
            f"rnn-apps {application} train --data SOURCE --run {path}"
        )
    check_application(folder)
    parts = check_parts(folder.path)
    finished = folder.model.exists() if parts is None else folder.model.name in parts
    if not finished:
        raise UserError(
            f"{path}: the run has no trained model yet. Finish it with: "
            f"rnn-apps {application} train --run {path} --resume"
        )
    return folder


def begun_settings(path: Path, application: str, config_type: type) -> dict[str, Any]:
    """The settings that a run was begun with, for continuing it; none where no run has begun.

    Raises:
        UserError: it is another application's run, or its config.toml is damaged.
    """
    folder = RunFolder(path, application)
    if read_mark(path) is None:
        return {}
    check_application(folder)
    check_parts(path, (BEGUN_WITH,))
    return folder.read_settings(config_type) if folder.config.exists() else {}


def check_application(folder: RunFolder) -> None:
    """Refuses a folder that holds another application's run.

    Raises:
        UserError: it does; the message names it.
    """
    mark = read_mark(folder.path)
    if mark is not None and mark.application != folder.application:
        raise UserError(
            f"{folder.path} holds a run of '{mark.application}', not of '{folder.application}'. "
            f"Use: rnn-apps {mark.application} ... --run {folder.path}"
        )
