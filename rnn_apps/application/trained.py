"""A trained model with its folder: the ground on which each application's verbs stand.

An application derives a class from `Trained` that opens its run folders and holds what its verbs
need. The verbs (evaluate, export, ...) are functions that take such an object; the application's
public `Run` derives from the class and hands its methods on to them.
"""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pipelines.base.errors import UserError
from rnn_apps.application.model_zoo import named_folder
from rnn_apps.application.own_data import OwnData
from rnn_apps.application.run_folder import RunFolder, open_run
from rnn_apps.training.config import TrainingConfig

if TYPE_CHECKING:
    from typing import Self

    import keras

Config = TypeVar("Config", bound=TrainingConfig)


class Trained(abc.ABC, Generic[Config]):
    """A trained model, the folder of its run and its configuration.

    Args:
        folder: folder of the run.
        config: effective configuration of the run.
        model: trained Keras model.
        own: data that the run was trained on.

    Attributes:
        application: name of the application on the command line; each subclass sets it.
        config_type: class of the configuration; each subclass sets it.
    """

    application: ClassVar[str]
    config_type: ClassVar[type[TrainingConfig]]

    def __init__(
        self,
        folder: RunFolder,
        config: Config,
        model: keras.Model,
        own: OwnData[Any, Any, Any],
    ) -> None:
        self.folder = folder
        self.config = config
        self.model = model
        self.own = own

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json: figures of the training and of the latest evaluation.

        Raises:
            UserError: the file is damaged.
        """
        return self.folder.read_metrics()

    @classmethod
    def open(cls, path: str | Path, data: Any = None) -> Self:
        """Opens the folder of a finished run.

        Args:
            path: folder of the run, or name of a model that comes with the toolkit.
            data: data that the run was trained on, where the configuration does not name it.

        Raises:
            UserError: there is no run, it is another application's, its training has not finished,
                or one of its files is damaged.
        """
        folder = open_run(named_folder(path), cls.application)
        config: Any = folder.read_config(cls.config_type)
        return cls.read(folder, config, data)

    @classmethod
    @abc.abstractmethod
    def read(cls, folder: RunFolder, config: Config, data: Any) -> Self:
        """Reads the model, and what else the application keeps in a run's folder.

        Args:
            folder: folder of a finished run whose files are known to be whole.
            config: effective configuration of the run.
            data: data that was given to `open`; None for none.
        """


def require_own_vocabulary(path: Path, size: int, expected: int, entries: str = "tokens") -> None:
    """Refuses a vocabulary that the model was not trained with.

    Args:
        path: folder of the vocabulary, for the message.
        size: number of entries that the vocabulary has.
        expected: number of entries that the model has.
        entries: name of the entries, for the message.

    Raises:
        UserError: the two numbers differ.
    """
    if size != expected:
        raise UserError(
            f"{path}: the vocabulary has {size} {entries}, the model {expected}: it is another "
            "model's. Put back the run's own"
        )
