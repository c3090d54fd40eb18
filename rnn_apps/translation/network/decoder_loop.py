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

from rnn_apps.layers.recurrence.time_loop import time_loop
from rnn_apps.translation.network.decoder import DecoderStep
from rnn_apps.translation.network.recurrent_step import RecurrentStep, Weights

Tensors = list[Any]


def run_decoder(
    step: DecoderStep, embedded: Any, source: Any, states: Tensors
) -> tuple[Any, Any] | None:
    """What `DecoderStep` gives when it goes from token to token.

    Args:
        step: a built decoder.
        embedded: target tokens, [batch, timesteps, size].
        source: annotations, keys and presence, as `DecoderStep.call` takes them.
        states: the first states.

    Returns:
        The readouts [batch, timesteps, size] and the attention weights
        [batch, timesteps, positions]; None for a decoder that must go step by step.
    """
    recurrent = RecurrentStep.of(step)
    if recurrent is None or embedded.dtype != tf.float32:
        return None
    after = recurrent.attends_after
    if after:
        # Nothing that the attention finds goes into the next step.
        recurrent = replace(recurrent, attention="none")
    weights = recurrent.weights(step)
    by_time = tf.transpose(embedded, [1, 0, 2])
    read = recurrent.project(step, by_time)
    outputs, contexts, looked = _recur(recurrent, read, list(source), states, weights)
    if after:
        assert step.attention is not None
        queries = tf.transpose(outputs, [1, 0, 2])
        contexts, looked = (
            tf.transpose(found, [1, 0, 2]) for found in step.attention.read_all(queries, *source)
        )
    parts = [outputs, by_time, *([] if contexts is None else [contexts])]
    readouts = step.readout(keras.ops.concatenate(parts, axis=-1))
    return tf.transpose(readouts, [1, 0, 2]), tf.transpose(looked, [1, 0, 2])


def _recur(
    recurrent: RecurrentStep, read: Any, source: Tensors, states: Tensors, weights: Weights
) -> tuple[Any, Any, Any]:
    """The top outputs, the contexts (None without attention) and the attention weights, by time."""
    annotations, keys, present = source
    matrices, vectors = list(weights.matrices.values()), list(weights.vectors.values())
    length = tf.shape(read)[0]
    sizes = [(one.shape[-1],) for one in (read, annotations, keys)]
    loops = _loops(recurrent, (*sizes, *(tuple(one.shape) for one in (*matrices, *vectors))))
    split = [len(states), len(matrices), len(vectors)]

    @tf.custom_gradient
    def run(*given: Any) -> Any:
        found = tf.nest.map_structure(
            tf.stop_gradient, loops.forwards(*_parts(given, split), present, length)
        )
        outputs, contexts, looked = found[:3]

        def gradient(*d_outputs: Any) -> Any:
            return loops.backwards(
                list(d_outputs), *_parts(given, split), present, length, *found[3:]
            )

        return [outputs, contexts, looked], gradient

    # Tensors, since without a graph variables among the arguments would be taken for variables that
    # `run` reads behind its arguments' back.
    given = (read, annotations, keys, *states, *matrices, *vectors)
    outputs, contexts, looked = run(*map(tf.convert_to_tensor, given))
    return outputs, contexts if recurrent.attention != "none" else None, looked


