"""Operators that compute: elementwise functions, products, reductions, sums so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnn_apps.export.c.lowering.movement import reshaped
from rnn_apps.export.c.lowering.values import (
    Scope,
    Value,
    at_place,
    broadcast,
    c_dtype,
    static_shape,
)
from rnn_apps.export.c.lowering.whole_numbers import cast_in_width
from rnn_apps.export.c.programs.program import (
    Index,
    Operand,
    Product,
    Reduction,
    Repeat,
    View,
    contiguous_strides,
)
from rnn_apps.export.c.writing.elementwise import OPERATORS, is_known
from rnn_apps.export.results import ExportError

# Whole powers up to this one are products.
_LARGEST_WHOLE_POWER = 16


def elementwise(scope: Scope, op: tf.Operation) -> Value:
    """An operator of `OPERATORS`; whole numbers that count a loop's passes stay what they are."""
    counted = _counted(scope, op)
    if counted is not None:
        return counted
    function = OPERATORS[op.type]
    shape = _elementwise_shape(scope, op)
    dtype = c_dtype(op.outputs[0].dtype)
    if op.type == "Select":
        return _old_select(scope, op, shape, dtype)
    operands = [_operand(scope, tensor, shape) for tensor in op.inputs]
    if op.type in ("Exp", "Pow") or is_known(function, dtype):
        return scope.computed(function, shape, dtype, *operands)
    raise ExportError(f"{op.type} of {dtype} numbers has no C code yet")


def _elementwise_shape(scope: Scope, op: tf.Operation) -> tuple[int, ...]:
    """The shape of a result; behind a called function TensorFlow does not know it, but we do."""
    if op.outputs[0].shape.rank is None:
        return np.broadcast_shapes(*(scope.view(tensor).shape for tensor in op.inputs))
    return static_shape(op.outputs[0])


def bias_add(scope: Scope, op: tf.Operation) -> Value:
    """BiasAdd, whose bias lies along the last dimension, or along the second one."""
    view, bias = scope.view(op.inputs[0]), scope.view(op.inputs[1])
    if op.get_attr("data_format") in (b"NCHW", "NCHW"):
        # Keras adds tensors of other layouts so as well.
        bias = reshaped(scope, bias, (*bias.shape, *(1 for _ in view.shape[2:])))
    dtype = c_dtype(op.outputs[0].dtype)
    return scope.computed("add", view.shape, dtype, view, broadcast(bias, view.shape))


def _old_select(scope: Scope, op: tf.Operation, shape: tuple[int, ...], dtype: str) -> Value:
    """Select: a condition of one dimension chooses rows."""
    condition = scope.view(op.inputs[0])
    if len(condition.shape) == 1 and len(shape) > 1:
        rows = (*condition.shape, *(1 for _ in shape[1:]))
        condition = reshaped(scope, condition, rows)
    operands = [broadcast(condition, shape)]
    operands += [broadcast(scope.view(tensor), shape) for tensor in op.inputs[1:]]
    return scope.computed("select", shape, dtype, *operands)


def _operand(scope: Scope, tensor: tf.Tensor, shape: Sequence[int]) -> Operand:
    return broadcast(scope.view(tensor), shape)


def _counted(scope: Scope, op: tf.Operation) -> Index | None:
    """Sums and differences of whole numbers that count a loop's passes."""
    values = [scope.value(tensor) for tensor in op.inputs]
    if not any(isinstance(value, Index) for value in values):
        return None
    if any(not isinstance(v, Index) and not (_is_scalar(v)) for v in values):
        return None
    indices = [v if isinstance(v, Index) else Index(int(v)) for v in values]  # type: ignore[arg-type]
    if op.type in ("AddV2", "Add"):
        return indices[0] + indices[1]
    if op.type == "Sub":
        return indices[0] + indices[1] * -1
    if op.type == "Mul" and not (indices[0].terms and indices[1].terms):
        factor, other = sorted(indices, key=lambda index: len(index.terms))
        return other * factor.constant
    return None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size == 1


