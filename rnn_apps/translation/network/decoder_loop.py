"""The decoder over all target tokens at once, for training: only what recurs is in the loop.

Before the loop: the embeddings' part of the first cell's input, for all timesteps. After it: the
readouts, and the gradients of all matrices, each as one product over all timesteps. TensorFlow
would differentiate the loop operation by operation, and add to the gradient of every matrix in
every timestep. Here the loop backwards takes the results of all matrix products from the loop
forwards, finds their gradients, and carries only those of states, keys and vectors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.layers.recurrence.time_loop import time_loop
from rnn_apps.translation.network.decoder import DecoderStep
from rnn_apps.translation.network.recurrent_step import RecurrentStep, Stepped, Weights

Tensors = list[Any]

CONTEXT = "context"
"""The name of the product of the attention weights with the annotations."""


def run_decoder(
    step: DecoderStep, embedded: Any, source: Any, states: Tensors
) -> tuple[Any, Any] | None:
    """Runs a decoder over all target tokens; the results are those of its single steps.

    Args:
        step: a built decoder.
        embedded: target tokens, [batch, timesteps, size].
        source: annotations, keys and presence, as `DecoderStep.call` takes them.
        states: the first states.

    Returns:
        The readouts [batch, timesteps, size] and the attention weights
        [batch, timesteps, positions]; None for a decoder that must go step by step.
    """
    recurrent = step.recurrence
    if step.input_feeding or embedded.dtype != tf.float32:
        return None
    if not recurrent.layer_norm and not find_cell(recurrent.cell).recalls_once:
        return None
    read_at_once = step.attention is not None and not recurrent.attention_recurs
    if read_at_once:
        # No step depends on what the attention read in an earlier one.
        recurrent = replace(recurrent, attention=None, stage=None)
    weights = step.recurrent_weights(recurrent)
    by_time = tf.transpose(embedded, [1, 0, 2])
    read = step.project(tf.reshape(by_time, [-1, by_time.shape[-1]]))
    read = tf.reshape(read, [*tf.unstack(tf.shape(by_time)[:2]), read.shape[-1]])
    outputs, contexts, attended = _recur(recurrent, read, list(source), states, weights)
    if read_at_once:
        assert step.attention is not None
        queries = tf.transpose(outputs, [1, 0, 2])
        contexts, attended = (
            tf.transpose(part, [1, 0, 2]) for part in step.attention(queries, *source)
        )
    parts = [outputs, by_time, *([] if contexts is None else [contexts])]
    readouts = step.readout(keras.ops.concatenate(parts, axis=-1))
    return tf.transpose(readouts, [1, 0, 2]), tf.transpose(attended, [1, 0, 2])


def _recur(
    recurrent: RecurrentStep, read: Any, source: Tensors, states: Tensors, weights: Weights
) -> tuple[Any, Any, Any]:
    """The top outputs, the contexts (None without attention) and the attention weights, by time."""
    annotations, keys, present = source
    matrices, vectors = list(weights.matrices.values()), list(weights.vectors.values())
    length = tf.shape(read)[0]
    sizes = [(one.shape[-1],) for one in (read, annotations, keys)]
    shapes = (*sizes, *(tuple(one.shape) for one in (*matrices, *vectors)))
    loops = _loops(recurrent, tuple(weights.matrices), tuple(weights.vectors), shapes)
    split = [len(states), len(matrices), len(vectors)]

    @tf.custom_gradient
    def run(*arguments: Any) -> Any:
        made = tf.nest.map_structure(
            tf.stop_gradient, loops.forwards(*_parts(arguments, split), present, length)
        )
        outputs, contexts, attended = made[:3]

        def gradient(*d_outputs: Any) -> Any:
            return loops.backwards(
                list(d_outputs), *_parts(arguments, split), present, length, *made[3:]
            )

        return [outputs, contexts, attended], gradient

    # Tensors, since without a graph variables among the arguments would be taken for variables that
    # `run` reads behind its arguments' back.
    arguments = (read, annotations, keys, *states, *matrices, *vectors)
    outputs, contexts, attended = run(*map(tf.convert_to_tensor, arguments))
    return outputs, contexts if recurrent.attention is not None else None, attended


def _parts(arguments: tuple[Any, ...], split: list[int]) -> tuple[Any, Any, Any, Tensors, Any, Any]:
    read, annotations, keys = arguments[:3]
    states, matrices, _ = split
    rest = list(arguments[3:])
    return (
        read,
        annotations,
        keys,
        rest[:states],
        rest[states : states + matrices],
        rest[states + matrices :],
    )


@dataclass(frozen=True)
class _Loops:
    forwards: Callable[..., Any]
    backwards: Callable[..., Any]


@functools.cache
def _loops(
    recurrent: RecurrentStep,
    names: tuple[str, ...],
    vector_names: tuple[str, ...],
    shapes: tuple[tuple[int, ...], ...],
) -> _Loops:
    """The two loops of a kind of decoder, compiled.

    Each `shapes` has its own, since TensorFlow forgets a size that differs from call to call.

    Args:
        recurrent: recurrence that the loops run.
        names: names of the matrices.
        vector_names: names of the other weights.
        shapes: shapes of what the loops are called with.
    """
    del shapes
    attends = recurrent.attention is not None
    product_names = (*names, *((CONTEXT,) if attends else ()))

    def forwards(
        read: Any, annotations: Any, keys: Any, states: Any, matrices: Any, vectors: Any,
        present: Any, length: Any,
    ) -> Any:  # fmt: skip
        weights = Weights(
            dict(zip(names, matrices, strict=True)), dict(zip(vector_names, vectors, strict=True))
        )

        def step(now: Tensors, carried: Tensors) -> tuple[Tensors, Tensors]:
            products = _LoopProducts(weights, annotations)
            new = recurrent.step(now[0], carried, keys, present, products)
            made = [products.results[name] for name in product_names]
            return new.states, [*_results_of(new), *carried, *made]

        collect = 3 + len(states) + len(product_names)
        _, collected = time_loop(step, [read], states, length, collect=collect)
        outputs, contexts, attended = collected[:3]
        before = collected[3 : 3 + len(states)]
        return outputs, contexts, attended, before, collected[3 + len(states) :]

    def backwards(
        d_outputs: Any, read: Any, annotations: Any, keys: Any, states: Any, matrices: Any,
        vectors: Any, present: Any, length: Any, before: Any, made: Any,
    ) -> Any:  # fmt: skip
        weights = Weights(
            dict(zip(names, matrices, strict=True)), dict(zip(vector_names, vectors, strict=True))
        )

        def step(now: Tensors, carried: Tensors) -> tuple[Tensors, Tensors]:
            d_output, d_context, d_looked, x, *rest = now
            held, results = rest[: len(states)], rest[len(states) :]
            d_states, d_keys, d_vectors = (
                carried[: len(states)],
                carried[len(states)],
                carried[len(states) + 1 :],
            )
            taps = [tf.zeros_like(result) for result in results]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for one in (x, keys, *held, *vectors, *taps):
                    tape.watch(one)
                products = _LoopProducts(
                    weights,
                    annotations,
                    dict(zip(product_names, results, strict=True)),
                    dict(zip(product_names, taps, strict=True)),
                )
                new = recurrent.step(x, held, keys, present, products)
                targets = [*new.states, *_results_of(new)]
            gradients = tape.gradient(
                targets,
                [*held, x, keys, *vectors, *taps],
                output_gradients=[*d_states, d_output, d_context, d_looked],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            d_held = gradients[: len(states)]
            d_x, d_new_keys = gradients[len(states) : len(states) + 2]
            d_new = gradients[len(states) + 2 : len(states) + 2 + len(vectors)]
            d_taps = gradients[len(states) + 2 + len(vectors) :]
            inputs = [products.inputs[name] for name in product_names]
            return (
                [*d_held, d_keys + d_new_keys, *map(tf.add, d_vectors, d_new)],
                [d_x, *d_taps, *inputs],
            )

        zeros = [tf.zeros_like(keys), *map(tf.zeros_like, vectors)]
        last, collected = time_loop(
            step,
            [*d_outputs, read, *before, *made],
            [*map(tf.zeros_like, states), *zeros],
            length,
            collect=1 + 2 * len(product_names),
            backwards=True,
        )
        d_read = collected[0]
        d_products = dict(zip(product_names, collected[1 : 1 + len(product_names)], strict=True))
        inputs = dict(zip(product_names, collected[1 + len(product_names) :], strict=True))
        d_annotations = tf.zeros_like(annotations)
        if attends:
            d_annotations = tf.einsum("tbp,tbc->bpc", inputs[CONTEXT], d_products[CONTEXT])
        return (
            d_read,
            d_annotations,
            last[len(states)],
            *last[: len(states)],
            *(_over_time(inputs[name], d_products[name]) for name in names),
            *last[len(states) + 1 :],
        )

    # XLA would gain a tenth and take seconds for every shape of a batch.
    options: dict[str, Any] = {"reduce_retracing": True, "autograph": False}
    return _Loops(tf.function(forwards, **options), tf.function(backwards, **options))


def _results_of(new: Stepped) -> Tensors:
    """The results of a step: its output, the context (the output without attention), the weights.

    The loops collect the same number of tensors with and without attention.
    """
    return [new.output, new.output if new.context is None else new.context, new.weights]


class _LoopProducts:
    """The products of a decoding step in the training loop, see `StepProducts`.

    Forwards they are computed and kept; backwards those results are looked up, with taps on them
    that the gradient is read from.

    Args:
        weights: weights of the recurrence.
        annotations: [batch, positions, size].
        known: results of the step forwards by the product's name; None in the loop forwards.
        taps: zeros that are added to those results.

    Attributes:
        inputs: what was multiplied, by the product's name.
        results: what came out.
    """

    def __init__(
        self,
        weights: Weights,
        annotations: Any,
        known: dict[str, Any] | None = None,
        taps: dict[str, Any] | None = None,
    ) -> None:
        self._weights = weights
        self._annotations = annotations
        self._known = known
        self._taps = taps or {}
        self.inputs: dict[str, Any] = {}
        self.results: dict[str, Any] = {}

    def times(self, value: Any, name: str) -> Any:
        """See `Products.times`; once per step and matrix."""
        matrix = self._weights.matrices[name]
        return self._multiplied(
            name,
            value,
            lambda x: tf.matmul(x, matrix),
            lambda dy: tf.matmul(dy, matrix, transpose_b=True),
        )

    def inner(self, query: Any, keys: Any) -> Any:
        """See `Products.inner`."""
        return tf.reduce_sum(keys * query[:, None], axis=-1)

    def score(self, hidden: Any, name: str) -> Any:
        """See `Products.score`."""
        return tf.reduce_sum(hidden * self._weights.vectors[name][:, 0], axis=-1)

    def vector(self, name: str) -> Any:
        """See `Products.vector`."""
        return self._weights.vectors.get(name)

    def context(self, weights: Any) -> Any:
        """See `StepProducts.context`."""
        annotations = self._annotations
        return self._multiplied(
            CONTEXT,
            weights,
            lambda x: tf.matmul(x[:, None], annotations)[:, 0],
            lambda dy: tf.matmul(annotations, dy[..., None])[..., 0],
        )

    def _multiplied(
        self, name: str, value: Any, product: Callable[..., Any], reverse: Callable[..., Any]
    ) -> Any:
        if name in self.inputs:
            raise ConfigurationError(
                f"{name} is multiplied twice in one decoding step: the training loop keeps one "
                "product per step and matrix. Multiply once and split the result; a "
                "cell that cannot is declared with recalls_once=False"
            )
        self.inputs[name] = value
        if self._known is None:
            self.results[name] = product(value)
            return self.results[name]
        known = self._known[name]

        @tf.custom_gradient
        def looked_up(x: Any) -> Any:
            return tf.identity(known), reverse

        return looked_up(value) + self._taps[name]


def _over_time(left: Any, right: Any) -> Any:
    """The gradient of a matrix: [timesteps, batch, m], [timesteps, batch, n] -> [m, n]."""
    left = tf.reshape(left, [-1, left.shape[-1]])
    right = tf.reshape(right, [-1, right.shape[-1]])
    return tf.matmul(left, right, transpose_a=True)
