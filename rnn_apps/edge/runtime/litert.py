"""A model on LiteRT (package ai-edge-litert)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np

from pipelines.base.errors import UserError
from pipelines.base.quiet_tensorflow import litert_notices_held_back
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
        signatures: signatures of the file by their name.
        threads: number of threads.
        delegates: false to run the file without LiteRT's default delegate (XNNPACK), as one has to
            be that computes sizes while it runs.
        keeps_state: true if variables of the file keep their values from call to call: then it has
            one interpreter for good.

    Raises:
        UserError: LiteRT is not installed, or cannot run the file.
    """

    def __init__(
        self,
        content: bytes,
        signatures: dict[str, Signature],
        threads: int = 1,
        *,
        delegates: bool = True,
        keeps_state: bool = False,
    ) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as absent:
            raise UserError(
                "LiteRT is not installed. Install it with: pip install ai-edge-litert"
            ) from absent
        operators = OpResolverType.AUTO
        if not delegates:
            operators = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._new_interpreter = partial(
            Interpreter,
            model_content=content,
            num_threads=threads,
            experimental_op_resolver_type=operators,
        )
        self._keeps_state = keeps_state
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._largest: dict[str, dict[str, tuple[int, ...]]] = {}
        self._allocated = False
        self._runners: dict[str, Callable[..., dict[str, np.ndarray]]] = {}
        self._called = False
        with _refusals_named("this model"):
            self._interpreter = self._new_interpreter()
            if len(signatures) > 1 or any(item.subgraph for item in signatures.values()):
                self._take_runners(signatures)
            else:
                (only,) = signatures.values()
                with litert_notices_held_back():
                    self._allocate(only)

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
        """Makes another interpreter if an input is larger than what this one has run on."""
        shapes = {name: value.shape for name, value in inputs.items()}
        before = self._largest.get(signature.key)
        if before == shapes:
            return
        if before is not None and not self._keeps_state and _outgrown(before, shapes):
            self._begin_anew()
            if self._runners:
                self._take_runners(list(self._runners))
                self._called = False
            before = None
        self._largest[signature.key] = shapes if before is None else _larger(before, shapes)

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


def _larger(
    before: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(max(pair) for pair in zip(before[name], shape, strict=True))
        for name, shape in shapes.items()
    }


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
