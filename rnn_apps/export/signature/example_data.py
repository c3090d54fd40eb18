"""Representative data: the user's, paired with the model's inputs, or random data that fits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.base.errors import ConfigurationError
from rnn_apps.export.signature.input_arrays import (
    ExampleDataError,
    input_array,
    is_array,
    refuse_uneven,
)
from rnn_apps.export.signature.model_signature import ModelSignature
from rnn_apps.export.signature.padding import padded, padding_value
from rnn_apps.layers.layers_within import layers_within

Example = dict[str, np.ndarray]

# Timesteps of random data where a model takes any number of them.
RANDOM_TIMESTEPS = 20
# Batches that are taken from what may have no end.
MOST_BATCHES = 200


def kept_data(data: Any) -> Any:
    """Representative data that can be read several times: an array, structure or list of batches.

    What can be read once only, or anew with another order each time (a generator, a
    `tf.data.Dataset`), becomes a list, as does what a function such as the LiteRT converter's
    `representative_dataset` gives.

    Raises:
        ExampleDataError: it is a path or text, or cannot be read.
    """
    if isinstance(data, str | bytes | Path):
        raise ExampleDataError(
            f"is the text {str(data)!r}, not data. Load a file first, as with numpy.load(path)"
        )
    if callable(data) and not is_array(data) and not isinstance(data, Iterable):
        try:
            data = data()
        except Exception as failure:
            raise ExampleDataError(
                "is a function that fails when it is called without arguments: "
                f"{type(failure).__name__}: {failure}"
            ) from failure
    refuse_uneven(data)
    if _is_number(data):
        return _one_array(data)
    if data is None or isinstance(data, Mapping | tuple | list) or is_array(data):
        return data
    if not isinstance(data, Iterable) and not hasattr(data, "__getitem__"):
        raise ExampleDataError(
            f"is of type {type(data).__name__}; give an array, a dict or tuple of arrays, or a "
            "list of such batches"
        )
    try:
        return list(islice(iter(data), MOST_BATCHES))
    except Exception as failure:
        raise ExampleDataError(f"cannot be read: {type(failure).__name__}: {failure}") from failure


def _one_array(data: Any) -> np.ndarray:
    try:
        return np.asarray(data)
    except ValueError:
        raise ExampleDataError(
            "is a list of rows of different lengths. Pad them to one length, or give a list of "
            "batches of one row each"
        ) from None


def first_example(data: Any, any_length: bool = False) -> Any:
    """The first element of representative data, in the model's own input structure.

    Arrays in a list that differ in more than the batch are the inputs of one batch, unless they are
    sequences of `any_length`, as a stream takes them.
    """
    if data is None or isinstance(data, Mapping | tuple) or is_array(data):
        return data
    if isinstance(data, list) and all(map(is_array, data)):
        shapes = [np.shape(array) for array in data]
        if len({(len(shape), *shape[2 if any_length else 1 :]) for shape in shapes}) > 1:
            return data
    return next(iter(data), None)


def examples_of(data: Any, signature: ModelSignature, limit: int) -> list[Example]:
    """Single sequences by input name from what the user gave (batch 1, or the batch that is fixed).

    Args:
        data: one array, dict or tuple of arrays in the model's input structure, batch first; or a
            list (or other iterable, such as a tf.data.Dataset) of such batches. The names of a dict
            are those of the model's inputs, as the model or as the file calls them.
        limit: largest number of sequences taken, evenly spread over all (data is often sorted).

    Raises:
        ExampleDataError: other names or another number of inputs than the model's, a wrong shape
            or type, no rows, or NaN in the data.
    """
    size = batch_of(signature)
    examples: list[Example] = []
    for batch in _batches(data, signature):
        named = _named(batch, signature)
        rows = {name: len(array) for name, array in named.items()}
        if len(set(rows.values())) != 1:
            raise ExampleDataError(f"has different numbers of rows for the inputs: {rows}")
        for start in range(0, min(rows.values()) - size + 1, size):
            examples.append({name: array[start : start + size] for name, array in named.items()})
    if not examples:
        raise ExampleDataError(f"has no batch of {size} rows" if size > 1 else "is empty")
    return spread(examples, limit)


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, the first and the last among them, at even distances."""
    if len(items) <= count:
        return list(items)
    places = np.linspace(0, len(items) - 1, count).round().astype(int)
    return [items[place] for place in places.tolist()]


