"""Replaces a model's recurrent layers by their export forms while the model is traced.

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

from rnn_apps.export.forms.blocked_loop import run_blocked_loop
from rnn_apps.export.forms.cell_steps import States, cell_steps
from rnn_apps.export.forms.chunked_loop import (
    chunk_length,
    is_one_sequence,
    run_chunked,
    run_first_step,
    run_one_unrolled,
)
from rnn_apps.export.forms.embeddings import can_be_gathered, gathered_call
from rnn_apps.export.forms.fused_lstm import run_fused
from rnn_apps.export.forms.loop import run_loop, run_unrolled
from rnn_apps.export.forms.operations import plain_operations
from rnn_apps.export.forms.recurrent_outputs import RecurrentOutputs
from rnn_apps.export.forms.replaceable_layers import is_of_keras, layer_name, recurrent_layers
from rnn_apps.export.forms.reshaping import repeated_call, repeats_vector, reshaped_call
from rnn_apps.export.forms.streaming import CarriedStates, StateTape
from rnn_apps.export.forms.time_distributed import flattened_call
from rnn_apps.layers.layers_within import layers_within


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """Lets every layer of `model` compute in float32, whatever precision it was trained in."""
    changed = []
    for layer in layers_within(model):
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
    repeats: tuple[int, int] | None = None,
) -> Iterator[None]:
    """Gives recurrent layers of `model` the export forms named in `forms` (layer path -> form).

    Args:
        tape: record of a streaming model's states, which are read from it and written to it;
            without one every call starts from zeros (or from the `initial_state` it is given), also
            in a `stateful` layer.
        uses: list to which every call of a recurrent layer is appended.
        default: the form of layers that `forms` leaves out.
        weight_bytes: bytes of a weight on the device, which say how many copies of it are cheap.
        repeats: two numbers of timesteps: those that the model was built for, and those of a step,
            which a RepeatVector of the first number gives instead; None leaves every RepeatVector
            as it is.
    """
    how = _Replacing(forms, default, tape, uses, weight_bytes)
    replaced: list[tuple[keras.layers.Layer, str]] = []

    def replace(layer: keras.layers.Layer, **attributes: Any) -> None:
        # The instance's own dictionary: Keras' attribute tracking has no business with this.
        vars(layer).update(attributes)
        replaced.extend((layer, name) for name in attributes)

    stateful = []
    for layer in recurrent_layers(model):
        if is_of_keras(type(layer).call) and not _is_patched(layer):
            replace(layer, call=_call_of(layer, how))
        else:
            # What a subclass does around Keras' own `call` stays; the loop inside is replaced.
            loop = _Loop(layer, how)
            replace(layer, inner_loop=loop.run, get_initial_state=loop.initial_state)
            if layer.stateful:
                stateful.append(layer)
                vars(layer)["stateful"] = False
    for layer in layers_within(model):
        if _is_patched(layer):
            continue
        if type(layer) is keras.layers.TimeDistributed:
            replace(layer, call=flattened_call(layer))
        elif can_be_gathered(layer):
            replace(layer, call=gathered_call(layer))
        elif tape is not None and type(layer) is keras.layers.Reshape:
            replace(layer, call=reshaped_call(layer))
        elif repeats is not None and repeats_vector(layer, repeats[0]):
            replace(layer, call=repeated_call(layer, repeats[1]))
    try:
        with plain_operations():
            yield
    finally:
        for layer, name in replaced:
            vars(layer).pop(name, None)
        for layer in stateful:
            vars(layer)["stateful"] = True


def _is_patched(layer: keras.layers.Layer) -> bool:
    """Whether the user gave this very layer a `call` of its own, which must stay as it is."""
    own = vars(layer).get("call")
    return own is not None and not is_of_keras(own)


@dataclass(frozen=True)
class _Replacing:
    """The arguments of `with_forms`."""

    forms: Mapping[str, str]
    default: str
    tape: StateTape | None
    uses: list[LayerUse] | None
    weight_bytes: int


def _call_of(layer: keras.layers.RNN, how: _Replacing) -> Callable[..., Any]:
    def call(
        sequences: tf.Tensor,
        initial_state: Any = None,
        mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> Any:
        return _layer_output(layer, _recurrence(layer, how, sequences, initial_state, mask))

    return call


class _Loop:
    """Replaces `inner_loop` of a layer whose class wraps something of its own around Keras' `call`.

    Keras' `call` asks the layer for the states to start from and hands them to the loop: whether
    they are these or others, which the user gave, is seen by their identity.
    """

    def __init__(self, layer: keras.layers.RNN, how: _Replacing) -> None:
        self.layer, self.how = layer, how
        self.own_initial_state = layer.get_initial_state
        self.made: set[int] = set()
        # Kept alive, so that no other tensor takes an identity.
        self.kept: list[Any] = []

    def initial_state(self, batch_size: Any) -> Any:
        """See `keras.layers.RNN.get_initial_state`."""
        states = self.own_initial_state(batch_size=batch_size)
        self.kept.append(states)
        self.made |= {id(state) for state in keras.tree.flatten(states)}
        return states

    def run(
        self, sequences: tf.Tensor, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor, Any]:
        """See `keras.layers.RNN.inner_loop`."""
        own = all(id(state) in self.made for state in keras.tree.flatten(initial_state))
        given = None if own else initial_state
        result = _recurrence(self.layer, self.how, sequences, given, mask)
        outputs = result.last_output[:, None] if result.outputs is None else result.outputs
        return result.last_output, outputs, _packed_states(self.layer, result.states)


def _recurrence(
    layer: keras.layers.RNN, how: _Replacing, sequences: tf.Tensor, initial_state: Any, mask: Any
) -> RecurrentOutputs:
    """One call of a layer in its form, with the states of a stream where there is one."""
    sequences = tf.cast(sequences, "float32")
    mask = _timestep_mask(mask)
    starts_at_zero = initial_state is None and _starts_from_zeros(layer)
    form = how.forms.get(layer_name(layer), how.default)
    carried = None if how.tape is None else how.tape.begin(layer, initial_state is not None)
    if how.uses is not None:
        batch, timesteps = sequences.shape[:2]
        given = not starts_at_zero or carried is not None
        how.uses.append(LayerUse(layer, batch, timesteps, mask is not None, given))
    start = _initial_states(layer, sequences, initial_state)
    if carried is None:
        result = _run(layer, form, sequences, start, mask, starts_at_zero, how.weight_bytes)
        if how.tape is not None and initial_state is not None:
            how.tape.given.extend(zip(start, result.states, strict=False))
        return result
    batch = sequences.shape[0] or 1
    states = carried.take(layer, batch)
    if not starts_at_zero:
        states = [state + first for state, first in zip(states, start, strict=True)]
    previous = _previous_output(layer, carried, states, mask, starts_at_zero, batch)
    result = _run(layer, form, sequences, states, mask, False, how.weight_bytes, previous)
    ends = result.states
    if not starts_at_zero:
        ends = [state - first for state, first in zip(ends, start, strict=True)]
    carried.put(layer, ends)
    if previous is not None and previous is not states[0]:
        carried.put_output(result.last_output)
    return result


def _previous_output(
    layer: keras.layers.RNN,
    carried: CarriedStates,
    states: States,
    mask: tf.Tensor | None,
    starts_at_zero: bool,
    batch: int,
) -> tf.Tensor | None:
    """The output before a step, which masked timesteps at its beginning repeat; None for zeros."""
    if mask is None or layer.zero_output_for_mask:
        return None
    cell = cell_steps(layer)
    if cell.output_is_first_state and starts_at_zero:
        return states[0]
    return carried.take_output(batch, cell.output_size)


def _timestep_mask(mask: Any) -> tf.Tensor | None:
    """A mask as Keras' loop reads it: bool [batch, timesteps]."""
    if isinstance(mask, list | tuple):
        mask = mask[0] if mask else None
    if mask is None:
        return None
    mask = tf.cast(mask, tf.bool)
    return mask[..., 0] if len(mask.shape) == 3 else mask


