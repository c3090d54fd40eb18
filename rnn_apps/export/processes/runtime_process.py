"""Runs exported models in a child process with a time limit.

A bad graph can crash the runtime, or never return (Keras' own loops on TensorFlow Lite Micro), so
the process that exports never runs one itself. The child (`runtime_worker`) stays up for several
requests and is started anew after a crash or when it was stopped.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pipelines.base.child_processes import Worker, WorkerError
from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.model import TARGETS
from rnn_apps.export.processes import frames
from rnn_apps.export.results import ExportError

# What the runtimes write when an operator is missing, with the operator's name.
_MISSING_OPERATOR = (
    re.compile(r"Didn't find op for builtin opcode '?\"?([\w]+)"),
    re.compile(r"Encountered unresolved custom op: ([\w.]+)"),
    re.compile(r"Failed to get registration from op code (\w+)"),
    re.compile(r"Select TensorFlow op\(s\), included in the given model.*?(Flex\w+)", re.DOTALL),
    re.compile(r"node number \d+ \((Flex\w+|\w+)\) failed to prepare.*?delegate", re.DOTALL),
)
# The operators that the forms of recurrent layers need beyond arithmetic, which every runtime has.
_OPERATORS_OF_FORMS = frozenset(
    {"WHILE", "DYNAMIC_UPDATE_SLICE", "REVERSE_SEQUENCE", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
)
_ERROR_LINES = 6
# Arenas are aligned to 16 bytes.
_MULTIPLE = 16
_LARGEST_ARENA = 2**28


@dataclass(frozen=True)
class RuntimeCall:
    """One call of a signature.

    Attributes:
        inputs: arrays by the signature's names; real numbers for a quantised input are quantised.
        signature: its name; may be left out where there is one.
        reset: true if the variables inside the model are set to zero first.
    """

    inputs: Mapping[str, np.ndarray]
    signature: str | None = None
    reset: bool = False


@dataclass(frozen=True)
class Latency:
    """Processor time of one run of the graph, on one thread, inputs already in place."""

    median_ms: float
    fastest_ms: float
    runs: int

    @classmethod
    def of_all(cls, found: Sequence[Latency]) -> Latency:
        """Of several measurements of the same: the median of their medians, the fastest run."""
        return cls(
            statistics.median(one.median_ms for one in found),
            min(one.fastest_ms for one in found),
            sum(one.runs for one in found),
        )


class ModelRunError(ExportError):
    """A model did not run on its runtime.

    Attributes:
        reason: "crash" (a signal ended the runtime), "hang" (no answer within the time limit),
            "unsupported operator", "nan" (not a number or infinite in an output) or "failed".
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass
class RuntimeProcess:
    """A child process with one runtime. A context manager; POSIX only.

    Args:
        target: "litert" or "tflm".
        time_limit: seconds for one request, loading included, after which the child is ended; time
            in which the child waits for a processor does not count.
        known_as: name of the file in messages; its path if empty.
    """

    target: str = "litert"
    time_limit: float = 60.0
    known_as: str = ""
    _worker: Worker | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise UserError(f"target {self.target!r} is unknown; choose one of {TARGETS}.")

    def __enter__(self) -> RuntimeProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self,
        path: str | Path,
        calls: Sequence[RuntimeCall],
        *,
        raw: bool = False,
        allow_nan: bool = False,
    ) -> list[dict[str, np.ndarray]]:
        """Runs the calls in order, in one interpreter that is made for this request.

        Args:
            raw: true if quantised outputs are returned as integers instead of real numbers.
            allow_nan: true if an output that is not finite is accepted.

        Returns:
            For each call its outputs by name.

        Raises:
            ModelRunError: it crashed, hung, lacks an operator, refused, or gave NaN.
        """
        reply, arrays = self._request("run", path, calls, raw=raw)
        results = [{name: arrays[key] for name, key in names.items()} for names in reply["outputs"]]
        if not allow_nan:
            self._refuse_nan(path, results)
        return results

    def stream(
        self,
        path: str | Path,
        sequences: Sequence[Sequence[Mapping[str, np.ndarray]]],
        signature: str | None = None,
    ) -> list[list[dict[str, np.ndarray]]]:
        """Streams sequences one after another through one session, which is reset between them.

        Args:
            path: file with a streaming signature.
            sequences: chunks of each sequence, by input name, without states.
            signature: name of the streaming signature; may be left out where there is one.

        Returns:
            For each sequence the outputs of each of its chunks; the states that a chunk leaves
            are among them, as real numbers, under their outputs' names.

        Raises:
            ModelRunError: it crashed, hung, lacks an operator, refused, or gave NaN.
        """
        calls = [
            RuntimeCall(chunk, signature, reset=number == 0)
            for chunks in sequences
            for number, chunk in enumerate(chunks)
        ]
        reply, arrays = self._request("stream", path, calls)
        results = [{name: arrays[key] for name, key in names.items()} for names in reply["outputs"]]
        self._refuse_nan(path, results)
        remaining = iter(results)
        return [[next(remaining) for _ in chunks] for chunks in sequences]

    def latency(
        self, path: str | Path, call: RuntimeCall, *, repeats: int = 100, seconds: float = 5.0
    ) -> Latency:
        """Measures one call on one thread: `repeats` runs, or as many as `seconds` allow (>= 5)."""
        reply, _ = self._request("latency", path, [call], repeats=repeats, seconds=seconds)
        return Latency(1e3 * reply["median"], 1e3 * reply["fastest"], reply["runs"])

    def arena(self, path: str | Path) -> int:
        """The least working memory (bytes, a multiple of 16) with which TensorFlow Lite Micro
        allocates and runs the model on this computer, found by bisection.

        That is with the reference kernels and pointers of 64 bit. A microcontroller's own kernels
        may take more: see `cmsis_nn_memory`.

        Raises:
            ModelRunError: it does not run with any amount.
        """
        enough = 1024
        while not self._fits(path, enough):
            enough *= 2
            if enough > _LARGEST_ARENA:
                # Running it without a given size names the reason.
                self._request("run", path, [])
                raise ModelRunError(
                    "failed", f"{self._named(path)}: no arena up to {enough // 2} bytes fits."
                )
        too_small = enough // 2
        while enough - too_small > _MULTIPLE:
            middle = (enough + too_small) // 2 // _MULTIPLE * _MULTIPLE
            if self._fits(path, middle):
                enough = middle
            else:
                too_small = middle
        while not self._fits(path, enough, runs=True):
            # Allocated and yet too little to run: no operator is known to do so.
            enough += max(_MULTIPLE, enough // 64 // _MULTIPLE * _MULTIPLE)
            if enough > _LARGEST_ARENA:
                raise ModelRunError(
                    "failed", f"{self._named(path)}: it allocates but does not run."
                )
        return enough

    def close(self) -> None:
        """Ends the child."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _refuse_nan(self, path: str | Path, results: Sequence[Mapping[str, np.ndarray]]) -> None:
        for number, outputs in enumerate(results):
            _refuse_nan(outputs, f"{self._named(path)}: call {number + 1} on {self.target}")

    def _fits(self, path: str | Path, arena_bytes: int, runs: bool = False) -> bool:
        try:
            reply, _ = self._request("arena", path, [], arena_bytes=arena_bytes, runs=runs)
        except ModelRunError as failure:
            # With too little memory some operators crash instead of saying so.
            if failure.reason != "crash":
                raise
            return False
        return reply["fits"]

    def _request(
        self, verb: str, path: str | Path, calls: Sequence[RuntimeCall], **details: Any
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}
        described = []
        for number, call in enumerate(calls):
            keys = {name: f"{number}:{name}" for name in call.inputs}
            arrays |= {keys[name]: np.asarray(value) for name, value in call.inputs.items()}
            described.append({"inputs": keys, "signature": call.signature, "reset": call.reset})
        header = {
            "verb": verb,
            "path": str(Path(path).absolute()),
            "target": self.target,
            "time_limit": self.time_limit,
            "calls": described,
            **details,
        }
        what = f"{self._named(path)} on {self.target}"
        reply, results = self._exchange(frames.encode(header, arrays), what)
        if "refused" in reply or "failed" in reply:
            raise self._failure(path, reply.get("refused") or reply["failed"])
        return reply, results

    def _exchange(self, message: bytes, what: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        worker = self._running()
        try:
            return worker.ask(message, lambda w: frames.receive(w.exactly), self.time_limit)
        except WorkerError as failure:
            self.close()
            if failure.hung:
                raise ModelRunError(
                    "hang",
                    f"{what}: no answer within {self.time_limit:g} s; it was stopped. The graph "
                    "may never end on this runtime: choose another form, or a longer time limit.",
                ) from None
            said = _joined(failure.said)
            raise ModelRunError(
                "crash", f"{what}: the runtime crashed ({failure.ending}).{said}"
            ) from None

    def _running(self) -> Worker:
        if self._worker is None or not self._worker.is_running:
            self.close()
            self._worker = Worker("rnn_apps.export.processes.runtime_worker")
        return self._worker

    def _named(self, path: str | Path) -> str:
        return self.known_as or str(path)

    def _failure(self, path: str | Path, refusal: str) -> ModelRunError:
        said = _joined(self._worker.said() if self._worker is not None else ())
        if self.known_as:
            # The child knows the file by its path alone.
            refusal = refusal.replace(str(Path(path).absolute()), self.known_as)
        for pattern in _MISSING_OPERATOR:
            found = pattern.search(said) or pattern.search(refusal)
            if found:
                operator = found.group(1)
                advice = (
                    "Choose another form or quantisation for this target."
                    if operator in _OPERATORS_OF_FORMS
                    else "Leave what needs it out of the model and compute it from the file's "
                    "outputs, or choose another target."
                )
                return ModelRunError(
                    "unsupported operator",
                    f"{self._named(path)}: {self.target} has no operator {operator}. {advice}",
                )
        return ModelRunError("failed", f"{self._named(path)} on {self.target}: {refusal}{said}")


def _joined(said: Sequence[str]) -> str:
    """The last lines that the runtime wrote to the error stream, for a message."""
    lines = [line for line in said if not line.startswith("INFO:")]
    # The same complaint comes once per attempt.
    lines = list(dict.fromkeys(lines))[-_ERROR_LINES:]
    return "" if not lines else " It said: " + " | ".join(lines)


def _refuse_nan(outputs: Mapping[str, np.ndarray], what: str) -> None:
    for name, values in outputs.items():
        if not np.issubdtype(values.dtype, np.floating):
            continue
        wrong = int(np.count_nonzero(~np.isfinite(values)))
        if wrong:
            raise ModelRunError(
                "nan", f"{what}: {wrong} of {values.size} numbers of {name!r} are not finite."
            )
