"""What recurs in a decoder, as a function of tensors: its products by name, the rest elementwise.

It is `DecoderStep.call` without what can be computed for all timesteps at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Cell
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.translation.network.decoder import DecoderStep, normalised_variant

Tensors = list[Any]
_FLOOR = -1e9


class Weights(NamedTuple):
    """Weights by name.

    Attributes:
        matrices: what is multiplied with something of every timestep; see `Products`.
        vectors: what is used elementwise.
    """

    matrices: dict[str, Any]
    vectors: dict[str, Any]


class Products(Protocol):
    """Computes matrix products by name."""

    def __call__(self, name: str, value: Any) -> Any:
        """value [batch, m] times the matrix called so."""

    def context(self, weights: Any) -> Any:
        """The mean of the annotations by attention weights [batch, positions]."""


@dataclass(frozen=True)
class RecurrentStep:
    """The recurrence of a `DecoderStep`; equal ones share their compiled loops.

    Args:
        cell: name of a registered cell, such as "gru".
        layers: of cells.
        attention: "none", or a kind of `Attention`.
        decoder: "plain" or "conditional".
        coverage: the attention knows where it has looked.
        residual: a layer's input is added to its output, from the second layer on.
        layer_norm: the cells normalise.
    """

    cell: str
    layers: int
    attention: str
    decoder: str
    coverage: bool
    residual: bool
    layer_norm: bool = False

    @classmethod
    def of(cls, step: DecoderStep) -> RecurrentStep | None:
        """The recurrence of a decoder; None where the readout is a part of it."""
        if step.input_feeding:
            return None
        return cls(
            step.cell, step.layers, step.kind, step.decoder, step.coverage, step.residual,
            step.layer_norm,
        )  # fmt: skip

    @property
    def attends_after(self) -> bool:
        """Whether the attention is asked after the cells, so that nothing recurs through it."""
        return self.decoder == "plain" and self.attention in ("dot", "general", "concat")

    @property
    def matrix_names(self) -> tuple[str, ...]:
        """The names of the matrices."""
        names = []
        if self._attends_before:
            names.append("cell_1/kernel")
        recurrent = ["recurrent_kernel"] if self._cell_kind.recurrent else []
        for name in self._cell_names:
            own = recurrent if name == "cell_1" else ["kernel", *recurrent]
            names += [f"{name}/{what}" for what in own]
        if self.attention in ("bahdanau", "concat"):
            names.append("query_kernel")
        return tuple(names)

    @property
    def product_names(self) -> tuple[str, ...]:
        """The names of the products of a step."""
        return (*self.matrix_names, *(("context",) if self.attention != "none" else ()))

    @property
    def vector_names(self) -> tuple[str, ...]:
        """The names of the vectors."""
        cell = self._cell_kind
        of_cell = normalised_variant(cell).vectors if self.layer_norm else ("bias",)
        names = [f"{name}/{what}" for name in self._cell_names for what in of_cell]
        if self.attention in ("bahdanau", "concat"):
            names.append("energy_kernel")
        if self.coverage:
            names.append("coverage_kernel")
        return tuple(names)

    def weights(self, step: DecoderStep) -> Weights:
        """The weights of a decoder, as tensors."""
        cells = dict(zip(self._cell_names, _cells(step), strict=True))
        matrices: dict[str, Any] = {}
        for name in self.matrix_names:
            owner, _, what = name.rpartition("/")
            value = getattr(cells[owner] if owner else step.attention, what)
            matrices[name] = keras.ops.convert_to_tensor(value)
        if self._attends_before:
            assert step.attention is not None
            # The embedded token's part is not in the loop.
            embedded = step.cells[0].kernel.shape[0] - step.attention.key_kernel.shape[0]
            matrices["cell_1/kernel"] = matrices["cell_1/kernel"][embedded:]
        vectors = {}
        for name in self.vector_names:
            owner, _, what = name.rpartition("/")
            value = getattr(cells[owner] if owner else step.attention, what)
            vectors[name] = keras.ops.convert_to_tensor(value)
        return Weights(matrices, vectors)

    def project(self, step: DecoderStep, embedded: Any) -> Any:
        """The embedded tokens [timesteps, batch, size] times their rows of the first kernel."""
        kernel = keras.ops.convert_to_tensor(step.cells[0].kernel)[: embedded.shape[-1]]
        flat = tf.matmul(tf.reshape(embedded, [-1, embedded.shape[-1]]), kernel)
        shape = tf.shape(embedded)
        return tf.reshape(flat, [shape[0], shape[1], kernel.shape[-1]])

    def step(
        self,
        read: Any,
        states: Tensors,
        keys: Any,
        present: Any,
        vectors: dict[str, Any],
        products: Products,
    ) -> tuple[Tensors, Any, Any, Any]:
        """Goes a step.

        Args:
            read: the embedded token's part of the first cell's input product, [batch, n].
            states: as `DecoderStep` has them.
            keys: of the annotations.
            present: [batch, positions].
            vectors: see `Weights`.
            products: computes the products.

        Returns:
            The new states, the top output [batch, units], the context [batch, size] (the output
            once more without attention) and the attention weights [batch, positions].
        """
        count = len(self._cell_kind.states)
        of_cells = [list(states[i * count : (i + 1) * count]) for i in range(self.layers)]
        attended = states[self.layers * count] if self.coverage else None
        weights, context = present, None

        def look(query: Any) -> tuple[Any, Any]:
            found = self._weights(query, keys, present, attended, vectors, products)
            return products.context(found), found

        if self._attends_before:
            context, weights = look(of_cells[0][0])
            read += products("cell_1/kernel", context)
        of_cells[0] = self._cell("cell_1", read, of_cells[0], vectors, products)
        output = of_cells[0][0]
        if self.decoder == "conditional":
            context, weights = look(output)
            read = products("second_cell/kernel", context)
            of_cells[0] = self._cell("second_cell", read, of_cells[0], vectors, products)
            output = of_cells[0][0]
        for index in range(1, self.layers):
            name = f"cell_{index + 1}"
            read = products(f"{name}/kernel", output)
            of_cells[index] = self._cell(name, read, of_cells[index], vectors, products)
            new = of_cells[index][0]
            output = output + new if self.residual else new
        if self.attention != "none" and context is None:
            context, weights = look(output)
        new_states = [state for of_cell in of_cells for state in of_cell]
        if attended is not None:
            new_states.append(attended + weights)
        return new_states, output, output if context is None else context, weights

    def _weights(
        self,
        query: Any,
        keys: Any,
        present: Any,
        attended: Any,
        vectors: dict[str, Any],
        products: Products,
    ) -> Any:
        """How much the query attends to each position, [batch, positions]; see `Attention`."""
        if self.attention in ("dot", "general"):
            energies = tf.reduce_sum(keys * query[:, None], axis=-1)
        else:
            hidden = keys + products("query_kernel", query)[:, None]
            if attended is not None:
                hidden += attended[..., None] * vectors["coverage_kernel"]
            energies = tf.reduce_sum(tf.tanh(hidden) * vectors["energy_kernel"][:, 0], axis=-1)
        return tf.nn.softmax(energies * present + _FLOOR * (1.0 - present))

    def _cell(
        self, name: str, read: Any, states: Tensors, vectors: dict[str, Any], products: Products
    ) -> Tensors:
        """The new states of a cell whose input product is known."""
        cell = self._cell_kind
        if self.layer_norm:
            variant = normalised_variant(cell)
            recalled = products(f"{name}/recurrent_kernel", states[0])
            own = {what: vectors[f"{name}/{what}"] for what in variant.vectors}
            return variant.step(read, recalled, states, own)
        bias = vectors[f"{name}/bias"]
        two = len(bias.shape) == 2
        input_bias, recurrent_bias = (bias[0], bias[1]) if two else (bias, None)

        def recall(state: Any, gates: slice | None = None) -> Any:
            product = products(f"{name}/recurrent_kernel", state)
            return product if recurrent_bias is None else product + recurrent_bias

        return cell.step(read + input_bias, recall, states, cell.activations)

    @property
    def _cell_kind(self) -> Cell:
        return find_cell(self.cell)

    @property
    def _attends_before(self) -> bool:
        return self.attention == "bahdanau" and self.decoder == "plain"

    @property
    def _cell_names(self) -> tuple[str, ...]:
        second = ("second_cell",) if self.decoder == "conditional" else ()
        return ("cell_1", *second, *(f"cell_{layer}" for layer in range(2, self.layers + 1)))


def _cells(step: DecoderStep) -> list[keras.layers.Layer]:
    second = [step.second_cell] if step.second_cell is not None else []
    return [step.cells[0], *second, *step.cells[1:]]
