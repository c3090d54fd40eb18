"""A frozen graph, operator by operator, as the statements of a program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import function_def_to_graph
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from rnn_apps.export.c.lowering.arithmetic import ARITHMETIC
from rnn_apps.export.c.lowering.lookups import LOOKUPS
from rnn_apps.export.c.lowering.movement import MOVEMENTS
from rnn_apps.export.c.lowering.shapes import infer_shapes
from rnn_apps.export.c.lowering.values import Constants, Scope, Value, c_dtype, static_shape
from rnn_apps.export.c.lowering.whole_numbers import (
    input_limits,
    lowered_in_width,
    may_lack_bits,
    refuse_lacking,
)
from rnn_apps.export.c.lowering.windows import WINDOWS
from rnn_apps.export.c.programs.program import Buffer, Index, Loop, Program, Repeat, View, whole
from rnn_apps.export.planning.tracing import TracedFunction
from rnn_apps.export.results import ExportError

_ADVICE = (
    "Leave it out of the model and compute it from the outputs, or choose another target "
    '(export_tflite with target="litert" or "tflm")'
)


class PlacedError(ExportError):
    """A refusal that says where in the model it is."""


_OPERATORS = {**MOVEMENTS, **LOOKUPS, **ARITHMETIC, **WINDOWS}
_LOOPS = ("While", "StatelessWhile")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Keras' checks of arguments; what they check is known when the graph is traced.
_WITHOUT_EFFECT = ("NoOp", "Assert", "Print", "PrintV2")
# TensorFlow numbers the names of layers that are called again.
_NUMBER = re.compile(r"_\d+$")


def lowered(
    traced: TracedFunction,
    states: Mapping[str, tuple[int, ...]],
    float_layers: frozenset[str] = frozenset(),
) -> Program:
    """The program of a traced function.

    Args:
        traced: function of named tensors with fixed shapes.
        states: shapes of the inputs that are states, by name; the output `NAME_out` is the next
            value of the state NAME.
        float_layers: names of layers whose loops stay float32 where the program is in integers.

    Raises:
        ExportError: an operator has no C code; the message names it and its layer.
    """
    graph, names = _frozen(traced)
    constants = Constants()
    scope = Scope({}, constants, float_layers=float_layers)
    inputs: dict[str, View] = {}
    kept: dict[str, View] = {}
    for given in traced.inputs:
        shape = tuple(size or 0 for size in given.shape)
        kind = "state" if given.name in states else "input"
        size = int(np.prod(shape, dtype=np.int64))
        view = whole(Buffer(kind, _dtype(given.name, given.dtype), size, given.name), shape)
        if kind == "input":
            view.buffer.limits = input_limits(given.dtype)
        (kept if kind == "state" else inputs)[given.name] = view
        scope.values[f"{given.name}:0"] = view
    lower_graph(scope, graph, graph.outputs)
    outputs: dict[str, View] = {}
    carried: list[tuple[View, View]] = []
    for name, tensor in zip(names, graph.outputs, strict=True):
        view = scope.view(tensor)
        if may_lack_bits(view):
            raise ExportError(
                f"output {name!r} has whole numbers of the type {tensor.dtype.name}, which C code "
                "computes in 32 bits: cast them to int32 (keras.ops.cast)"
            )
        state = name.removesuffix("_out")
        if name.endswith("_out") and state in kept:
            carried.append((kept[state], view))
            continue
        target = whole(Buffer("output", view.buffer.dtype, view.size, name), view.shape)
        outputs[name] = target
        scope.store(target, view)
    carry(scope, carried)
    return Program(inputs, outputs, kept, scope.statements)


def _dtype(name: str, dtype: str) -> str:
    try:
        return c_dtype(dtype)
    except (KeyError, TypeError) as refusal:
        raise ExportError(f"input {name!r} has the type {dtype}, which C code cannot take") from (
            refusal
        )


def _frozen(traced: TracedFunction) -> tuple[Any, list[str]]:
    """The function as a graph without variables, and the names of its outputs in their order."""
    names: list[str] = []

    def call(tensors: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        outputs = traced.function(tensors)
        names[:] = list(outputs)
        return [tf.identity(value) for value in outputs.values()]

    specs = {given.name: given.spec() for given in traced.inputs}
    concrete = tf.function(call, autograph=False).get_concrete_function(specs)
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    return frozen.graph, names


def lower_graph(scope: Scope, graph: Any, outputs: Sequence[tf.Tensor]) -> None:
    """Emits what the outputs need; the graph's inputs are among the scope's values."""
    needed = _needed(outputs)
    with tf.compat.v1.Session(graph=graph) as session:
        for op in graph.get_operations():
            if op.name not in needed or all(out.name in scope.values for out in op.outputs):
                continue
            _lower(scope, op, session, graph)


def _needed(outputs: Sequence[tf.Tensor]) -> set[str]:
    found: set[str] = set()
    waiting = [tensor.op for tensor in outputs]
    while waiting:
        op = waiting.pop()
        if op.name not in found:
            found.add(op.name)
            waiting.extend(tensor.op for tensor in op.inputs)
    return found


def _lower(scope: Scope, op: tf.Operation, session: Any, graph: Any) -> None:
    known = [scope.values.get(tensor.name) for tensor in op.inputs]
    emitted = len(scope.statements)
    try:
        if op.type == "Shape":
            made: Any = np.array(static_shape(op.inputs[0]), np.int32)
        elif op.type in _WITHOUT_EFFECT:
            return
        elif any(tensor.dtype == tf.variant for tensor in op.outputs):
            raise ExportError(
                f"TensorFlow's operator {op.type} makes a list of tensors, as keras.ops.scan, "
                "TensorArray and ConvLSTM layers do, which has no C code: keras.layers.RNN with a "
                "cell of your own has"
            )
        elif op.type in _LOOPS:
            made = _lower_loop(scope, op, graph)
        elif op.type in _CALLS:
            made = _lower_call(scope, op, graph)
        elif all(isinstance(value, np.ndarray) for value in known) and op.type != "Placeholder":
            fed = {tensor.name: value for tensor, value in zip(op.inputs, known, strict=True)}
            made = [np.asarray(array) for array in session.run(list(op.outputs), fed)]
        elif op.type in _OPERATORS:
            infer_shapes(op, scope.values)
            made = lowered_in_width(scope, op, _OPERATORS[op.type], op.type in MOVEMENTS)
        else:
            raise ExportError(f"TensorFlow's operator {op.type} has no C code")
    except PlacedError:
        raise
    except ExportError as refusal:
        raise PlacedError(f"{_place(op)}: {refusal}. {_ADVICE}") from refusal
    if _is_of_layer(op, scope.float_layers):
        for one in scope.statements[emitted:]:
            if isinstance(one, Loop):
                one.stays_float32 = True
    results = made if isinstance(made, list) else [made]
    for tensor, value in zip(op.outputs, results, strict=False):
        scope.values[tensor.name] = value


def _is_of_layer(op: tf.Operation, layers: frozenset[str]) -> bool:
    """Whether an operator is of one of these layers, whose names may have a number at their end."""
    path = op.name.split("/")[:-1]
    return any(part in layers or _NUMBER.sub("", part) in layers for part in path)


def _place(op: tf.Operation) -> str:
    """Where in the model an operator is: the path of its layer."""
    path = [part for part in op.name.split("/")[:-1] if part not in ("model", "body", "while")]
    return f"in {'/'.join(path)!r}" if path else "in the model"


def _lower_call(scope: Scope, op: tf.Operation, graph: Any) -> list[Value]:
    """A function that the graph calls, as a part of the graph itself."""
    given = [scope.values[tensor.name] for tensor in op.inputs]
    shapes = [() if isinstance(value, Index) else value.shape for value in given]
    body = _function(graph, op.get_attr("f").name, shapes)
    inner = Scope({}, scope.constants, scope.statements, scope.numbers, scope.float_layers)
    inner.values |= {t.name: value for t, value in zip(body.inputs, given, strict=True)}
    lower_graph(inner, body, body.outputs)
    return [inner.value(tensor) for tensor in body.outputs]


def _lower_loop(scope: Scope, op: tf.Operation, graph: Any) -> list[Value]:
    """A loop whose number of passes is known, as a `Repeat`."""
    refuse_lacking(scope, op)
    given = [scope.values[tensor.name] for tensor in op.inputs]
    shapes = [() if isinstance(value, Index) else value.shape for value in given]
    body = _function(graph, op.get_attr("body").name, shapes)
    condition = _function(graph, op.get_attr("cond").name, shapes)
    steps = [_step_of(body, place) for place in range(len(given))]
    count = _passes(condition, given, steps)
    variable = f"pass{next(scope.numbers)}"
    inner = Scope({}, scope.constants, numbers=scope.numbers)
    carried: dict[int, View] = {}
    for place, (tensor, value) in enumerate(zip(body.inputs, given, strict=True)):
        start = _as_number(value)
        if _source(body.outputs[place]) is tensor.op:
            inner.values[tensor.name] = value
        elif steps[place] is not None and start is not None:
            step = steps[place] or 0
            inner.values[tensor.name] = Index(start, ((variable, step),))
        else:
            view = scope.view(op.inputs[place])
            carried[place] = scope.copied(view)
            inner.values[tensor.name] = carried[place]
    changed = [body.outputs[place] for place in carried]
    lower_graph(inner, body, changed)
    if changed:
        refuse_lacking(inner, op, changed)
    carry(inner, [(view, inner.view(body.outputs[place])) for place, view in carried.items()])
    scope.emit(Repeat(variable, count, inner.statements))
    results: list[Value] = []
    for place, value in enumerate(given):
        if place in carried:
            results.append(carried[place])
        elif steps[place] is not None and _as_number(value) is not None:
            end = (_as_number(value) or 0) + (steps[place] or 0) * count
            results.append(np.array(end, np.int32))
        else:
            results.append(value)
    return results


def _function(graph: Any, name: str, shapes: Sequence[tuple[int, ...]]) -> Any:
    """A function of a graph as a graph of its own, for inputs of these shapes."""
    definition = graph._get_function(name).cached_definition
    sizes = [tf.TensorShape(shape).as_proto() for shape in shapes]
    with graph.as_default():
        return function_def_to_graph.function_def_to_graph(definition, input_shapes=sizes)


def _source(tensor: tf.Tensor) -> Any:
    op = tensor.op
    while op.type == "Identity":
        op = op.inputs[0].op
    return op


def _step_of(body: Any, place: int) -> int | None:
    """By how much a whole number grows in each pass; None if it does something else."""
    op = _source(body.outputs[place])
    if op.type not in ("AddV2", "Add") or op.outputs[0].shape.rank != 0:
        return None
    sides = [_source(tensor) for tensor in op.inputs]
    for one, other in (sides, sides[::-1]):
        if one is body.inputs[place].op and other.type == "Const":
            number = tf.make_ndarray(other.get_attr("value"))
            return int(number) if np.issubdtype(number.dtype, np.integer) else None
    return None


def _as_number(value: Value | None) -> int | None:
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iu":
        return int(value)
    return None


def _passes(condition: Any, given: Sequence[Value], steps: Sequence[int | None]) -> int:
    """How often a loop runs: as long as counters are below numbers that are known."""
    counts = []
    waiting = [_source(condition.outputs[0])]
    while waiting:
        op = waiting.pop()
        if op.type == "LogicalAnd":
            waiting.extend(_source(tensor) for tensor in op.inputs)
            continue
        if op.type == "Const" and bool(tf.make_ndarray(op.get_attr("value"))):
            continue
        ends = [_bound(condition, tensor, given, steps) for tensor in op.inputs]
        if op.type != "Less" or len(ends) != 2 or None in ends:
            raise ExportError("a loop whose number of passes depends on the inputs has no C code")
        (start, step), (limit, still) = ends  # type: ignore[misc]
        if still or step <= 0:
            raise ExportError("a loop that counts downwards has no C code")
        counts.append(max(0, -((start - limit) // step)))
    if not counts:
        raise ExportError("a loop without an end has no C code")
    return min(counts)


def _bound(
    condition: Any, tensor: tf.Tensor, given: Sequence[Value], steps: Sequence[int | None]
) -> tuple[int, int] | None:
    """(number at the beginning, its growth in a pass) of one side of a loop's condition."""
    op = _source(tensor)
    if op.type == "Const":
        return int(tf.make_ndarray(op.get_attr("value"))), 0
    for place, source in enumerate(condition.inputs):
        start = _as_number(given[place])
        if source.op is op and start is not None:
            return start, steps[place] or 0
    return None


def carry(scope: Scope, pairs: Sequence[tuple[View, View]]) -> None:
    """Makes each first view hold the numbers of the second one, all at the same time."""
    holders = {id(old.buffer) for old, _ in pairs}
    ready = []
    for old, new in pairs:
        if new == old:
            continue
        # What another state held before must be read before that state is written.
        ready.append((old, scope.copied(new) if id(new.buffer) in holders else new))
    for old, new in ready:
        scope.store(old, View(new.buffer, old.shape, new.strides, new.offset))
