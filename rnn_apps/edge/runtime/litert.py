"""A model on LiteRT (package ai-edge-litert)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from pipelines.base.errors import UserError
from pipelines.base.quiet_tensorflow import litert_notices_held_back
from rnn_apps.edge.runtime.computed_sizes import (
    computes_sizes,
    loops_and_branches,
    may_compute_sizes,
)
from rnn_apps.edge.runtime.flatbuffer import ModelFile
from rnn_apps.edge.runtime.signatures import Signature


class LiteRTRuntime:
    """Runs signatures through LiteRT's interpreter.

    A file whose only signature is its first graph is run directly: inputs are resized only when
    a shape changes, which keeps the cost of a step at a few microseconds. Files with several
    signatures go through signature runners, one per signature.

    Inputs that are larger than any before get a new interpreter, as the memory of an interpreter
    that has run already is not made larger safely; `computed_sizes` says what can go wrong.

    Args:
        content: bytes of the .tflite file.
        file: what the file says about itself. One that computes sizes while it runs is run without
            LiteRT's default delegate (XNNPACK); one with variables has one interpreter for good.
        signatures: signatures of the file by their name.
        threads: number of threads.

    Raises:
        UserError: LiteRT is not installed, or cannot run the file.
    """

    def __init__(
        self,
        content: bytes,
        file: ModelFile,
        signatures: dict[str, Signature],
        threads: int = 1,
    ) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as absent:
            raise UserError(
                "LiteRT is not installed. Install it with: pip install ai-edge-litert"
            ) from absent
        new = partial(Interpreter, model_content=content, num_threads=threads)
        plain = partial(
            new, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        # Files of several signatures have graphs that are planned when they are first called.
        is_direct = len(signatures) == 1 and not any(item.subgraph for item in signatures.values())
        learns_sizes = may_compute_sizes(file) if is_direct else computes_sizes(file)
        if learns_sizes and is_direct:
            learns_sizes = not _is_planned_at_once(plain, file)
        self._new_interpreter = plain if learns_sizes else new
        # Without a delegate, or with variables, which keep their values from call to call.
        self._stays = learns_sizes or any(
            tensor.is_variable or tensor.dtype == "resource"
            for graph in file.subgraphs
            for tensor in graph.tensors
        )
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._largest: dict[str, dict[str, tuple[int, ...]]] = {}
        self._allocated = False
        self._runners: dict[str, Callable[..., dict[str, np.ndarray]]] = {}
        self._called = False
        with _refusals_named("this model"):
            self._interpreter = self._new_interpreter()
            if is_direct:
                (only,) = signatures.values()
                with litert_notices_held_back():
                    self._allocate(only)
            else:
                self._take_runners(signatures)

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature once; inputs and outputs are in the runtime's types.

        Raises:
            UserError: the graph cannot run on inputs of these shapes.
        """
        try:
            if self._runners:
                self._make_room(signature, inputs)
                return self._run(self._runners[signature.key], inputs)
            self._set(signature, inputs)
            self._interpreter.invoke()
        except (RuntimeError, ValueError, TypeError) as refusal:
            raise _refused(_described(inputs), refusal) from refusal
        return {
            name: self._interpreter.get_tensor(item.index)
            for name, item in signature.outputs.items()
        }

    def invocation(
        self, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[], object]:
        """Sets the inputs and returns what runs the graph on them."""
        if self._runners:
            self._make_room(signature, inputs)
            runner = self._runners[signature.key]
            return lambda: runner(**inputs)
        with _refusals_named(_described(inputs)):
            self._set(signature, inputs)
        return self._interpreter.invoke

    def _run(
        self, runner: Callable[..., dict[str, np.ndarray]], inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        if self._called:
            return runner(**inputs)
        self._called = True
        # A runner allocates, and with it makes the delegate, when it is first called.
        with litert_notices_held_back():
            return runner(**inputs)

    def _take_runners(self, keys: Iterable[str]) -> None:
        self._runners = {key: self._interpreter.get_signature_runner(key) for key in keys}

    def _make_room(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> None:
        """Makes another interpreter if an input is larger than what this one has run on.

        It is planned for twice the size that was outgrown, so that what grows step by step is
        planned a few times only.
        """
        shapes = {name: value.shape for name, value in inputs.items()}
        before = self._largest.get(signature.key)
        if before is None:
            self._largest[signature.key] = shapes
        if before is None or before == shapes or self._stays or not _outgrown(before, shapes):
            return
        try:
            room = {
                name: _doubled(before[name], shape, signature.inputs[name].shape)
                for name, shape in shapes.items()
            }
            self._plan(signature, inputs, room)
        except (RuntimeError, ValueError, TypeError):
            # Sizes may depend on each other in a way that twice each of them breaks.
            room = shapes
            self._begin_anew()
        self._largest[signature.key] = room

    def _plan(
        self,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        room: Mapping[str, tuple[int, ...]],
    ) -> None:
        """Makes an interpreter whose memory is planned for inputs of these shapes."""
        self._begin_anew()
        if self._runners:
            # A runner plans when it is called.
            zeros = {name: np.zeros(room[name], value.dtype) for name, value in inputs.items()}
            self._run(self._runners[signature.key], zeros)
            return
        for name, shape in room.items():
            self._interpreter.resize_tensor_input(signature.inputs[name].index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = {signature.inputs[name].index: shape for name, shape in room.items()}
        self._allocated = True

    def reset(self) -> None:
        """Sets the variables inside the model to zero."""
        # Before the first allocation there are none.
        if self._allocated or self._runners:
            self._interpreter.reset_all_variables()

    def _allocate(self, signature: Signature) -> None:
        """Allocates at the shapes in the file, where free dimensions are 1, if that can be.

        A graph may need longer inputs than that, as one with a convolution does: it is then
        allocated for the inputs of the first call.
        """
        try:
            self._interpreter.allocate_tensors()
        except RuntimeError:
            if all(-1 not in item.shape for item in signature.inputs.values()):
                raise
            self._begin_anew()
            return
        self._allocated = True
        shapes = {
            name: tuple(1 if size == -1 else size for size in item.shape)
            for name, item in signature.inputs.items()
        }
        self._shapes = {signature.inputs[name].index: shape for name, shape in shapes.items()}
        self._largest[signature.key] = shapes

    def _begin_anew(self) -> None:
        """Makes another interpreter: one that failed to allocate cannot be used again."""
        self._interpreter = self._new_interpreter()
        self._shapes = {}
        self._largest = {}
        self._allocated = False
        if self._runners:
            self._take_runners(list(self._runners))
            self._called = False

    def _set(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> None:
        shapes = {signature.inputs[name].index: value.shape for name, value in inputs.items()}
        if shapes != self._shapes:
            self._make_room(signature, inputs)
            for index, shape in shapes.items():
                if self._shapes.get(index) != shape:
                    self._interpreter.resize_tensor_input(index, shape)
            try:
                self._interpreter.allocate_tensors()
            except RuntimeError:
                self._begin_anew()
                raise
            self._shapes, self._allocated = shapes, True
        for name, value in inputs.items():
            self._interpreter.set_tensor(signature.inputs[name].index, value)


def _outgrown(before: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether an input has more dimensions, or any of them is longer, than before."""
    return any(
        len(shape) != len(before[name])
        or any(size > known for size, known in zip(shape, before[name], strict=True))
        for name, shape in shapes.items()
    )


def _doubled(
    before: tuple[int, ...], shape: tuple[int, ...], free: tuple[int, ...]
) -> tuple[int, ...]:
    """The larger of both sizes in each dimension; at least twice what was outgrown."""
    return tuple(
        max(size, 2 * known if size > known and is_free == -1 else known)
        for known, size, is_free in zip(before, shape, free, strict=True)
    )


def _is_planned_at_once(new_interpreter: Callable[[], Any], file: ModelFile) -> bool:
    """Whether LiteRT knows all sizes of a file before it runs: each tensor has its memory then.

    A loop's own results have theirs only after it ran; whether their sizes are known shows in what
    is computed of them.
    """
    try:
        interpreter = new_interpreter()
        interpreter.allocate_tensors()
        for number, graph in enumerate(file.subgraphs):
            written = {index for item in graph.operators for index in item.outputs if index >= 0}
            for index in written - loops_and_branches(graph):
                interpreter.get_tensor(index, number)
    except (RuntimeError, ValueError):
        return False
    return True


def _described(inputs: Mapping[str, np.ndarray]) -> str:
    return f"inputs of shape {', '.join(f'{n} {list(v.shape)}' for n, v in inputs.items())}"


@contextmanager
def _refusals_named(what: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, TypeError) as refusal:
        raise _refused(what, refusal) from refusal


def _refused(what: str, refusal: Exception) -> UserError:
    return UserError(f"LiteRT cannot run {what}: {refusal}")