def cast(scope: Scope, op: tf.Operation) -> Value:
    """Cast."""
    value = scope.value(op.inputs[0])
    if isinstance(value, Index):
        return value
    view = scope.view(op.inputs[0])
    before, after = view.buffer.dtype, c_dtype(op.outputs[0].dtype)
    function = {"float32": "to_float", "bool": "to_bool"}.get(
        after, "to_int" if before == "float32" else "widen"
    )
    made = view if before == after else scope.computed(function, view.shape, after, view)
    return cast_in_width(scope, view, made, op.inputs[0].dtype, op.outputs[0].dtype)


def leaky_relu(scope: Scope, op: tf.Operation) -> Value:
    """LeakyRelu."""
    view = scope.view(op.inputs[0])
    return scope.computed("leaky_relu", view.shape, "float32", view, float(op.get_attr("alpha")))


def power(scope: Scope, op: tf.Operation) -> Value:
    """Pow; whole powers, roots and inverses without a logarithm where all powers are equal."""
    shape = static_shape(op.outputs[0])
    base = broadcast(scope.view(op.inputs[0]), shape)
    exponent = scope.value(op.inputs[1])
    dtype = c_dtype(op.outputs[0].dtype)
    known = {0.5: "sqrt", -0.5: "rsqrt"}
    if isinstance(exponent, np.ndarray) and (exponent == exponent.flat[0]).all():
        number = float(exponent.flat[0])
        if number in known:
            return scope.computed(known[number], shape, dtype, base)
        least = 0 if dtype == "int32" else -_LARGEST_WHOLE_POWER
        if number.is_integer() and least <= number <= _LARGEST_WHOLE_POWER:
            return _whole_power(scope, base, int(number), shape, dtype)
    if dtype != "float32":
        raise ExportError(
            f"powers of whole numbers have C code for one constant exponent from 0 to "
            f"{_LARGEST_WHOLE_POWER} only: cast them to float32"
        )
    return scope.computed("power", shape, dtype, base, _operand(scope, op.inputs[1], shape))


def _whole_power(
    scope: Scope, base: View, exponent: int, shape: tuple[int, ...], dtype: str
) -> View:
    """A whole power as products by repeated squaring; its base may be negative."""
    if exponent < 0:
        positive = _whole_power(scope, base, -exponent, shape, dtype)
        return scope.computed("reciprocal", shape, "float32", positive)
    factors = []
    square = base
    while exponent:
        if exponent & 1:
            factors.append(square)
        exponent >>= 1
        if exponent:
            square = scope.computed("square", shape, dtype, square)
    if not factors:
        return broadcast(scope.constants.view(np.ones(1, dtype)), shape)
    result = factors[0]
    for factor in factors[1:]:
        result = scope.computed("multiply", shape, dtype, result, factor)
    return result


def matrix_product(scope: Scope, op: tf.Operation) -> Value:
    """MatMul and BatchMatMul: one product for each row of the leading dimensions."""
    left, right = scope.view(op.inputs[0]), scope.view(op.inputs[1])
    names = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    left = _swapped(left) if op.get_attr(names[0]) else left
    right = _swapped(right) if op.get_attr(names[1]) else right
    return product(scope, left, right, static_shape(op.outputs[0]))


def product(scope: Scope, left: View, right: View, shape: tuple[int, ...]) -> View:
    """The matrix product of the last two dimensions, the leading ones being broadcast."""
    target = scope.new(shape)
    lead = shape[:-2]
    left = broadcast(left, (*lead, *left.shape[-2:]))
    right = broadcast(right, (*lead, *right.shape[-2:]))
    if not target.size:
        return target
    if left.shape[-1] == 0:
        scope.store(target, 0.0)
        return target
    for place in np.ndindex(*lead):
        scope.emit(Product(at_place(target, place), at_place(left, place), at_place(right, place)))
    return target