def _parts(given: tuple[Any, ...], split: list[int]) -> tuple[Any, Any, Any, Tensors, Any, Any]:
    read, annotations, keys = given[:3]
    states, matrices, _ = split
    rest = list(given[3:])
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
def _loops(recurrent: RecurrentStep, sizes: tuple[tuple[int, ...], ...]) -> _Loops:
    """The two loops of a kind of decoder, compiled.

    Each `sizes` has its own, since TensorFlow forgets a size that differs from call to call.
    """
    del sizes
    names = recurrent.matrix_names
    vector_names = recurrent.vector_names

    def forwards(
        read: Any, annotations: Any, keys: Any, states: Any, matrices: Any, vectors: Any,
        present: Any, length: Any,
    ) -> Any:  # fmt: skip
        weights = Weights(
            dict(zip(names, matrices, strict=True)), dict(zip(vector_names, vectors, strict=True))
        )
        count = len(names) + (recurrent.attention != "none")

        def step(now: Tensors, carried: Tensors) -> tuple[Tensors, Tensors]:
            products = _Products(weights.matrices, annotations)
            new, output, context, looked = recurrent.step(
                now[0], carried, keys, present, weights.vectors, products
            )
            made = [products.results[name] for name in recurrent.product_names]
            assert len(made) == count
            return new, [output, context, looked, *carried, *made]

        collect = 3 + len(states) + count
        _, collected = time_loop(step, [read], states, length, collect=collect)
        outputs, contexts, looked = collected[:3]
        before = collected[3 : 3 + len(states)]
        return outputs, contexts, looked, before, collected[3 + len(states) :]

    def backwards(
        d_outputs: Any, read: Any, annotations: Any, keys: Any, states: Any, matrices: Any,
        vectors: Any, present: Any, length: Any, before: Any, made: Any,
    ) -> Any:  # fmt: skip
        weights = dict(zip(names, matrices, strict=True))
        order = recurrent.product_names

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
                products = _Products(
                    weights,
                    annotations,
                    dict(zip(order, results, strict=True)),
                    dict(zip(order, taps, strict=True)),
                )
                new, output, context, looked = recurrent.step(
                    x, held, keys, present, dict(zip(vector_names, vectors, strict=True)), products
                )
                targets = [*new, output, context, looked]
            found = tape.gradient(
                targets,
                [*held, x, keys, *vectors, *taps],
                output_gradients=[*d_states, d_output, d_context, d_looked],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            d_held = found[: len(states)]
            d_x, d_new_keys = found[len(states) : len(states) + 2]
            d_new = found[len(states) + 2 : len(states) + 2 + len(vectors)]
            d_taps = found[len(states) + 2 + len(vectors) :]
            inputs = [products.inputs[name] for name in order]
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
            collect=1 + 2 * len(order),
            backwards=True,
        )
        d_read = collected[0]
        d_products = dict(zip(order, collected[1 : 1 + len(order)], strict=True))
        inputs = dict(zip(order, collected[1 + len(order) :], strict=True))
        d_annotations = tf.zeros_like(annotations)
        if recurrent.attention != "none":
            d_annotations = tf.einsum("tbp,tbc->bpc", inputs["context"], d_products["context"])
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


class _Products:
    """The matrix products of a step; backwards, results that are known and taps on them.

    Attributes:
        inputs: what was multiplied, by the product's name.
        results: what came out.
    """

    def __init__(
        self,
        matrices: dict[str, Any],
        annotations: Any,
        known: dict[str, Any] | None = None,
        taps: dict[str, Any] | None = None,
    ) -> None:
        self._matrices = matrices
        self._annotations = annotations
        self._known = known
        self._taps = taps or {}
        self.inputs: dict[str, Any] = {}
        self.results: dict[str, Any] = {}

    def __call__(self, name: str, value: Any) -> Any:
        """value [batch, m] times the matrix called so."""
        matrix = self._matrices[name]
        return self._multiplied(
            name,
            value,
            lambda x: tf.matmul(x, matrix),
            lambda dy: tf.matmul(dy, matrix, transpose_b=True),
        )

    def context(self, weights: Any) -> Any:
        """The mean of the annotations by attention weights [batch, positions]."""
        annotations = self._annotations
        return self._multiplied(
            "context",
            weights,
            lambda x: tf.matmul(x[:, None], annotations)[:, 0],
            lambda dy: tf.matmul(annotations, dy[..., None])[..., 0],
        )

    def _multiplied(
        self, name: str, value: Any, product: Callable[..., Any], reverse: Callable[..., Any]
    ) -> Any:
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
