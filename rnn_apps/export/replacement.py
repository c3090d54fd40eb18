"""Standing export forms in for a model's recurrent layers while it is traced.

The model itself is traced, so that any model works: Functional, Sequential, nested or subclassed,
with custom layers. For the length of a `with` block each recurrent layer's `call` is another
function on the same weights, and every layer computes in float32; afterwards all is as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.export.blocked_loop import run_blocked_loop
from rnn_apps.export.cell_steps import States
from rnn_apps.export.chunked_loop import (
    chunk_length,
    is_one_sequence,
    run_chunked,
    run_first_step,
    run_one_unrolled,
)
from rnn_apps.export.embeddings import can_be_gathered, gathered_call
from rnn_apps.export.fused_lstm import run_fused
from rnn_apps.export.layers import all_layers, layer_name, recurrent_layers
from rnn_apps.export.loop import run_loop, run_unrolled
from rnn_apps.export.operations import plain_operations
from rnn_apps.export.recurrence import Recurrence
from rnn_apps.export.streaming import StateTape
from rnn_apps.export.time_distributed import flattened_call


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """Every layer of `model` computes in float32, whatever precision it was trained in."""
    changed = []
    for layer in all_layers(model):
        if layer.compute_dtype in ("float16", "bfloat16", "float64"):
            changed.append((layer, layer.dtype_policy))
            layer.dtype_policy = _Float32(layer.variable_dtype)
    try:
        yield
    finally:
        for layer, policy in changed:
            layer.dtype_policy = policy


class _Float32(keras.DTypePolicy):
    """Computes in float32 with variables of another type, which are cast where they are read."""

    def __init__(self, variable_dtype: str) -> None:
        super().__init__("float32")
        self._kept = variable_dtype

    @property
    def variable_dtype(self) -> str:
        """The type of the variables, as they are."""
        return self._kept


@dataclass(frozen=True)
class LayerUse:
    """How a model uses one of its recurrent layers, seen while it was traced."""

    layer: keras.layers.RNN
    batch: int | None
    timesteps: int | None
    masked: bool
    given_state: bool

    def stricter(self, other: LayerUse) -> LayerUse:
        """What holds for both of two uses of the same layer."""
        return LayerUse(
            self.layer,
            self.batch if self.batch == other.batch else None,
            None if None in (self.timesteps, other.timesteps) else max(self.steps, other.steps),
            self.masked or other.masked,
            self.given_state or other.given_state,
        )

    @property
    def steps(self) -> int:
        """The number of timesteps, 0 where it is free."""
        return self.timesteps or 0


@contextlib.contextmanager
def with_forms(
    model: keras.Model,
    forms: Mapping[str, str],
    *,
    tape: StateTape | None = None,
    uses: list[LayerUse] | None = None,
    default: str = "keras loop",
    weight_bytes: int = 4,
) -> Iterator[None]:
    """Recurrent layers of `model` take the export forms named in `forms` (layer path -> form).

    Args:
        tape: where a streaming model's states come from and go to; without one every call starts
            from zeros (or from the `initial_state` it is given), also in a `stateful` layer.
        uses: every call of a recurrent layer is noted here.
        default: the form of layers that `forms` leaves out.
        weight_bytes: bytes of a weight on the device, which say how many copies of it are cheap.
    """
    replaced = []
    for layer in recurrent_layers(model):
        # The instance's own dictionary: Keras' attribute tracking has no business with this.
        form = forms.get(layer_name(layer), default)
        vars(layer)["call"] = _call_of(layer, form, tape, uses, weight_bytes)
        replaced.append(layer)
    for layer in all_layers(model):
        if type(layer) is keras.layers.TimeDistributed:
            vars(layer)["call"] = flattened_call(layer)
            replaced.append(layer)
        elif can_be_gathered(layer):
            vars(layer)["call"] = gathered_call(layer)
            replaced.append(layer)
    try:
        with plain_operations():
            yield
    finally:
        for layer in replaced:
            vars(layer).pop("call", None)


def _call_of(
    layer: keras.layers.RNN,
    form: str,
    tape: StateTape | None,
    uses: list[LayerUse] | None,
    weight_bytes: int,
) -> Callable[..., Any]:
    def call(
        sequences: tf.Tensor,
        initial_state: Any = None,
        mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> Any:
        sequences = tf.cast(sequences, "float32")
        if uses is not None:
            batch, timesteps = sequences.shape[:2]
            given = initial_state is not None or tape is not None
            uses.append(LayerUse(layer, batch, timesteps, mask is not None, given))
        if tape is not None and initial_state is None:
            states = tape.take(layer, sequences)
        else:
            states = _initial_states(layer, sequences, initial_state)
        from_zeros = initial_state is None and tape is None
        result = _run(layer, form, sequences, states, mask, from_zeros, weight_bytes)
        if tape is not None and initial_state is None:
            tape.put(layer, result.states)
        return _layer_output(layer, result)

    return call


def _initial_states(layer: keras.layers.RNN, sequences: tf.Tensor, initial_state: Any) -> States:
    if initial_state is None:
        batch = tf.shape(sequences)[0] if sequences.shape[0] is None else sequences.shape[0]
        initial_state = layer.get_initial_state(batch_size=batch)
    return [tf.convert_to_tensor(state, "float32") for state in keras.tree.flatten(initial_state)]


def _run(
    layer: keras.layers.RNN,
    form: str,
    sequences: tf.Tensor,
    states: States,
    mask: tf.Tensor | None,
    from_zeros: bool,
    weight_bytes: int,
) -> Recurrence:
    if isinstance(mask, list | tuple):
        mask = mask[0]
    if form == "fused":
        return run_fused(layer, sequences)
    if sequences.shape[1] == 1 and mask is None and from_zeros:
        first = run_first_step(layer, sequences)
        if first is not None:
            return first
    if is_one_sequence(sequences, mask):
        if form == "unrolled" or sequences.shape[1] == 1:
            return run_one_unrolled(layer, sequences, states)
        if form == "chunked loop":
            return run_chunked(layer, sequences, states, weight_bytes)
    if form == "unrolled" or sequences.shape[1] == 1:
        return run_unrolled(layer, sequences, states, mask)
    if form == "blocked loop":
        return run_blocked_loop(layer, sequences, states)
    if form == "chunked loop":
        chunk = chunk_length(layer, weight_bytes)
        return run_loop(layer, sequences, states, mask, steps_per_iteration=chunk)
    if form in ("loop", "compact loop"):
        within = form == "compact loop"
        return run_loop(layer, sequences, states, mask, projects_within=within)
    if form == "keras loop":
        last_output, outputs, new_states = layer.inner_loop(
            sequences, initial_state=states, mask=mask, training=False
        )
        return Recurrence(last_output, outputs, keras.tree.flatten(new_states))
    raise ValueError(f"no such form: {form!r}")


def _layer_output(layer: keras.layers.RNN, result: Recurrence) -> Any:
    output = result.outputs if layer.return_sequences else result.last_output
    if not layer.return_state:
        return output
    flat = result.states
    packed = keras.tree.pack_sequence_as(layer.cell.state_size, flat) if _nested(layer) else flat
    return output, *packed


def _nested(layer: keras.layers.RNN) -> bool:
    return any(keras.tree.is_nested(size) for size in keras.tree.flatten([layer.cell.state_size]))