def _swapped(view: View) -> View:
    return View(
        view.buffer,
        (*view.shape[:-2], view.shape[-1], view.shape[-2]),
        (*view.strides[:-2], view.strides[-1], view.strides[-2]),
        view.offset,
    )


def einsum(scope: Scope, op: tf.Operation) -> Value:
    """Einsum of two tensors without repeated letters: views that a matrix product takes."""
    equation = op.get_attr("equation")
    equation = equation.decode() if isinstance(equation, bytes) else equation
    sources, result = equation.replace(" ", "").split("->")
    names = sources.split(",")
    if len(names) != 2 or "." in equation or any(len(set(n)) != len(n) for n in (*names, result)):
        raise ExportError(f"einsum {equation!r} has no C code yet: use matmul")
    left, right = names
    views = {n: scope.view(tensor) for n, tensor in zip((0, 1), op.inputs, strict=True)}
    sizes = dict(zip(left, views[0].shape, strict=True)) | dict(
        zip(right, views[1].shape, strict=True)
    )
    summed = [c for c in left if c in right and c not in result]
    shared = [c for c in left if c in right and c in result]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    if any(c not in result for c in (*rows, *columns)):
        raise ExportError(f"einsum {equation!r} has no C code yet: use matmul")
    one = _arranged(scope, views[0], left, (shared, rows, summed), sizes)
    other = _arranged(scope, views[1], right, (shared, summed, columns), sizes)
    groups = tuple(math.prod(sizes[c] for c in part) for part in (shared, rows, columns))
    made = product(scope, one, other, groups)
    order = [*shared, *rows, *columns]
    spread = View(
        made.buffer,
        tuple(sizes[c] for c in order),
        contiguous_strides([sizes[c] for c in order]),
    )
    return View(
        spread.buffer,
        tuple(sizes[c] for c in result),
        tuple(spread.strides[order.index(c)] for c in result),
    )


def _arranged(
    scope: Scope, view: View, names: str, groups: Sequence[list[str]], sizes: dict[str, int]
) -> View:
    """A view with its dimensions in the order of `groups`, each group as one dimension."""
    order = [names.index(c) for group in groups for c in group]
    turned = View(
        view.buffer,
        tuple(view.shape[axis] for axis in order),
        tuple(view.strides[axis] for axis in order),
        view.offset,
    )
    return reshaped(scope, turned, [math.prod(sizes[c] for c in group) for group in groups])


_REDUCTIONS = {
    "Sum": "sum", "Mean": "sum", "Max": "maximum", "Min": "minimum", "Prod": "product",
    "Any": "maximum", "All": "minimum", "ArgMax": "argmax", "ArgMin": "argmin",
}  # fmt: skip


def reduction(scope: Scope, op: tf.Operation) -> Value:
    """Sum, Mean, Max, Min, Prod, Any, All, ArgMax, ArgMin."""
    view = scope.view(op.inputs[0])
    axes = scope.array(op.inputs[1], "the axis of a reduction").ravel().tolist()
    axes = sorted(axis % len(view.shape) for axis in axes)
    reduced = reduce(scope, view, axes, _REDUCTIONS[op.type])
    if op.type == "Mean":
        count = math.prod(view.shape[axis] for axis in axes)
        if reduced.buffer.dtype != "float32":
            raise ExportError("a mean of whole numbers has no C code: cast them to float32")
        reduced = scope.computed("multiply", reduced.shape, "float32", reduced, 1.0 / count)
    return reshaped(scope, reduced, static_shape(op.outputs[0]))


