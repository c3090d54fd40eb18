"""One step of a decoder: the token before, states and a source in; what the output reads out."""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.layers.attention.layer import Attention
from rnn_apps.layers.attention.registry import NO_ATTENTION
from rnn_apps.layers.attention.stage import Stage
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.translation.network.decoder_options import CONDITIONAL, check_decoder, stage_of
from rnn_apps.translation.network.recurrent_step import (
    RecurrentStep,
    SingleStepProducts,
    Weights,
    cell_weights,
)

READOUT = "readout"


@keras.saving.register_keras_serializable(package="rnn_apps")
class DecoderStep(keras.layers.Layer):
    """(embedded token, states, source) -> (readout, states, attention weights).

    Where the source is read, see `Stage`:

    - decoder "conditional": between two cells of the first layer, each passing its state to the
      other (the conditional GRU of Firat and Cho's dl4mt tutorial, 2016; Sennrich et al. 2017,
      "Nematus", section 3);
    - decoder "plain": at the stage that the kind of attention declares. After the cells, with
      `input_feeding`, the readout is part of the next step's input (Luong et al. 2015, section 3);
    - attention "none": nowhere; all of the source is in the first state (Sutskever et al. 2014).

    The readout is tanh(W_s s + W_y y + W_c c + b), of the top state s, the embedded token y and
    the context c (the deep output of Pascanu et al. 2014, without the maximum).

    The states are a flat list in the order of `state_names`: those of each layer's cell, the
    readout if it is fed back, and the memories of the attention.

    Args:
        cell: name of a registered cell, such as "gru".
        units: size of each recurrent state.
        layers: number of recurrent layers, on top of each other.
        size: size of the readout.
        attention: name of a registered kind of attention, or "none".
        decoder: "plain" or "conditional".
        input_feeding: True if the readout is fed back, see above.
        coverage: True if the attention depends on how much attention each position has had.
        residual: True if a layer's input is added to its output, from the second layer on.
        layer_norm: True if the cells normalise (Ba et al. 2016).

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
        check_decoder(attention, decoder, input_feeding, coverage)
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
        self.second_cell = self._cell("second_cell") if decoder == CONDITIONAL else None
        self.attention = (
            None
            if attention == NO_ATTENTION
            else Attention(attention, units, coverage, dtype=self.dtype_policy, name="attention")
        )
        kind = None if self.attention is None else self.attention.attention_kind
        self.recurrence = RecurrentStep(
            cell, layers, kind, stage_of(kind, decoder), residual, layer_norm
        )
        self.readout = keras.layers.Dense(
            size, activation="tanh", dtype=self.dtype_policy, name="readout"
        )

    def build(self, embedded_shape: Any, annotations_shape: Any) -> None:
        """Makes the weights for tokens [batch, size] and annotations [batch, positions, size]."""
        embedded, context = embedded_shape[-1], annotations_shape[-1]
        self._context_size = context
        inputs = embedded + (self.size if self.input_feeding else 0)
        read = embedded + self.units
        if self.attention is not None:
            self.attention.build((None, self.units), (None, None, context))
            read += context
            if self.recurrence.stage is Stage.BEFORE:
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

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the states, in their order."""
        kinds = find_cell(self.cell).states
        names = [f"{kind}_{layer + 1}" for layer in range(self.layers) for kind in kinds]
        names += [READOUT] if self.input_feeding else []
        return (*names, *(memory.name for memory in self.recurrence.memories))

    def further_states(self, present: Any) -> list[Any]:
        """The first states that do not belong to a cell.

        Args:
            present: [batch, positions], 1 where the source has a token.
        """
        states = []
        if self.input_feeding:
            shape = (keras.ops.shape(present)[0], self.size)
            states.append(keras.ops.zeros(shape, self.compute_dtype))
        present = keras.ops.cast(present, self.compute_dtype)
        return states + [memory.start(present) for memory in self.recurrence.memories]

    def call(
        self, embedded: Any, states: list[Any], annotations: Any, keys: Any, present: Any
    ) -> tuple[Any, list[Any], Any]:
        """Runs one decoding step.

        Args:
            embedded: embedding of the token before, [batch, size].
            states: see the class.
            annotations: encoder outputs of the source, [batch, positions, size].
            keys: keys of the annotations, from `keys`.
            present: [batch, positions], 1 where the source has a token.

        Returns:
            The readout [batch, size], the states, and the attention weights [batch, positions];
            without attention, `present` in their place.
        """
        states = list(states)
        count = self.layers * len(find_cell(self.cell).states)
        fed = [states.pop(count)] if self.input_feeding else []
        products = SingleStepProducts(self.recurrent_weights(self.recurrence), annotations)
        read = self.project(_joined([embedded, *fed]))
        new = self.recurrence.step(read, states, keys, present, products)
        context = [] if new.context is None else [new.context]
        readout = self.readout(_joined([new.output, embedded, *context]))
        new_states = new.states
        if self.input_feeding:
            new_states = [*new_states[:count], readout, *new_states[count:]]
        return readout, new_states, new.weights

    def project(self, inputs: Any) -> Any:
        """The part of the first cell's input product that is known before a step.

        Args:
            inputs: embedded tokens, with the readouts that are fed back, [rows, size].

        Returns:
            The product with their rows of the first cell's kernel, [rows, n].
        """
        kernel = keras.ops.convert_to_tensor(self.cells[0].kernel)
        return keras.ops.matmul(inputs, kernel[: inputs.shape[-1]])

    def recurrent_weights(self, recurrence: RecurrentStep) -> Weights:
        """The weights of the decoder that recur, as tensors.

        Args:
            recurrence: `recurrence` of this decoder, or the same without its attention.
        """
        own = [self.cells[0], self.second_cell, *self.cells[1:]]
        cells = dict(
            zip(recurrence.cell_names, (cell for cell in own if cell is not None), strict=True)
        )
        weights = cell_weights(recurrence, cells)
        first = weights.matrices.pop("cell_1/kernel")
        if recurrence.stage is Stage.BEFORE:
            # The rows before are those of `project`.
            weights.matrices["cell_1/kernel"] = first[-self._context_size :]
        if self.attention is not None and recurrence.attention is not None:
            for use, held in (("product", weights.matrices), ("step", weights.vectors)):
                for name, value in self.attention.weights_used_in(use).items():
                    held[name] = keras.ops.convert_to_tensor(value)
        return weights

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

    def _cell(self, name: str) -> keras.layers.Layer:
        cell = find_cell(self.cell)
        kind = cell.normalised_variant().keras_cell if self.layer_norm else cell.keras_cell
        return kind(self.units, dtype=self.dtype_policy, name=name)


def _joined(parts: list[Any]) -> Any:
    return keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
