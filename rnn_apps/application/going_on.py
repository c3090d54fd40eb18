"""`train --from RUN`: what a new run takes over from a trained one, and how it is remembered.

The settings of the network, the features and the vocabulary are the other run's unless they are
set; the settings of the training and of the data are the new run's own. What became of each part of
the network is said when the training begins and is kept in the new run's origin.json, so that the
other run is needed no more, not to resume either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.base.atomic_files import write_json
from pipelines.base.checksums import sha256
from pipelines.base.errors import ConfigurationError
from rnn_apps.application import model_zoo
from rnn_apps.application.configuration import make
from rnn_apps.application.run_folder import RunFolder, open_run
from rnn_apps.application.run_parts import read_json
from rnn_apps.training.config import TrainingConfig

if TYPE_CHECKING:
    import keras

    from rnn_apps.application.run_training import TrainingFolder
    from rnn_apps.application.trained import Trained
    from rnn_apps.training.transfer import Rows

    TrainedRun = TypeVar("TrainedRun", bound=Trained[Any])

Config = TypeVar("Config", bound=TrainingConfig)

ORIGIN = "origin.json"
"""What a run went on from: address, checksum of the model, and what became of each part."""
OF_LEARNING_A_VOCABULARY = frozenset({"vocabulary_size", "minimum_count"})
"""Settings that a run has no use for if it names its vocabulary."""
OF_A_VOCABULARY = ("tokenizer", *sorted(OF_LEARNING_A_VOCABULARY))
"""Settings that a run cannot have of its own if it takes over a vocabulary."""


def config_from(
    config_type: type[Config], application: str, origin: str, **settings: Any
) -> Config:
    """A config that goes on from a trained run, with that run's network, features and vocabulary.

    Args:
        config_type: class of the application's configuration.
        application: name of the application on the command line.
        origin: folder of a trained run, or name of a saved model.
        settings: settings that differ from the trained run's, and those of the new run: `data`,
            `run` and so on.

    Raises:
        UserError: there is no such run.
        ConfigurationError: a setting does not exist or has a value that cannot be used.
    """
    names = {one.name for one in dataclasses.fields(config_type)}
    unknown = sorted(set(settings) - names)
    if unknown:
        raise ConfigurationError(f"there is no setting {', '.join(unknown)}")
    inherited = inherited_settings(
        config_type, application, origin, named_vocabulary=bool(settings.get("vocabulary"))
    )
    return make(config_type, {**inherited, **settings, "from_run": origin})


def inherited_settings(
    config_type: type[TrainingConfig],
    application: str,
    origin: str,
    *,
    named_vocabulary: bool = False,
) -> dict[str, Any]:
    """The settings of a trained run that a run takes over which goes on from it.

    Args:
        config_type: class of the application's configuration.
        application: name of the application on the command line.
        origin: folder of a trained run, or name of a saved model.
        named_vocabulary: True if the new run names its vocabulary; how the other one's was learnt
            is then not taken over.

    Raises:
        UserError: there is no such run.
    """
    folder = open_run(origin_folder(origin), application)
    own = {one.name for one in dataclasses.fields(TrainingConfig)} | config_type.OF_THE_DATA
    if named_vocabulary:
        own |= OF_LEARNING_A_VOCABULARY
    settings = dataclasses.asdict(folder.read_config(config_type))
    return {name: value for name, value in settings.items() if name not in own}


def origin_folder(origin: str) -> Path:
    """The folder that an address names: a run's own, or that of a saved model.

    Raises:
        UserError: there is neither.
    """
    path = Path(origin)
    if path.exists() or path.is_absolute() or origin.count("/") != 1:
        return path
    return model_zoo.find(origin).folder


def open_origin(
    config: TrainingConfig, folder: TrainingFolder, trained_type: type[TrainedRun]
) -> TrainedRun | None:
    """The trained run that a training goes on from; None for none, or if the training is resumed.

    Raises:
        UserError: there is no such run, it is the one that is to be trained, or there is none to
            go on from and a new vocabulary is asked for.
    """
    if folder.resumed:
        return None
    if not config.from_run:
        if getattr(config, "new_vocabulary", False):
            raise ConfigurationError(
                "new_vocabulary replaces the vocabulary of the run that a training goes on from, "
                "and none is named: name it with from_run (--from), or leave new_vocabulary out: a "
                "training from scratch has a vocabulary of its own"
            )
        return None
    path = origin_folder(config.from_run)
    if path.exists() and folder.path.exists() and path.samefile(folder.path):
        raise ConfigurationError(
            f"from_run = {config.from_run!r} is the run itself. Name another folder for the new "
            "run, or continue this one with --resume"
        )
    return trained_type.open(path)


def require_same(config: TrainingConfig, origin: Trained[Any], names: Sequence[str]) -> None:
    """Refuses settings that have to be those of the run that a training goes on from.

    Raises:
        ConfigurationError: names each setting that differs, with both values.
    """
    differing = [
        f"{name} = {getattr(config, name)!r} (there {getattr(origin.config, name)!r})"
        for name in names
        if getattr(config, name) != getattr(origin.config, name)
    ]
    if differing:
        raise ConfigurationError(
            f"a run that goes on from {config.from_run} needs its settings: "
            f"{', '.join(differing)}. Leave them out on the command line, where that run's are "
            "taken; in Python make the configuration with config_from"
        )


@dataclass(frozen=True)
class Start:
    """The weights that a training begins with, out of a trained run.

    Args:
        origin: trained run whose weights are taken over.
        address: address of the run, as the user has named it.
        rows: rows of parts that both networks have; see `rnn_apps.training.transfer`.
        own: names of parts that keep what they are built with, such as statistics of the data.
        anew: names of parts that begin anew.
    """

    origin: Trained[Any]
    address: str
    rows: Mapping[str, Rows] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    anew: frozenset[str] = frozenset()

    def into(self, model: keras.Model, freeze: Sequence[str] = ()) -> dict[str, Any]:
        """Gives a network the trained weights.

        Args:
            model: network that takes them.
            freeze: names of the parts that the training will leave as they are.

        Returns:
            The content of origin.json.

        Raises:
            UserError: a part of the network does not fit, or a part that is to be frozen has
                weights that the trained run does not have.
        """
        # Keras is imported where a network is at hand, not for the command line's settings.
        from rnn_apps.training.transfer import take_weights

        taken = take_weights(
            model, self.origin.model, origin=self.address,
            rows=self.rows, own=self.own, anew=self.anew,
        )  # fmt: skip
        taken.check_frozen(model, freeze)
        fingerprint = sha256(self.origin.folder.model)
        lines = taken.lines(self.address)
        return {"from": self.address, "sha256": fingerprint, "understood": lines}


def read_origin(folder: RunFolder) -> dict[str, Any]:
    """The content of a run's origin.json; empty if it began with initial weights."""
    path = folder.path / ORIGIN
    return read_json(path) if path.exists() else {}


def write_origin(beside: Path, origin: Mapping[str, Any]) -> None:
    """Writes origin.json for a run that went on from another; nothing for other runs."""
    if origin:
        write_json(beside / ORIGIN, dict(origin))