def reduce(scope: Scope, view: View, axes: Sequence[int], kind: str) -> View:
    """A reduction along some axes; the others stay."""
    kept = [axis for axis in range(len(view.shape)) if axis not in axes]
    order = [*kept, *axes]
    if not math.prod(view.shape[axis] for axis in axes):
        raise ExportError("a reduction of nothing: a dimension has the size 0")
    source = View(
        view.buffer,
        tuple(view.shape[axis] for axis in order),
        tuple(view.strides[axis] for axis in order),
        view.offset,
    )
    dtype = "int32" if kind.startswith("arg") else view.buffer.dtype
    target = scope.new([view.shape[axis] for axis in kept], dtype)
    scope.emit(Reduction(target, source, kind))
    return target


def softmax(scope: Scope, op: tf.Operation) -> Value:
    """Softmax and LogSoftmax over the last dimension, the largest number taken off before."""
    view = scope.view(op.inputs[0])
    axis = len(view.shape) - 1
    largest = _kept(reduce(scope, view, [axis], "maximum"), view.shape)
    moved = scope.computed("subtract", view.shape, "float32", view, largest)
    raised = scope.computed("exp", view.shape, "float32", moved)
    total = reduce(scope, raised, [axis], "sum")
    if op.type == "LogSoftmax":
        logarithm = scope.computed("log", total.shape, "float32", total)
        return scope.computed(
            "subtract", view.shape, "float32", moved, _kept(logarithm, view.shape)
        )
    inverse = scope.computed("reciprocal", total.shape, "float32", total)
    return scope.computed("multiply", view.shape, "float32", raised, _kept(inverse, view.shape))


def _kept(reduced: View, shape: tuple[int, ...]) -> View:
    """What was reduced along the last axis, broadcast along it."""
    wide = View(reduced.buffer, (*reduced.shape, 1), (*reduced.strides, 0), reduced.offset)
    return broadcast(wide, shape)


def cumulative_sum(scope: Scope, op: tf.Operation) -> Value:
    """Cumsum along one axis: in each pass the sum so far and the next number."""
    view = scope.view(op.inputs[0])
    axis = int(scope.array(op.inputs[1], "the axis of a sum")) % len(view.shape)
    length, dtype = view.shape[axis], view.buffer.dtype
    target = scope.new(view.shape, dtype)
    if not target.size:
        return target
    backwards, exclusive = op.get_attr("reverse"), op.get_attr("exclusive")
    source, made = (_from_the_end(v, axis) if backwards else v for v in (view, target))
    start = _across(source, axis, Index())
    scope.store(_across(made, axis, Index()), _zero(dtype) if exclusive else start)
    if length == 1:
        return target
    variable = f"pass{next(scope.numbers)}"
    here = Index(0, ((variable, 1),))
    inner = Scope({}, scope.constants, numbers=scope.numbers)
    added = _across(source, axis, here + (0 if exclusive else 1))
    total = inner.computed("add", start.shape, dtype, _across(made, axis, here), added)
    inner.store(_across(made, axis, here + 1), total)
    scope.emit(Repeat(variable, length - 1, inner.statements))
    return target


def _zero(dtype: str) -> Operand:
    return 0.0 if dtype == "float32" else 0


def _across(view: View, axis: int, place: Index) -> View:
    """A view without an axis, at one place of it."""
    return View(
        view.buffer,
        (*view.shape[:axis], *view.shape[axis + 1 :]),
        (*view.strides[:axis], *view.strides[axis + 1 :]),
        view.offset + place * view.strides[axis],
    )


def _from_the_end(view: View, axis: int) -> View:
    """A view whose axis runs backwards."""
    strides = list(view.strides)
    offset = view.offset + strides[axis] * (view.shape[axis] - 1)
    strides[axis] = -strides[axis]
    return View(view.buffer, view.shape, tuple(strides), offset)


ARITHMETIC: dict[str, Any] = {
    **dict.fromkeys(OPERATORS, elementwise),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), matrix_product),
    **dict.fromkeys(_REDUCTIONS, reduction),
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    "BiasAdd": bias_add,
    "Cast": cast,
    "LeakyRelu": leaky_relu,
    "Pow": power,
    "Einsum": einsum,
    "Cumsum": cumulative_sum,
}
