"""The child process that runs exported models for `runtime_process`.

It imports numpy and one runtime, nothing else, so that it starts in a third of a second and what
it proves holds for a device. Everything it prints goes to the error stream: the pipe carries
messages only, whatever the runtime's native code writes to standard output.
"""

from __future__ import annotations

import signal
import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from pipelines.base.child_processes import reserve_standard_output
from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.model import EdgeModel, load
from rnn_apps.edge.runtime.streaming import SUCCESSOR, StreamingSession
from rnn_apps.export.processes import frames

Reply = tuple[dict[str, Any], dict[str, np.ndarray]]

# A request that takes this many seconds of processor time more than its limit has lost its parent,
# who would have ended this process. The kernel then ends it, also inside native code. Processor
# time is counted because the parent's limit does not run while this process waits for a processor.
GRACE_SECONDS = 5.0


def main() -> None:
    """Answers requests from standard input until it ends."""
    requests = sys.stdin.buffer
    replies = reserve_standard_output()
    while True:
        try:
            header, arrays = frames.receive(lambda size: _exactly(requests, size))
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, header["time_limit"] + GRACE_SECONDS)
        replies.write(frames.encode(*_answer(header, arrays)))
        replies.flush()
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _answer(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
    try:
        if header["verb"] == "arena":
            return _arena(header, arrays)
        model = load(header["path"], header["target"])
        verbs = {"run": _run, "stream": _stream, "latency": _latency}
        return verbs[header["verb"]](model, header, arrays)
    except UserError as refusal:
        return {"refused": str(refusal)}, {}
    except Exception as failure:
        return {"failed": f"{type(failure).__name__}: {failure}"}, {}


def _inputs(call: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: arrays[key] for name, key in call["inputs"].items()}


def _run(model: EdgeModel, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
    """Every call in order, in the same interpreter."""
    names: list[dict[str, str]] = []
    results: dict[str, np.ndarray] = {}
    for number, call in enumerate(header["calls"]):
        if call["reset"]:
            model.reset()
        outputs = model(_inputs(call, arrays), call["signature"], raw=header["raw"])
        names.append({name: f"{number}:{name}" for name in outputs})
        results |= {f"{number}:{name}": value for name, value in outputs.items()}
    return {"outputs": names}, results


def _stream(model: EdgeModel, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
    """Streams through one session, which is reset before each; a stream is a run of calls."""
    session = StreamingSession(model, header["calls"][0]["signature"])
    names: list[dict[str, str]] = []
    results: dict[str, np.ndarray] = {}
    for number, call in enumerate(header["calls"]):
        if call["reset"]:
            session.reset()
        outputs = session.step_by_name(_inputs(call, arrays))
        outputs |= {SUCCESSOR.format(name): value for name, value in session.state.items()}
        names.append({name: f"{number}:{name}" for name in outputs})
        results |= {f"{number}:{name}": value for name, value in outputs.items()}
    return {"outputs": names}, results


def _latency(model: EdgeModel, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
    """Runs of one call, after a few that warm the caches, until the repeats or the time is up.

    What is counted is the thread's own processor time: both runtimes compute in the calling thread,
    and other processes on the machine would only blur the figure.
    """
    call = header["calls"][0]
    invoke = model.invocation(_inputs(call, arrays), call["signature"])
    end = time.perf_counter() + header["seconds"]
    for _ in range(max(1, header["repeats"] // 10)):
        invoke()
    seconds: list[float] = []
    while len(seconds) < header["repeats"] and (len(seconds) < 5 or time.perf_counter() < end):
        start = time.thread_time()
        invoke()
        seconds.append(time.thread_time() - start)
    return {"median": statistics.median(seconds), "fastest": min(seconds), "runs": len(seconds)}, {}


def _arena(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
    """Whether TensorFlow Lite Micro allocates (and, if asked, runs) the model in this much memory.

    The input is all zeros: what an operator needs does not depend on the values.
    """
    try:
        model = load(header["path"], "tflm", arena_bytes=header["arena_bytes"])
        if not header["runs"]:
            return {"fits": True}, {}
        signature = next(iter(model.signatures.values()))
        inputs = {name: np.zeros(i.shape, i.dtype) for name, i in signature.inputs.items()}
        model(inputs, signature.key, raw=True)
    except (UserError, RuntimeError):
        return {"fits": False}, {}
    return {"fits": True}, {}


if __name__ == "__main__":
    main()
