"""One step of a decoder: the token before, states and a source in; what the output reads out."""

from __future__ import annotations

from typing import Any

import keras

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.attention import Attention
from rnn_apps.layers.cells.cell import Cell, NormalisedCell
from rnn_apps.layers.cells.registry import find_cell

DECODERS = ("plain", "conditional")


@keras.saving.register_keras_serializable(package="rnn_apps")
class DecoderStep(keras.layers.Layer):
    """(embedded token, states, source) -> (readout, states, attention weights).

    Where the attention stands:

    - decoder "conditional": between two cells of the first layer, each passing its state to the
      other (the conditional GRU of Firat and Cho's dl4mt tutorial, 2016; Sennrich et al. 2017,
      "Nematus", section 3);
    - "plain" with attention "bahdanau": asked with the state before, its context part of the
      first cell's input (Bahdanau et al. 2015, section 3.1);
    - "plain" with "dot", "general" or "concat": asked with the top cell's new output; with
      `input_feeding` the readout is part of the next step's input (Luong et al. 2015, section 3);
    - "none": no attention; all of the source is in the first state (Sutskever et al. 2014).

    The readout is tanh(W_s s + W_y y + W_c c + b), of the top state s, the embedded token y and
    the context c (the deep output of Pascanu et al. 2014, without the maximum).

    The states are a flat list: h, or h and c, of each layer; the readout, if it is fed back; the
    sum of the attention weights [batch, positions], with coverage.

    Args:
        cell: name of a registered cell, such as "gru".
        units: size of the recurrent state.
        layers: recurrent layers on top of each other.
        size: of the readout.
        attention: "none", or a kind of `Attention`.
        decoder: "plain" or "conditional".
        input_feeding: see above; for Luong's attention.
        coverage: the attention knows where it has looked.
        residual: add a layer's input to its output, from the second layer on.
        layer_norm: normalise inside the cells (Ba et al. 2016).

    Raises:
        ConfigurationError: options that exclude each other.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        layers: int,
        size: int,
        attention: str = "bahdanau",
        decoder: str = "plain",
        input_feeding: bool = False,
        coverage: bool = False,
        residual: bool = False,
        layer_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check(attention, decoder, input_feeding)
        self.cell = cell
        self.units = units
        self.layers = layers
        self.size = size
        self.kind = attention
        self.decoder = decoder
        self.input_feeding = input_feeding
        self.coverage = coverage
        self.residual = residual
        self.layer_norm = layer_norm
        self.cells = [self._cell(f"cell_{index + 1}") for index in range(layers)]
        self.second_cell = self._cell("second_cell") if decoder == "conditional" else None
        self.attention = (
            None
            if attention == "none"
            else Attention(attention, units, coverage, dtype=self.dtype_policy, name="attention")
        )
        self.readout = keras.layers.Dense(
            size, activation="tanh", dtype=self.dtype_policy, name="readout"
        )

    def build(self, embedded_shape: Any, annotations_shape: Any) -> None:
        """Makes the weights for tokens [batch, size] and annotations [batch, positions, size]."""
        embedded, context = embedded_shape[-1], annotations_shape[-1]
        inputs = embedded + (self.size if self.input_feeding else 0)
        read = embedded + self.units
        if self.attention is not None:
            self.attention.build((None, self.units), (None, None, context))
            read += context
            if self._attends_before:
                inputs += context
        self.cells[0].build((None, inputs))
        for cell in self.cells[1:]:
            cell.build((None, self.units))
        if self.second_cell is not None:
            self.second_cell.build((None, context))
        self.readout.build((None, read))
        self.built = True

    def keys(self, annotations: Any) -> Any:
        """See `Attention.keys`; the annotations themselves without attention."""
        return annotations if self.attention is None else self.attention.keys(annotations)

    def further_states(self, present: Any) -> list[Any]:
        """The states beside those of the cells, at the start, for `present` [batch, positions]."""
        states = []
        if self.input_feeding:
            shape = (keras.ops.shape(present)[0], self.size)
            states.append(keras.ops.zeros(shape, self.compute_dtype))
        if self.coverage:
            states.append(keras.ops.zeros_like(keras.ops.cast(present, self.compute_dtype)))
        return states

    def call(
        self, embedded: Any, states: list[Any], annotations: Any, keys: Any, present: Any
    ) -> tuple[Any, list[Any], Any]:
        """Goes a step.

        Args:
            embedded: the token before, [batch, size].
            states: see the class.
            annotations: of the source, [batch, positions, size].
            keys: of the annotations, from `keys`.
            present: [batch, positions], 1 where the source has a token.

        Returns:
            The readout [batch, size], the states, and the attention weights [batch, positions];
            without attention, `present` in their place.
        """
        count = len(find_cell(self.cell).states)
        of_cells = [list(states[i * count : (i + 1) * count]) for i in range(self.layers)]
        rest = list(states[self.layers * count :])
        fed = [rest.pop(0)] if self.input_feeding else []
        attended = rest.pop(0) if self.coverage else None
        context, weights = [], present

        def look(query: Any) -> Any:
            assert self.attention is not None
            return self.attention(query, annotations, keys, present, attended)

        if self._attends_before:
            found, weights = look(of_cells[0][0])
            context = [found]
        inputs = _joined([embedded, *fed, *context])
        output, of_cells[0] = _run(self.cells[0], inputs, of_cells[0])
        if self.second_cell is not None:
            found, weights = look(output)
            context = [found]
            output, of_cells[0] = _run(self.second_cell, found, of_cells[0])
        for index in range(1, self.layers):
            new, of_cells[index] = _run(self.cells[index], output, of_cells[index])
            output = output + new if self.residual else new
        if self.attention is not None and not context:
            found, weights = look(output)
            context = [found]
        readout = self.readout(_joined([output, embedded, *context]))
        new_states = [state for of_cell in of_cells for state in of_cell]
        if self.input_feeding:
            new_states.append(readout)
        if attended is not None:
            new_states.append(attended + weights)
        return readout, new_states, weights

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
            "layers": self.layers,
            "size": self.size,
            "attention": self.kind,
            "decoder": self.decoder,
            "input_feeding": self.input_feeding,
            "coverage": self.coverage,
            "residual": self.residual,
            "layer_norm": self.layer_norm,
        }

    @property
    def _attends_before(self) -> bool:
        return self.kind == "bahdanau" and self.decoder == "plain"

    def _cell(self, name: str) -> keras.layers.Layer:
        cell = find_cell(self.cell)
        kind = normalised_variant(cell).keras_cell if self.layer_norm else cell.keras_cell
        return kind(self.units, dtype=self.dtype_policy, name=name)


def normalised_variant(cell: Cell) -> NormalisedCell:
    """The variant of a cell with layer normalisation.

    Raises:
        ConfigurationError: the cell has none.
    """
    if cell.normalised is None:
        raise ConfigurationError(
            f"cell = {cell.name!r} has no variant with layer normalisation: choose layer_norm = "
            "false"
        )
    return cell.normalised


def _check(attention: str, decoder: str, input_feeding: bool) -> None:
    if decoder not in DECODERS:
        raise ConfigurationError(f"decoder = {decoder!r}: choose from {', '.join(DECODERS)}")
    if decoder == "conditional" and attention == "none":
        raise ConfigurationError(
            "decoder = 'conditional' needs attention: its second cell reads it"
        )
    if input_feeding and (decoder == "conditional" or attention in ("none", "bahdanau")):
        raise ConfigurationError(
            "input_feeding goes with decoder = 'plain' and attention = 'dot', 'general' or "
            "'concat', where the context is found after the cells"
        )


def _run(cell: Any, inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    output, new = cell(inputs, states)
    return output, list(new) if isinstance(new, list | tuple) else [new]


def _joined(parts: list[Any]) -> Any:
    return keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
