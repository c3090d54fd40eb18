"""What a recurrent cell is: its equations and the classes that compute them, in one object.

Training, export, the translation decoder and the forecasting networks all take the cell's
equations from here, so that a new cell is one file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError

States = list[Any]
"""The state tensors of a cell, each [..., units]; the first one is also the cell's output."""


@dataclass(frozen=True)
class Activations:
    """The elementwise functions of a cell.

    Args:
        candidate: function of the value that may be written into the state; Keras' `activation`.
        gate: function of the gates; Keras' `recurrent_activation`.
    """

    candidate: Callable[[Any], Any] = tf.tanh
    gate: Callable[[Any], Any] = tf.sigmoid


class Recall(Protocol):
    """Multiplies a state by the recurrent kernel and adds the recurrent bias, if there is one."""

    def __call__(self, state: Any, gates: slice | None = None) -> Any:
        """The product [..., gates * units], or the part of it that belongs to some gates.

        Args:
            state: one of the cell's states, [..., units].
            gates: range of the gates whose product is needed; None for all.
        """


Step = Callable[[Any, Recall, States, Activations], States]
"""(read, recall, states, activations) -> the new states.

`read` is x W + b of all gates, [..., gates * units]; leading axes broadcast against the states'.
For a cell that `reads_inputs` it is the input x itself, [..., features].
"""

Start = Callable[[Callable[[tuple[int, ...]], Any], Any, Activations], States]
"""(read, recurrent_bias, activations) -> the states after the first step, from states of zeros.

`read(gates)` computes x W + b of the gates that are named, side by side: what zeros cancel is
never computed. `recurrent_bias` is [gates * units] or None.
"""


@dataclass(frozen=True)
class NormalisedCell:
    """The variant of a cell that normalises its layers (Ba et al. 2016).

    Args:
        keras_cell: class of the cell, for `keras.layers.RNN`.
        vectors: names of the weights that are used elementwise, the bias first.
        step: function (read, recalled, states, vectors by name) -> the new states; `read` and
            `recalled` are the bare products.
    """

    keras_cell: type[keras.layers.Layer]
    vectors: tuple[str, ...]
    step: Callable[[Any, Any, States, dict[str, Any]], States]


def _one_bias(keras_cell: Any) -> tuple[Any, Any]:
    return keras_cell.bias, None


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: everything that the toolkit knows about it.

    Args:
        name: name in configurations, such as "gru".
        title: name as papers write it, such as "GRU".
        gates: number of blocks of `units` columns that the kernel has.
        states: names of the states; the first one is the output.
        layer: class of the recurrent layer that runs the cell over time.
        keras_cell: class of the cell itself, for `keras.layers.RNN` and for single steps; it has
            the weights `kernel`, `bias` and, if `recurrent`, `recurrent_kernel`.
        step: equations of one time step; None for a cell that changes the input x before its
            product with the kernel, whose `variant` gives the equations with all weights.
        start: equations of the first time step from states of zeros.
        keras_layer: class of Keras' own layer with the same weights; None where Keras has none.
        recurrent: True if there is a recurrent kernel.
        recalls_once: True if `step` calls `recall` at most once. The training loop of translation
            is for such cells; with any other cell its decoder is trained step by step.
        forget_gate: index of the gate whose bias starts at 1 (Jozefowicz et al. 2015); None if
            the cell has none.
        activations: default elementwise functions of the cell.
        biases: function of a cell that gives its input bias and its recurrent bias; each None
            where there is none.
        variant: function of a cell that gives the equations of its own options; None if all
            share `step`.
        long_memory: function of a number of time steps that gives the cell's options for memories
            that span up to this many (Tallec and Ollivier 2018); None if no bias can do that.
        options: smallest value of each whole number that the layer and the Keras cell take as an
            argument of this name, for configurations' `cell_options`.
        normalised: variant with layer normalisation; None if there is none.
    """

    name: str
    title: str
    gates: int
    states: tuple[str, ...]
    layer: type[keras.layers.RNN]
    keras_cell: type[keras.layers.Layer]
    step: Step | None
    start: Start
    keras_layer: type[keras.layers.RNN] | None = None
    recurrent: bool = True
    recalls_once: bool = True
    forget_gate: int | None = None
    activations: Activations = field(default_factory=Activations)
    biases: Callable[[Any], tuple[Any, Any]] = _one_bias
    variant: Callable[[Any], Step] | None = None
    long_memory: Callable[[int], dict[str, Any]] | None = None
    options: Mapping[str, int] = field(default_factory=dict)
    normalised: NormalisedCell | None = None

    def normalised_variant(self) -> NormalisedCell:
        """The variant of the cell with layer normalisation.

        Raises:
            ConfigurationError: the cell has none.
        """
        if self.normalised is None:
            raise ConfigurationError(
                f"cell = {self.name!r} has no variant with layer normalisation: choose "
                "layer_norm = false"
            )
        return self.normalised

    @property
    def reads_inputs(self) -> bool:
        """Whether a step reads x itself, so that x W + b is not known before it."""
        return self.step is None

    def step_of(self, keras_cell: Any) -> Step:
        """The equations of one cell object, whose options may change them."""
        if self.variant is not None:
            return self.variant(keras_cell)
        return self.plain_step("this layer")

    def plain_step(self, user: str) -> Step:
        """The equations that need no weights except the kernels and the biases.

        Args:
            user: name of what needs them, such as "model = 'segment'"; part of the error's text.

        Raises:
            ConfigurationError: the cell has more weights.
        """
        if self.step is None:
            raise ConfigurationError(
                f"cell = {self.name!r} changes its input before the product with the kernel, which "
                f"{user} computes beforehand: choose another cell"
            )
        return self.step
