"""What an application tells the command line about itself, without importing anything heavy."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = dict[str, Any]


class PartialResultError(UserError):
    """A part of what was asked for could not be done: the rest is shown, then this error.

    Args:
        message: sentence that names what could not be done and why.
        result: result of the rest, as a verb returns it.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Verb:
    """Something that the command line can do.

    Args:
        name: name of the verb, as it is typed.
        summary: one line for ``--help``.
        add_arguments: function that adds the verb's arguments to its parser.
        run: function that does the work and returns what ``--json`` prints. A key ``"table"`` with
            a ``"header"`` and ``"rows"`` is shown as a table.
    """

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]


@dataclass(frozen=True)
class Picture:
    """Something to look at, to read or to hear on the demo's page; made by the run it shows.

    Args:
        caption: sentence that says what the picture shows.
        figure: matplotlib figure, if it is a chart.
        text: quoted text, if a model wrote it.
        sound: content of a WAV file, if it is a recording.
    """

    caption: str
    figure: Figure | None = None
    text: str = ""
    sound: bytes = b""


@dataclass(frozen=True)
class DemoResult:
    """What an application's demo showed on built-in data; all of it measured in that run.

    Args:
        data: name of the built-in data that the model was trained and judged on.
        metric: name of what is compared, such as ``MASE``; lower is better.
        figure: the metric of the trained model.
        baselines: the metric of each baseline, by its name.
        proof: how the exported file compares with Keras on the device runtime.
        use: sentence that says what the exported model gave when it was used once.
        report: path of the run's page.
        notes: further figures worth a line, by name.
        pictures: charts, texts and sounds of the run that the demo's page shows.
    """

    data: str
    metric: str
    figure: float
    baselines: dict[str, float]
    proof: str
    use: str
    report: Path
    notes: dict[str, float] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Application:
    """One application, as the command line and the demo see it.

    Args:
        name: name of the application, as it is typed, such as ``forecast``.
        summary: one line for ``--help``.
        package: name of the package with `train` and `load`; if it has a module `demo`, that has
            `demo(folder)` and `SOURCE`.
        config: place of the configuration's dataclass, as ``module:Class``.
        verbs: verbs of the application's own, in addition to train, evaluate and export; one of
            those names replaces the shared verb.
    """

    name: str
    summary: str
    package: str
    config: str
    verbs: tuple[Verb, ...]

    def config_type(self) -> type:
        """The config dataclass."""
        return load_object(self.config)

    def has_demo(self) -> bool:
        """Whether the application can be shown by `rnn-apps demo`."""
        return importlib.util.find_spec(f"{self.package}.demo") is not None

    def module(self) -> Any:
        """The application's package, imported."""
        return importlib.import_module(self.package)


def load_object(address: str) -> Any:
    """The object at ``module:name``."""
    module, name = address.split(":")
    return getattr(importlib.import_module(module), name)
