"""Representative data: the user's, brought into one form, or random data that fits the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from itertools import islice
from typing import Any

import keras
import numpy as np

from pipelines.errors import ConfigurationError
from rnn_apps.export.layers import all_layers
from rnn_apps.export.model_signature import InputTensor, ModelSignature

Example = dict[str, np.ndarray]

# Timesteps of random data where a model takes any number of them.
RANDOM_TIMESTEPS = 20


def first_example(data: Any) -> Any:
    """The first element of representative data, in the model's own input structure."""
    if data is None or isinstance(data, np.ndarray | Mapping | tuple):
        return data
    return next(iter(data), None)


def examples_of(data: Any, signature: ModelSignature, limit: int) -> list[Example]:
    """Single sequences by input name from what the user gave (batch 1, or the batch that is fixed).

    Args:
        data: one array, dict or tuple of arrays in the model's input structure, batch first; or a
            list (or other iterable, such as a tf.data.Dataset) of such batches.
        limit: at most this many sequences are taken, evenly spread over all that an array or a
            list holds (data is often sorted), from the start of other iterables.

    Raises:
        ConfigurationError: wrong number of inputs, a wrong shape, no rows, or NaN in the data.
    """
    size = batch_of(signature)
    if isinstance(data, np.ndarray | Mapping | tuple):
        data = [data]
    # An iterable without a length may have no end.
    whole = isinstance(data, Sized)
    batches = data if whole else islice(data, limit)
    examples: list[Example] = []
    for batch in batches:
        named = _named(batch, signature)
        rows = {len(array) for array in named.values()}
        if len(rows) != 1:
            raise ConfigurationError(
                f"representative_data: the inputs have different numbers of rows: {sorted(rows)}"
            )
        for start in range(0, rows.pop() - size + 1, size):
            examples.append({name: array[start : start + size] for name, array in named.items()})
        if len(examples) >= limit and not whole:
            break
    if not examples:
        raise ConfigurationError(f"representative_data needs at least {size} rows in a batch")
    return spread(examples, limit) if whole else examples[:limit]


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, the first and the last among them, at even distances."""
    if len(items) <= count:
        return list(items)
    places = np.linspace(0, len(items) - 1, count).round().astype(int)
    return [items[place] for place in places.tolist()]


def batch_of(signature: ModelSignature) -> int:
    """The batch size that the signature fixes, 1 where it is free."""
    return max((input.shape[0] or 1 for input in signature.inputs if input.shape), default=1)


def _named(batch: Any, signature: ModelSignature) -> Example:
    if isinstance(batch, Mapping) and set(batch) >= {input.name for input in signature.inputs}:
        flat = [batch[input.name] for input in signature.inputs]
    else:
        flat = keras.tree.flatten(batch)
    if len(flat) != len(signature.inputs):
        names = ", ".join(input.name for input in signature.inputs)
        raise ConfigurationError(
            f"representative_data has {len(flat)} inputs, the model has {len(signature.inputs)}: "
            f"{names}"
        )
    return {
        input.name: _checked(input, np.asarray(value))
        for input, value in zip(signature.inputs, flat, strict=True)
    }


def _checked(input: InputTensor, array: np.ndarray) -> np.ndarray:
    fits = array.ndim == len(input.shape) and all(
        expected in (None, size)
        for expected, size in zip(input.shape[1:], array.shape[1:], strict=True)
    )
    if not fits:
        raise ConfigurationError(
            f"representative_data for input {input.name!r} has shape {array.shape}; the model "
            f"takes {('batch', *input.shape[1:])} (None: any size)"
        )
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise ConfigurationError(
            f"representative_data for input {input.name!r} holds NaN or infinity"
        )
    return array.astype(input.dtype)


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
    padding = _padding_value(model)
    examples = []
    for index in range(count):
        example = {}
        for input in signature.inputs:
            free = (RANDOM_TIMESTEPS if size is None else size for size in input.shape[1:])
            shape = (batch_of(signature), *free)
            array = _random_array(generator, input.dtype, shape, vocabulary)
            if padding is not None and index % 2 == 1 and len(shape) >= 2 and shape[1] > 2:
                array[:, shape[1] - shape[1] // 3 :] = padding
            example[input.name] = array
        examples.append(example)
    return examples


def _random_array(
    generator: np.random.Generator, dtype: str, shape: tuple[int, ...], vocabulary: int
) -> np.ndarray:
    if dtype == "bool":
        return generator.random(shape) < 0.5
    if dtype.startswith(("int", "uint")):
        return generator.integers(1 if vocabulary > 1 else 0, vocabulary, shape).astype(dtype)
    return generator.standard_normal(shape).astype(dtype)


def _vocabulary(model: keras.Model) -> int:
    sizes = [
        layer.input_dim
        for layer in all_layers(model)
        if isinstance(getattr(layer, "input_dim", None), int) and hasattr(layer, "output_dim")
    ]
    return min(sizes, default=10)


def _padding_value(model: keras.Model) -> float | None:
    """What the model masks: a Masking layer's value, 0 for an Embedding with `mask_zero`."""
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.Masking):
            return float(layer.mask_value)
        if getattr(layer, "mask_zero", False):
            return 0.0
    return None


def stacked(examples: Iterable[Example], timesteps: int | None = None) -> Example:
    """Joins sequences of the same shape to one batch, cut to `timesteps` if that is given."""
    listed = list(examples)
    joined = {name: np.concatenate([example[name] for example in listed]) for name in listed[0]}
    if timesteps is None:
        return joined
    # An input of rank 1, such as an index a sequence, has no time.
    return {n: array[:, :timesteps] if array.ndim > 1 else array for n, array in joined.items()}
