"""TensorFlow datasets (tfds:NAME) from a prepared folder; the network is used only on request."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import DataError, first_line

if TYPE_CHECKING:
    import tensorflow as tf

FOLDER_VARIABLE = "TFDS_DATA_DIR"


def load_prepared(
    name: str, split: str = "all", data_dir: str | Path | None = None, *, download: bool = False
) -> tf.data.Dataset:
    """A dataset that `tensorflow_datasets` has prepared, with its examples in stored order.

    Args:
        name: name of the dataset: "NAME", "NAME/CONFIG" or "NAME/CONFIG:VERSION".
        split: a split in the notation of tfds: "train", "train[:80%]", "train+test", "all".
        data_dir: the folder in which the dataset was prepared; default: the variable
            TFDS_DATA_DIR, else ~/tensorflow_datasets.
        download: True to prepare a dataset that is not prepared yet, which downloads it.

    Raises:
        DataError: the dataset does not exist, is not prepared and `download` is off, cannot be
            prepared, or has no such split. Without `download` nothing ever waits for a network.
    """
    builder = find_builder(name, data_dir)
    if not builder.data_path.exists():
        if not download:
            raise DataError(
                f"is not prepared in {builder.data_dir_root}",
                file=f"tfds:{name}",
                advice="Name the folder that holds it with --data-dir or the variable "
                f"{FOLDER_VARIABLE}, or prepare it on a machine with a network: "
                f"python -c \"import tensorflow_datasets as t; t.builder('{name}', "
                "data_dir='FOLDER').download_and_prepare()\".",
            )
        _prepare(builder, name)
    try:
        return builder.as_dataset(split=split or "all", shuffle_files=False)
    except (ValueError, AssertionError) as error:
        raise DataError(
            f"has no split {split!r}: {first_line(error)}",
            file=f"tfds:{name}",
            advice=f"Its splits are {', '.join(builder.info.splits)}.",
        ) from None


def find_builder(name: str, data_dir: str | Path | None) -> Any:
    """The builder of a dataset, prepared or not; name and folder as for `load_prepared`.

    Raises:
        DataError: there is no such dataset, or the folder does not exist.
    """
    import tensorflow_datasets as tfds

    if ":" in name.split("/")[0] and not name.split(":", 1)[1][:1].isdigit():
        raise DataError(
            f"tfds:{name} is not a name of a TensorFlow dataset", advice="Write tfds:NAME[/CONFIG]."
        )
    folder = data_dir or os.environ.get(FOLDER_VARIABLE) or None
    if folder is not None and not Path(folder).expanduser().is_dir():
        raise DataError("the folder of prepared datasets does not exist", file=folder)
    try:
        return tfds.builder(name, data_dir=folder, try_gcs=False)
    except tfds.core.DatasetNotFoundError:
        near = difflib.get_close_matches(name.split("/")[0], tfds.list_builders(), 3)
        raise DataError(
            f"no TensorFlow dataset is called {name!r}, nor is one prepared under this name"
            + (f" in {folder}" if folder else ""),
            advice=f"Did you mean {', '.join(near)}?" if near else "Name its folder: --data-dir.",
        ) from None
    except (ValueError, AssertionError, OSError) as error:
        raise DataError(first_line(error), file=f"tfds:{name}") from None


def prepared_state(builder: Any) -> str:
    """What tells a prepared dataset from others of its name and from itself, prepared anew.

    It has the absolute folder, and sizes and times of change of the files in it. What is computed
    from the dataset may be kept under it: the same relative folder is another one elsewhere.

    Args:
        builder: builder of the dataset, as `find_builder` gives it.
    """
    folder = Path(builder.data_path).expanduser().resolve()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    states = [(file.name, file.stat()) for file in found]
    return f"{folder} {[(name, one.st_size, one.st_mtime_ns) for name, one in states]}"


def _prepare(builder: Any, name: str) -> None:
    try:
        builder.download_and_prepare()
    except Exception as error:
        # Anything from a refused connection to a changed web page; the message says which.
        raise DataError(
            f"cannot be prepared: {type(error).__name__}: {first_line(error)}",
            file=f"tfds:{name}",
            advice="Prepare it elsewhere and name its folder: --data-dir.",
        ) from error
