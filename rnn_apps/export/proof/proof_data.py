"""The data that a file is proven on: which of the user's examples, in which shapes and order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.export.proof.keras_reference import keras_outputs
from rnn_apps.export.signature.example_data import (
    Example,
    examples_of,
    random_examples,
    spread,
    stacked,
)
from rnn_apps.export.signature.model_signature import ModelSignature
from rnn_apps.export.signature.padding import is_among, padded, padding_value

# Random sequences on which a file is compared where the user gave no data.
COMPARED = 8
# The sequences on which a file is proven and int8 is calibrated: all as long as they have no more
# timesteps together, else no less than the first number and no more than the second.
PROVEN_TIMESTEPS = 20_000
FEWEST, MOST = 100, 500


def data_for(model: keras.Model, signature: ModelSignature, data: Any) -> list[Example]:
    """The user's representative data as single examples, or random ones.

    Of much data it is a part that is spread evenly over all: see `PROVEN_TIMESTEPS`.
    """
    if data is None:
        return random_examples(model, signature, COMPARED)
    examples = examples_of(data, signature, MOST)
    sizes = (array.shape[1] for one in examples for array in one.values() if array.ndim > 1)
    count = PROVEN_TIMESTEPS // max(sizes, default=1)
    return spread(examples, max(FEWEST, min(MOST, count)))


def compared_inputs(
    model: keras.Model, signature: ModelSignature, examples: Sequence[Example]
) -> list[Example]:
    """What the file is run on: every sequence by itself, and, where they are free, a batch of
    several and fewer timesteps; the first one padded, where the model masks, and again as it is
    after others, which shows leaking states.
    """
    inputs, others = list(examples[:COMPARED]), examples[COMPARED:]
    shapes = {tuple(array.shape for array in example.values()) for example in inputs}
    if all(input.shape[0] is None for input in signature.inputs) and len(shapes) == 1:
        inputs.append(stacked(inputs[:3]))
    free_time = [i for i in signature.inputs if len(i.shape) > 1 and i.shape[1] is None]
    if len(free_time) == len(signature.inputs):
        inputs += _shorter(model, signature, inputs[0])
    inputs += _padded(model, signature, inputs[0])
    return [*inputs, inputs[0], *others]


def _shorter(model: keras.Model, signature: ModelSignature, example: Example) -> list[Example]:
    """An example of fewer timesteps, if the model takes any: a convolution has a least length."""
    steps = min(array.shape[1] for array in example.values() if array.ndim > 1)
    [whole] = keras_outputs(model, signature, [example])
    for fewer in (steps // 2, 3 * steps // 4, steps - 1):
        cut = stacked([example], fewer)
        try:
            [outputs] = keras_outputs(model, signature, [cut]) if fewer else [{}]
        except UserError:
            continue
        # Below the least length Keras' convolution gives its input back.
        if outputs and all(_but_time(outputs[n]) == _but_time(whole[n]) for n in whole):
            return [cut]
    return []


def _padded(model: keras.Model, signature: ModelSignature, example: Example) -> list[Example]:
    """An example with masked timesteps at its end, which the data may not have.

    A number that only marks what is missing, such as -999, is left out where the data do not have
    it: a file with integers has no room for it.
    """
    value = padding_value(model)
    if value is None or not is_among(value, example):
        return []
    changed = padded(example, value)
    try:
        keras_outputs(model, signature, [changed])
    except UserError:
        return []
    return [changed]


def _but_time(output: np.ndarray) -> tuple[int, ...]:
    return output.ndim, *output.shape[2:]