def _batches(data: Any, signature: ModelSignature) -> Sequence[Any]:
    kept = kept_data(data)
    if isinstance(kept, Mapping | tuple) or is_array(kept):
        return [kept]
    several = len(signature.inputs) > 1
    if several and len(kept) == len(signature.inputs) and all(map(is_array, kept)):
        # One array for each input, as Keras itself takes them: none of them could be a batch.
        return [kept]
    return list(kept)


def batch_of(signature: ModelSignature) -> int:
    """The batch size that the signature fixes, 1 where it is free."""
    return max((input.shape[0] or 1 for input in signature.inputs if input.shape), default=1)


def _named(batch: Any, signature: ModelSignature) -> Example:
    """One batch by input name."""
    if isinstance(batch, Mapping):
        values = _by_name(batch, signature)
    else:
        values = _by_position(batch, signature)
    return {input.name: input_array(input, values[input.name]) for input in signature.inputs}


def _by_name(batch: Mapping[Any, Any], signature: ModelSignature) -> dict[str, Any]:
    """A dict's values by the file's input names; each name must be the model's."""
    flat_names = keras.tree.flatten(signature.structure)
    if any(isinstance(value, Mapping | list | tuple) for value in batch.values()):
        return _same_structure(batch, signature)
    known = {n: n for n in flat_names} | {signature.given_name(name): name for name in flat_names}
    found = {known[str(key)]: value for key, value in batch.items() if str(key) in known}
    unknown = [str(key) for key in batch if str(key) not in known]
    wanted = [input.name for input in signature.inputs]
    if unknown or any(name not in found for name in wanted):
        takes = ", ".join(repr(signature.given_name(name)) for name in wanted)
        gives = ", ".join(map(repr, batch)) or "none"
        raise ExampleDataError(
            f"has the names {gives}; the model's inputs are {takes}. Rename the data's entries to "
            "the model's inputs, leaving out what is not an input"
        )
    return found


def _by_position(batch: Any, signature: ModelSignature) -> dict[str, Any]:
    """An array, or a tuple or list in the model's own structure, by the file's input names."""
    names = [input.name for input in signature.inputs]
    if isinstance(batch, str | bytes):
        raise ExampleDataError(f"holds the text {batch!r} where a batch was expected")
    if not isinstance(batch, list | tuple):
        if len(names) != 1:
            raise ExampleDataError(_wrong_count(1, signature))
        return {names[0]: batch}
    if isinstance(signature.structure, Mapping) and len(names) > 1:
        raise ExampleDataError(
            "gives the inputs in an order, but the model takes them by name. Give a dict with the "
            f"names {', '.join(repr(signature.given_name(name)) for name in names)}"
        )
    if not any(map(keras.tree.is_nested, _members(signature.structure))):
        everything = keras.tree.flatten(signature.structure)
        _refuse_nested(batch, signature)
        for expected in (names, everything):
            if len(batch) == len(expected):
                return dict(zip(expected, batch, strict=True))
    return _same_structure(batch, signature)


def _refuse_nested(batch: Sequence[Any], signature: ModelSignature) -> None:
    """Refuses inputs that stand together in a batch, as in (inputs, targets) of a training set.

    A nest of Python's own numbers is an array.
    """
    nested = [item for item in batch if isinstance(item, Mapping | list | tuple)]
    if any(isinstance(item, Mapping) or any(map(is_array, item)) for item in nested):
        names = ", ".join(repr(signature.given_name(input.name)) for input in signature.inputs)
        raise ExampleDataError(
            "has several arrays in one entry of a batch; a batch is one array for each of the "
            f"model's inputs: {names}. Leave targets and weights out, as with "
            "dataset.map(lambda x, y: x)"
        )


