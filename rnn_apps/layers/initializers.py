"""Initial weights of recurrent layers, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="rnn_apps")
class OrthogonalGates(keras.initializers.Initializer):
    """A recurrent kernel [units, gates * units] of which each gate's block is orthogonal.

    Keras' own `Orthogonal` makes the whole wide kernel orthogonal, so that a gate's block shrinks
    what it is multiplied with; an orthogonal block keeps norms (Saxe, McClelland and Ganguli 2014,
    "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks";
    Henaff, Szlam and LeCun 2016 for recurrent networks).

    Args:
        gain: factor that every block is multiplied with.
        seed: seed of the random blocks, which differ from each other.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The kernel.

        Raises:
            ValueError: the shape is not [units, gates * units].
        """
        units, columns = shape
        if columns % units:
            raise ValueError(f"a recurrent kernel is [units, gates * units], not {tuple(shape)}")
        generator = keras.random.SeedGenerator(self.seed)
        blocks = []
        for _ in range(columns // units):
            noise = keras.random.normal((units, units), seed=generator)
            rotation, triangle = keras.ops.qr(noise)
            # With the signs of the diagonal the distribution is uniform (Mezzadri 2007).
            blocks.append(rotation * keras.ops.sign(keras.ops.diagonal(triangle)))
        kernel = self.gain * keras.ops.concatenate(blocks, axis=1)
        return keras.ops.cast(kernel, dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"gain": self.gain, "seed": self.seed}


class _ChronoBias(keras.initializers.Initializer):
    """A bias that makes memories span 1 to `timesteps` steps.

    Tallec and Ollivier 2018, "Can recurrent neural networks warp time?", equation 16: log(u) with u
    uniform in 1 .. timesteps - 1 for the gate that keeps the memory.

    Args:
        timesteps: number of time steps that the longest memory is expected to span.
        seed: seed of the random spans.
    """

    def __init__(self, timesteps: int, seed: int | None = None) -> None:
        if timesteps < 2:
            raise ValueError(f"timesteps = {timesteps} must be at least 2")
        self.timesteps = timesteps
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"timesteps": self.timesteps, "seed": self.seed}

    def _spans(self, units: int) -> Any:
        longest = max(self.timesteps - 1.0, 1.0 + 1e-3)
        return keras.ops.log(keras.random.uniform((units,), 1.0, longest, seed=self.seed))


@keras.saving.register_keras_serializable(package="rnn_apps")
class ChronoLSTMBias(_ChronoBias):
    """The bias of an LSTM, [4 * units]: the forget gate's log(u), the input gate's -log(u), else 0.

    Use it with `unit_forget_bias=False`, or Keras sets the forget gate's to 1.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The bias, in the order input gate, forget gate, candidate, output gate."""
        spans = self._spans(shape[-1] // 4)
        zeros = keras.ops.zeros_like(spans)
        bias = keras.ops.concatenate([-spans, spans, zeros, zeros])
        return keras.ops.cast(bias, dtype or keras.config.floatx())


@keras.saving.register_keras_serializable(package="rnn_apps")
class ChronoGRUBias(_ChronoBias):
    """The bias of a GRU, [3 * units] or [2, 3 * units] (`reset_after`): the update gate's log(u).

    In Keras the update gate z keeps: h = z * h_before + (1 - z) * candidate.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The bias, in the order update gate, reset gate, candidate; a second row is 0."""
        spans = self._spans(shape[-1] // 3)
        bias = keras.ops.concatenate([spans, keras.ops.zeros(2 * spans.shape[0])])
        if len(shape) == 2:
            bias = keras.ops.stack([bias, keras.ops.zeros_like(bias)])
        return keras.ops.cast(bias, dtype or keras.config.floatx())


@keras.saving.register_keras_serializable(package="rnn_apps")
class ChronoMinGRUBias(_ChronoBias):
    """The bias of a minGRU, [2 * units]: the write gate's is -log(u), others 0."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The bias, in the order write gate, candidate."""
        spans = self._spans(shape[-1] // 2)
        bias = keras.ops.concatenate([-spans, keras.ops.zeros_like(spans)])
        return keras.ops.cast(bias, dtype or keras.config.floatx())


@keras.saving.register_keras_serializable(package="rnn_apps")
class ForgetGateBias(keras.initializers.Initializer):
    """The bias [gates * units] of a cell whose forget gate starts open.

    The forget gate's block is 1 (Jozefowicz, Zaremba and Sutskever 2015, "An empirical exploration
    of recurrent network architectures"), the others are what another initializer gives.

    Args:
        others: initializer of the other gates' blocks.
        gates: number of gates, each with its block.
        forget_gate: index of the forget gate's block.
    """

    def __init__(self, others: Any, gates: int, forget_gate: int) -> None:
        self.others = keras.initializers.get(others)
        self.gates = gates
        self.forget_gate = forget_gate

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The bias."""
        size = shape[-1] // self.gates
        blocks = [
            keras.ops.ones((size,), dtype)
            if gate == self.forget_gate
            else self.others((size,), dtype)
            for gate in range(self.gates)
        ]
        return keras.ops.concatenate(blocks)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "others": keras.initializers.serialize(self.others),
            "gates": self.gates,
            "forget_gate": self.forget_gate,
        }
