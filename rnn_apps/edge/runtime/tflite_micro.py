"""A model on TensorFlow Lite Micro, through the interpreter that PyPI offers for computers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.flatbuffer import ModelFile
from rnn_apps.edge.runtime.signatures import Signature

# Working memory that is tried when none is given: from ten times the file (the interpreter's own
# guess) on, four times more each time, as long as it is refused.
LEAST_ARENA_BYTES = 64 * 1024
LARGEST_ARENA_BYTES = 512 * 1024 * 1024


class TFLiteMicroRuntime:
    """Runs the first graph of a file; it knows inputs by position only, names come from the file.

    Attributes:
        arena_bytes: bytes of working memory that the interpreter was given.
    """

    def __init__(self, content: bytes, file: ModelFile, arena_bytes: int | None = None) -> None:
        try:
            from tflite_micro.python.tflite_micro import runtime
        except ImportError as absent:
            raise UserError(
                "TensorFlow Lite Micro is not installed. Install it with: pip install tflite-micro"
            ) from absent
        graph = file.subgraphs[0]
        self._input_positions = {index: place for place, index in enumerate(graph.inputs)}
        self._output_positions = {index: place for place, index in enumerate(graph.outputs)}
        arena = arena_bytes or max(LEAST_ARENA_BYTES, 10 * len(content))
        while True:
            try:
                self._interpreter = runtime.Interpreter.from_bytes(content, arena_size=arena)
                break
            except RuntimeError as refusal:
                # The interpreter says on the error stream what it lacks, and here only that it
                # failed; more memory may or may not be the cure.
                if arena_bytes is not None or 4 * arena > LARGEST_ARENA_BYTES:
                    raise UserError(
                        f"TensorFlow Lite Micro cannot run this model with {arena} bytes of "
                        f"working memory: {refusal}"
                    ) from refusal
                arena *= 4
            except Exception as refusal:
                # It reads a file in Python first, and trusts what it reads.
                raise UserError(
                    f"TensorFlow Lite Micro cannot read this model: {refusal}"
                ) from refusal
        self.arena_bytes = arena

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature once; inputs and outputs are in the runtime's types."""
        run = self.invocation(signature, inputs)
        try:
            run()
        except (RuntimeError, ValueError) as failure:
            raise UserError(f"TensorFlow Lite Micro cannot run this model: {failure}") from failure
        return {
            name: np.array(self._interpreter.get_output(self._output_positions[item.index]))
            for name, item in signature.outputs.items()
        }

    def invocation(
        self, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> Callable[[], object]:
        """What sets the inputs and runs the graph on them.

        They are set at every run: an operator may have overwritten them in the arena since, and
        a token that is overwritten may end the process.
        """
        placed = [
            (value, self._input_positions[signature.inputs[name].index])
            for name, value in inputs.items()
        ]

        def run() -> None:
            for value, place in placed:
                self._interpreter.set_input(value, place)
            self._interpreter.invoke()

        return run

    def reset(self) -> None:
        """Sets the variables inside the model to zero."""
        self._interpreter.reset()