def _starts_from_zeros(layer: keras.layers.RNN) -> bool:
    """Whether a sequence starts from zeros in this layer, which may say or learn otherwise."""
    cell_start = getattr(type(layer.cell), "get_initial_state", None)
    plain = is_of_keras(type(layer).get_initial_state)
    if plain and (cell_start is None or is_of_keras(cell_start)) and not _stacks(layer.cell):
        return True
    with tf.init_scope():
        states = type(layer).get_initial_state(layer, batch_size=1)
        return not any(
            keras.ops.convert_to_numpy(state).any() for state in keras.tree.flatten(states)
        )


def _stacks(cell: Any) -> bool:
    return isinstance(cell, keras.layers.StackedRNNCells)


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
    previous: tf.Tensor | None = None,
) -> RecurrentOutputs:
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
        return run_unrolled(layer, sequences, states, mask, previous)
    if form == "blocked loop":
        return run_blocked_loop(layer, sequences, states)
    if form == "chunked loop":
        chunk = chunk_length(layer, weight_bytes)
        return run_loop(
            layer, sequences, states, mask, steps_per_iteration=chunk, previous=previous
        )
    if form in ("loop", "compact loop"):
        within = form == "compact loop"
        return run_loop(layer, sequences, states, mask, projects_within=within, previous=previous)
    if form == "keras loop":
        return _run_keras_loop(layer, sequences, states, mask, previous)
    raise ValueError(f"no such form: {form!r}")


def _run_keras_loop(
    layer: keras.layers.RNN,
    sequences: tf.Tensor,
    states: States,
    mask: tf.Tensor | None,
    previous: tf.Tensor | None,
) -> RecurrentOutputs:
    last_output, outputs, new_states = type(layer).inner_loop(
        layer,
        sequences,
        initial_state=_packed_states(layer, states),
        mask=mask,
        training=False,
    )
    if previous is not None:
        # Keras knows no output before the first timestep but zeros.
        begun = tf.cumsum(tf.cast(mask, tf.int32), axis=1) > 0
        last_output = tf.where(begun[:, -1:], last_output, previous)
        if layer.return_sequences:
            outputs = tf.where(begun[..., None], outputs, previous[:, None])
    return RecurrentOutputs(last_output, outputs, keras.tree.flatten(new_states))


def _layer_output(layer: keras.layers.RNN, result: RecurrentOutputs) -> Any:
    output = result.outputs if layer.return_sequences else result.last_output
    if not layer.return_state:
        return output
    return output, *_packed_states(layer, result.states)


def _packed_states(layer: keras.layers.RNN, flat: States) -> Any:
    """Flat states as the layer's own loop takes and gives them; stacked cells nest theirs."""
    sizes = layer.cell.state_size
    nested = isinstance(sizes, list | tuple) and any(map(keras.tree.is_nested, sizes))
    return keras.tree.pack_sequence_as(sizes, flat) if nested else flat
