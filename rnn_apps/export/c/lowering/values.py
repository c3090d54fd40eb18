"""What operators know while they are lowered: values so far, constants, and where statements go."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from rnn_apps.export.c.programs.program import (
    Assignment,
    Buffer,
    Index,
    Loop,
    Operand,
    Statement,
    View,
    whole,
)
from rnn_apps.export.results import ExportError

# A tensor is numbers that lie somewhere, a constant, or a whole number of the loop variables.
Value = View | np.ndarray | Index


def c_dtype(dtype: Any) -> str:
    """The type that numbers of a TensorFlow type have in C: float32, int32 or bool.

    Raises:
        KeyError: C has no place for them.
    """
    dtype = tf.as_dtype(dtype)
    if dtype == tf.bool:
        return "bool"
    if dtype.is_floating:
        return "float32"
    if dtype.is_integer and not dtype.is_quantized:
        return "int32"
    raise KeyError(dtype.name)


@dataclass
class Constants:
    """Arrays of the program, each array of numbers once."""

    buffers: dict[tuple[str, tuple[int, ...], bytes], Buffer] = field(default_factory=dict)

    def view(self, array: np.ndarray) -> View:
        """A constant as a view; if all its numbers are equal, it takes the place of one.

        Raises:
            ExportError: it has whole numbers beyond 32 bits.
        """
        dtype = c_dtype(array.dtype)
        if dtype == "int32" and array.size and not _fits(array):
            raise ExportError(
                f"a constant of the type {array.dtype} has numbers from {array.min()} to "
                f"{array.max()}; C code computes with whole numbers of 32 bits"
            )
        numbers = np.ascontiguousarray(array, dtype)
        if numbers.size > 1 and (numbers == numbers.flat[0]).all():
            one = whole(self._buffer(numbers.ravel()[:1]), (1,))
            return View(one.buffer, numbers.shape, (0,) * numbers.ndim)
        return whole(self._buffer(numbers), numbers.shape)

    def _buffer(self, numbers: np.ndarray) -> Buffer:
        key = (str(numbers.dtype), numbers.shape, numbers.tobytes())
        if key not in self.buffers:
            self.buffers[key] = Buffer(
                "constant", str(numbers.dtype), numbers.size, data=numbers.ravel()
            )
        return self.buffers[key]


@dataclass
class Scope:
    """One graph that is being lowered: the main one, or the body of a loop.

    Attributes:
        values: what is known of the graph's tensors, by name.
        constants: shared by all scopes of a program.
        statements: what has been emitted so far.
        numbers: numbers for the variables of loops.
        float_layers: names of layers whose loops stay float32.
    """

    values: dict[str, Value]
    constants: Constants
    statements: list[Statement] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    float_layers: frozenset[str] = frozenset()

    def value(self, tensor: tf.Tensor) -> Value:
        """What is known of a tensor."""
        return self.values[tensor.name]

    def view(self, tensor: tf.Tensor) -> View:
        """A tensor as numbers that lie somewhere."""
        value = self.value(tensor)
        if isinstance(value, View):
            return value
        if isinstance(value, np.ndarray):
            return self.constants.view(value)
        raise ExportError(
            "a number that counts the passes of a loop is used as data, which C code cannot do yet"
        )

    def array(self, tensor: tf.Tensor, what: str) -> np.ndarray:
        """A tensor that must be a constant.

        Raises:
            ExportError: it depends on the inputs.
        """
        value = self.value(tensor)
        if isinstance(value, np.ndarray):
            return value
        raise ExportError(f"{what} depends on the inputs; in C it must be a constant")

    def new(self, shape: Sequence[int], dtype: str = "float32") -> View:
        """Memory for a tensor that is still to be computed."""
        size = int(np.prod(shape, dtype=np.int64))
        return whole(Buffer("scratch", dtype, size), tuple(shape))

    def emit(self, statement: Statement) -> None:
        """Adds a statement."""
        self.statements.append(statement)

    def store(self, target: View, source: Operand) -> None:
        """Copies a view, or one number, to every element of another view."""
        if target.size:
            self.emit(Loop(target.shape, [], [(target, source)]))

    def copied(self, source: View) -> View:
        """The numbers of a view in memory of their own, in order."""
        target = self.new(source.shape, source.buffer.dtype)
        self.store(target, source)
        return target

    def computed(self, function: str, shape: Sequence[int], dtype: str, *operands: Operand) -> View:
        """The result of an elementwise function of operands that have the result's shape."""
        target = self.new(shape, dtype)
        if target.size:
            made = [Assignment("t", function, operands, dtype)]
            self.emit(Loop(tuple(shape), made, [(target, "t")]))
        return target


def _fits(array: np.ndarray) -> bool:
    """Whether all whole numbers of an array are among those of 32 bits."""
    limits = np.iinfo(np.int32)
    return int(array.min()) >= limits.min and int(array.max()) <= limits.max


def broadcast(view: View, shape: Sequence[int]) -> View:
    """A view with more dimensions, or repeated along those of size 1, as NumPy does it."""
    strides = [0] * len(shape)
    moved = len(shape) - len(view.shape)
    for axis, (size, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        strides[axis + moved] = stride if size == shape[axis + moved] and size != 1 else 0
    return View(view.buffer, tuple(shape), tuple(strides), view.offset)


def at_place(view: View, place: Sequence[int]) -> View:
    """The part of a view at a place of its leading dimensions."""
    offset = view.offset
    for index, stride in zip(place, view.strides, strict=False):
        offset = offset + index * stride
    count = len(place)
    return View(view.buffer, view.shape[count:], view.strides[count:], offset)


def static_shape(tensor: tf.Tensor) -> tuple[int, ...]:
    """The shape of a tensor, all of whose sizes must be known.

    Raises:
        ExportError: a size is known at run time only.
    """
    shape = tensor.shape
    if shape.rank is None or None in shape.as_list():
        raise ExportError(
            f"the shape {shape} of {tensor.op.name!r} depends on the inputs; C needs fixed shapes: "
            "give timesteps= and batch_size="
        )
    return tuple(shape.as_list())
