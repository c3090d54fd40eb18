"""One exported model, called by signature and by name on either runtime."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.compiled import CompiledRuntime
from rnn_apps.edge.runtime.flatbuffer import ModelFile, Subgraph, read_model_file
from rnn_apps.edge.runtime.litert import LiteRTRuntime
from rnn_apps.edge.runtime.signatures import Runtime, Signature, signatures_of
from rnn_apps.edge.runtime.tflite_micro import TFLiteMicroRuntime

TARGETS = ("litert", "tflm")
# What `load` opens besides: folders of C code.
CODE = "c"
# Their states are inputs and outputs: no tensor of a file is a variable.
_WITHOUT_VARIABLES = ModelFile(0, "C code", (Subgraph("main", (), (), (), ()),), (), (), {}, 0)


class EdgeModel:
    """An exported model on one runtime. Use `load` to make one.

    Threads may call it; one call at a time runs.
    """

    def __init__(self, runtime: Runtime, signatures: dict[str, Signature], file: ModelFile) -> None:
        self._runtime = runtime
        self.signatures = signatures
        self.file = file
        # A runtime has one set of inputs, memory and outputs.
        self._running = threading.Lock()

    def signature(self, key: str | None = None) -> Signature:
        """The signature of this name; without a name the only one.

        Raises:
            UserError: the model has no signature of this name, or several and no name was given.
        """
        names = ", ".join(map(repr, self.signatures))
        if key is None:
            if len(self.signatures) != 1:
                raise UserError(f"the model has several signatures; name one of {names}.")
            return next(iter(self.signatures.values()))
        if key not in self.signatures:
            raise UserError(f"the model has no signature {key!r}; it has {names}.")
        return self.signatures[key]

    def __call__(
        self,
        inputs: Mapping[str, np.ndarray] | np.ndarray,
        signature: str | None = None,
        *,
        raw: bool = False,
    ) -> dict[str, np.ndarray]:
        """Runs the model once.

        Args:
            inputs: arrays by input name, or a single array where there is one input. Real numbers
                given to a quantised input are quantised.
            signature: name of the signature to run; may be left out where there is one.
            raw: true if quantised outputs are returned as integers instead of real numbers.

        Returns:
            The outputs by name; quantised ones as real numbers (float32) unless `raw`.

        Raises:
            UserError: a name, a shape or a type does not fit the model.
        """
        chosen = self.signature(signature)
        given = self._to_runtime(chosen, inputs)
        with self._running:
            outputs = self._runtime.call(chosen, given)
        if raw:
            return outputs
        return {name: chosen.outputs[name].to_real(value) for name, value in outputs.items()}

    def invocation(
        self, inputs: Mapping[str, np.ndarray] | np.ndarray, signature: str | None = None
    ) -> Callable[[], object]:
        """Sets the inputs; the function returned runs the graph on them (to measure latency)."""
        chosen = self.signature(signature)
        return self._runtime.invocation(chosen, self._to_runtime(chosen, inputs))

    def reset(self) -> None:
        """Sets the variables inside the model (the state some exported forms keep) to zero."""
        with self._running:
            self._runtime.reset()

    def _to_runtime(
        self, signature: Signature, inputs: Mapping[str, np.ndarray] | np.ndarray
    ) -> dict[str, np.ndarray]:
        if not isinstance(inputs, Mapping):
            if len(signature.inputs) != 1:
                raise UserError(
                    f"signature {signature.key!r} has the inputs {', '.join(signature.inputs)}: "
                    "give them by name, as {'name': array}."
                )
            inputs = {next(iter(signature.inputs)): inputs}
        if set(inputs) != set(signature.inputs):
            raise UserError(
                f"signature {signature.key!r} takes the inputs "
                f"{', '.join(sorted(signature.inputs))}; it was given {', '.join(sorted(inputs))}."
            )
        return {name: spec.to_runtime(inputs[name]) for name, spec in signature.inputs.items()}


def load(
    path: str | Path, target: str = "litert", *, threads: int = 1, arena_bytes: int | None = None
) -> EdgeModel:
    """Opens an exported model on a runtime of this machine.

    A damaged file is refused. A malicious file is not always recognised: TensorFlow Lite Micro
    trusts shapes and options, so run files from strangers in a separate process.

    Args:
        path: a .tflite file; for target "c" a folder of exported C code.
        target: "litert" (package ai-edge-litert), "tflm" (package tflite-micro, the interpreter
            for microcontrollers) or "c" (needs a C compiler, or the library in the folder).
        threads: number of threads on LiteRT; TensorFlow Lite Micro has one.
        arena_bytes: bytes of working memory for TensorFlow Lite Micro; as many as it needs if None.

    Raises:
        UserError: the file is damaged, the runtime is not installed or cannot run the model.
    """
    if target == CODE:
        code = CompiledRuntime(path)
        return EdgeModel(code, code.signatures(), _WITHOUT_VARIABLES)
    if target not in TARGETS:
        known = ", ".join((*TARGETS, CODE))
        raise UserError(f"target {target!r} is unknown; choose one of {known}.")
    file, content = read_model_file(path)
    signatures = signatures_of(file, fixed=target == "tflm")
    runtime: Runtime
    if target == "litert":
        runtime = LiteRTRuntime(content, file, signatures, threads)
    else:
        runtime = TFLiteMicroRuntime(content, file, arena_bytes)
        # It runs the first graph of a file and no other.
        signatures = {key: value for key, value in signatures.items() if value.subgraph == 0}
    return EdgeModel(runtime, signatures, file)