def _members(structure: Any) -> list[Any]:
    return list(structure) if isinstance(structure, list | tuple) else [structure]


def _same_structure(batch: Any, signature: ModelSignature) -> dict[str, Any]:
    """Values of a nested batch whose structure is that of the model's inputs, name by name."""
    wanted = keras.tree.lists_to_tuples(signature.structure)
    try:
        keras.tree.assert_same_structure(wanted, keras.tree.lists_to_tuples(batch))
    except (ValueError, TypeError):
        count = len(keras.tree.flatten(batch))
        raise ExampleDataError(_wrong_count(count, signature)) from None
    names = keras.tree.flatten(signature.structure)
    return dict(zip(names, keras.tree.flatten(batch), strict=True))


def _wrong_count(count: int, signature: ModelSignature) -> str:
    names = ", ".join(repr(signature.given_name(input.name)) for input in signature.inputs)
    message = f"has {count} inputs in a batch, the model has {len(signature.inputs)}: {names}"
    if count > len(signature.inputs):
        message += ". Leave targets and weights out, as with dataset.map(lambda x, y: x)"
    return message


def _is_number(value: Any) -> bool:
    """Whether a nest of lists holds Python's own numbers, and so is one array."""
    first = value
    while isinstance(first, list | tuple) and len(first):
        first = first[0]
    return isinstance(value, list | tuple) and isinstance(first, int | float)


def random_examples(
    model: keras.Model, signature: ModelSignature, count: int, *, seed: int = 0
) -> list[Example]:
    """Sequences to compare with where the user gave none.

    Floats are standard normal. Whole numbers are drawn from the smallest vocabulary among the
    model's Embedding layers (else from 0 to 9). If the model masks, every second sequence is padded
    at its end; a free number of timesteps is 20.
    """
    generator = np.random.default_rng(seed)
    vocabulary = _vocabulary(model)
    padding = padding_value(model)
    examples = []
    for index in range(count):
        example = {}
        for input in signature.inputs:
            free = (RANDOM_TIMESTEPS if size is None else size for size in input.shape[1:])
            shape = (batch_of(signature), *free)
            example[input.name] = _random_array(generator, input.dtype, shape, vocabulary)
        if padding is not None and index % 2 == 1:
            example = padded(example, padding)
        examples.append(example)
    return examples


def _random_array(
    generator: np.random.Generator, dtype: str, shape: tuple[int, ...], vocabulary: int
) -> np.ndarray:
    if dtype == "string":
        raise ConfigurationError("the model reads text: give representative_data")
    if dtype == "bool":
        return generator.random(shape) < 0.5
    if dtype.startswith(("int", "uint")):
        return generator.integers(1 if vocabulary > 1 else 0, vocabulary, shape).astype(dtype)
    return generator.standard_normal(shape).astype(dtype)


def _vocabulary(model: keras.Model) -> int:
    sizes = [
        layer.input_dim
        for layer in layers_within(model)
        if isinstance(getattr(layer, "input_dim", None), int) and hasattr(layer, "output_dim")
    ]
    return min(sizes, default=10)


def stacked(examples: Iterable[Example], timesteps: int | None = None) -> Example:
    """Joins sequences of the same shape to one batch, cut to `timesteps` if that is given."""
    listed = list(examples)
    joined = {name: np.concatenate([example[name] for example in listed]) for name in listed[0]}
    if timesteps is None:
        return joined
    # An input of rank 1, such as an index a sequence, has no time.
    return {n: array[:, :timesteps] if array.ndim > 1 else array for n, array in joined.items()}
