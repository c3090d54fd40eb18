"""What recurs in a decoder, as a function of tensors: its products by name, the rest elementwise.

It is a decoding step without what can be computed for all steps at once: the input product of the
embedded token before it, and the readout after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from rnn_apps.layers.attention.kind import AttentionKind, Memory, Products
from rnn_apps.layers.attention.reading import attention_weights, inner_products, weighted_mean
from rnn_apps.layers.attention.stage import Stage
from rnn_apps.layers.cells.registry import find_cell

Tensors = list[Any]


class Weights(NamedTuple):
    """Weights by name.

    Attributes:
        matrices: weights that each decoding step multiplies with something; see `Products.times`.
        vectors: weights that each decoding step uses in another way.
    """

    matrices: dict[str, Any]
    vectors: dict[str, Any]


class StepProducts(Products, Protocol):
    """The products of a decoding step; the caller chooses how each is computed."""

    def context(self, weights: Any) -> Any:
        """The mean of the annotations by attention weights [batch, positions], [batch, size]."""


class SingleStepProducts:
    """The products of one decoding step, computed plainly.

    Args:
        weights: weights of the recurrence.
        annotations: [batch or 1, positions, size]; None without attention.
    """

    def __init__(self, weights: Weights, annotations: Any) -> None:
        self._weights = weights
        self._annotations = annotations

    def times(self, value: Any, name: str) -> Any:
        """See `Products.times`."""
        return tf.matmul(value, self._weights.matrices[name])

    def inner(self, query: Any, keys: Any) -> Any:
        """See `Products.inner`."""
        return inner_products(query, keys)

    def score(self, hidden: Any, name: str) -> Any:
        """See `Products.score`."""
        return keras.ops.squeeze(keras.ops.matmul(hidden, self.vector(name)), axis=-1)

    def vector(self, name: str) -> Any:
        """See `Products.vector`."""
        return self._weights.vectors.get(name)

    def context(self, weights: Any) -> Any:
        """See `StepProducts.context`."""
        return weighted_mean(weights, self._annotations)


class Stepped(NamedTuple):
    """The result of one decoding step.

    Attributes:
        states: new states, as `RecurrentStep` has them.
        output: output of the top layer, [batch, units].
        context: what the attention read, [batch, size]; None without attention.
        weights: attention weights [batch, positions]; `present` without attention.
    """

    states: Tensors
    output: Any
    context: Any
    weights: Any


@dataclass(frozen=True)
class RecurrentStep:
    """The recurrence of a `DecoderStep`; equal ones share their compiled loops.

    Its states are a flat list: the states of each layer's cell, then the attention's memories.

    Args:
        cell: name of a registered cell, such as "gru".
        layers: number of recurrent layers.
        attention: kind of attention; None for none.
        stage: place of the attention in a step; None without attention.
        residual: True if a layer's input is added to its output, from the second layer on.
        layer_norm: True if the cells normalise.
    """

    cell: str
    layers: int
    attention: AttentionKind | None
    stage: Stage | None
    residual: bool
    layer_norm: bool = False

    @property
    def cell_names(self) -> tuple[str, ...]:
        """The names of the cells, in the order in which they run."""
        second = ("second_cell",) if self.stage is Stage.BETWEEN else ()
        return ("cell_1", *second, *(f"cell_{layer}" for layer in range(2, self.layers + 1)))

    @property
    def memories(self) -> tuple[Memory, ...]:
        """The memories of the attention."""
        return () if self.attention is None else self.attention.memories

    @property
    def attention_recurs(self) -> bool:
        """Whether a step depends on what the attention read or remembers from steps before it."""
        return self.attention is not None and (
            self.stage is not Stage.AFTER or bool(self.attention.memories)
        )

    def step(
        self, read: Any, states: Tensors, keys: Any, present: Any, products: StepProducts
    ) -> Stepped:
        """Runs one decoding step.

        Args:
            read: part of the first cell's input product that is known before the step, [batch, n].
            states: see the class.
            keys: keys of the annotations, [batch or 1, positions, n].
            present: [batch or 1, positions], 1 where the source has a token.
            products: products with the weights from `DecoderStep.recurrent_weights`.
        """
        count = len(find_cell(self.cell).states)
        of_cells = [list(states[i * count : (i + 1) * count]) for i in range(self.layers)]
        memories = {
            memory.name: value
            for memory, value in zip(self.memories, states[self.layers * count :], strict=True)
        }
        context, weights = None, present

        def attend(query: Any) -> tuple[Any, Any]:
            assert self.attention is not None
            energies = self.attention.energies(query, keys, memories, products)
            attended = attention_weights(energies, present, query.dtype)
            return products.context(attended), attended

        if self.stage is Stage.BEFORE:
            context, weights = attend(of_cells[0][0])
            read = read + products.times(context, "cell_1/kernel")
        of_cells[0] = self._run("cell_1", read, of_cells[0], products)
        if self.stage is Stage.BETWEEN:
            context, weights = attend(of_cells[0][0])
            read = products.times(context, "second_cell/kernel")
            of_cells[0] = self._run("second_cell", read, of_cells[0], products)
        output = of_cells[0][0]
        for index in range(1, self.layers):
            name = f"cell_{index + 1}"
            read = products.times(output, f"{name}/kernel")
            of_cells[index] = self._run(name, read, of_cells[index], products)
            new = of_cells[index][0]
            output = output + new if self.residual else new
        if self.stage is Stage.AFTER:
            context, weights = attend(output)
        new_states = [state for of_cell in of_cells for state in of_cell]
        new_states += [memory.follow(memories[memory.name], weights) for memory in self.memories]
        return Stepped(new_states, output, context, weights)

    def _run(self, name: str, read: Any, states: Tensors, products: StepProducts) -> Tensors:
        """The new states of a cell whose input product is known."""
        cell = find_cell(self.cell)
        if self.layer_norm:
            variant = cell.normalised_variant()
            recalled = products.times(states[0], f"{name}/recurrent_kernel")
            own = {what: products.vector(f"{name}/{what}") for what in variant.vectors}
            return variant.step(read, recalled, states, own)

        input_bias = products.vector(f"{name}/input_bias")
        recurrent_bias = products.vector(f"{name}/recurrent_bias")

        def recall(state: Any, gates: slice | None = None) -> Any:
            product = products.times(state, f"{name}/recurrent_kernel")
            if recurrent_bias is not None:
                product = product + recurrent_bias
            if gates is None:
                return product
            units = states[0].shape[-1]
            return product[..., gates.start * units : gates.stop * units]

        read = read if input_bias is None else read + input_bias
        step = cell.plain_step("a translation's decoder")
        return step(read, recall, states, cell.activations)


def cell_weights(step: RecurrentStep, cells: Mapping[str, Any]) -> Weights:
    """The weights of a step's cells, as tensors; the names are those that `step` asks for.

    Args:
        step: recurrence of a decoder.
        cells: built cells by name.
    """
    cell = find_cell(step.cell)
    matrices: dict[str, Any] = {}
    vectors: dict[str, Any] = {}
    for name, own in cells.items():
        matrices[f"{name}/kernel"] = keras.ops.convert_to_tensor(own.kernel)
        if cell.recurrent:
            recurrent_kernel = keras.ops.convert_to_tensor(own.recurrent_kernel)
            matrices[f"{name}/recurrent_kernel"] = recurrent_kernel
        if step.layer_norm:
            for vector in cell.normalised_variant().vectors:
                vectors[f"{name}/{vector}"] = keras.ops.convert_to_tensor(getattr(own, vector))
            continue
        for bias_name, bias in zip(("input_bias", "recurrent_bias"), cell.biases(own), strict=True):
            if bias is not None:
                vectors[f"{name}/{bias_name}"] = keras.ops.convert_to_tensor(bias)
    return Weights(matrices, vectors)
