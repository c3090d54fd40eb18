"""What a recurrent layer gives, whatever form it has."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class RecurrentOutputs:
    """What a recurrent layer computed: last output, all outputs (if asked for), final states."""

    last_output: tf.Tensor
    outputs: tf.Tensor | None
    states: list[tf.Tensor]
