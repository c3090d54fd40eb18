"""A limit on the weights that a model's layers may make while a file is opened.

A file says in a few bytes how large its layers are, and layers make their weights, with the work of
their initialisers, before they are filled with those of the file. What the file holds no weights
for would only fill the memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.base.errors import DataError

# Weights that a file need not hold: what layers make for themselves (LoRA, states) is small.
SPARE_WEIGHTS = 2**20


class WeightLimit:
    """Counts the weights that layers make, and refuses them before there are too many.

    Args:
        file: file that is opened.
        stored: number of bytes in which it holds weights. Each takes a byte, or half of one.
    """

    def __init__(self, file: Path, stored: int) -> None:
        self._file = file
        self._stored = stored
        self._made = 0
        self.refusal: DataError | None = None

    def count(self, layer: Any, shape: Any) -> None:
        """Counts a weight of `layer` that is about to be made.

        Raises:
            DataError: the file cannot hold as many.
        """
        sizes = shape if isinstance(shape, list | tuple) else (shape,)
        self._made += math.prod(size for size in sizes if isinstance(size, int))
        if self._made > 2 * self._stored + SPARE_WEIGHTS:
            self.refusal = DataError(
                f"its layers would have at least {self._made} weights with those of "
                f"{getattr(layer, 'path', None) or layer.name!r} ({type(layer).__name__}), and the "
                f"file holds {self._stored} bytes of them",
                file=self._file,
                advice="Copy the file again, or save the model again",
            )
            raise self.refusal


@contextmanager
def with_weight_limit(file: Path, stored: int) -> Iterator[WeightLimit]:
    """Lets layers make as many weights as the file can hold.

    Keras may wrap the refusal into an error of its own; it is kept in what this yields.
    """
    import keras

    limit = WeightLimit(file, stored)
    add_weight = keras.layers.Layer.add_weight

    def counted(layer: Any, *arguments: Any, **options: Any) -> Any:
        limit.count(layer, arguments[0] if arguments else options.get("shape"))
        return add_weight(layer, *arguments, **options)

    keras.layers.Layer.add_weight = counted
    try:
        yield limit
    finally:
        keras.layers.Layer.add_weight = add_weight
