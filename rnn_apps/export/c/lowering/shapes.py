"""Shapes that TensorFlow does not know, from those that lowering does.

What a graph calls as a function, as Keras does for convolutions in groups, has results of unknown
shape in a frozen graph, and so has all that is computed from them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from rnn_apps.export.c.lowering.values import Value
from rnn_apps.export.c.programs.program import Index


def infer_shapes(op: tf.Operation, values: Mapping[str, Value]) -> None:
    """Gives an operator's outputs the shapes that follow from what is known of its inputs.

    Args:
        op: operator whose inputs have been lowered; nothing changes if TensorFlow knows the shapes
            of its outputs, or if they depend on what is known at run time only.
        values: numbers that are known of the graph's tensors, by name.
    """
    if all(tensor.shape.is_fully_defined() for tensor in op.outputs):
        return
    node = tf.compat.v1.NodeDef()
    node.CopyFrom(op.node_def)
    del node.input[:]
    node.attr.pop("_class", None)
    with tf.Graph().as_default() as graph:
        for place, tensor in enumerate(op.inputs):
            value = values[tensor.name]
            if isinstance(value, np.ndarray):
                given = tf.constant(value, tensor.dtype)
            else:
                shape = () if isinstance(value, Index) else value.shape
                given = tf.compat.v1.placeholder(tensor.dtype, shape, f"given{place}")
            node.input.append(given.name)
        definition = graph.as_graph_def()
        definition.node.append(node)
        names = [f"{node.name}:{place}" for place in range(len(op.outputs))]
        inferred = tf.graph_util.import_graph_def(definition, return_elements=names, name="")
    for tensor, known in zip(op.outputs, inferred, strict=True):
        tensor.set_shape(known.shape)
