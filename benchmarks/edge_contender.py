"""One contender of `benchmarks.edge` in a separate process, which runs on request.

Usage: edge_contender.py {litert|onnx|torch|c} FILE REFERENCE.npz

Reads numbers of calls from standard input, one per line, and answers each with a line of JSON: the
times of this many calls in milliseconds, including input and output, as the thread's processor time
and as wall-clock time. The first line says how far the output is from the reference, and how many
bytes of memory the model has added to the process, weights included. It imports nothing from this
project, so that PyTorch may be in another environment.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np


def litert(file: str, inputs: np.ndarray) -> Callable[[], np.ndarray]:
    """A .tflite file on LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=file, num_threads=1)
    given = interpreter.get_input_details()[0]
    if tuple(given["shape"]) != inputs.shape:
        interpreter.resize_tensor_input(given["index"], inputs.shape)
    interpreter.allocate_tensors()
    output = interpreter.get_output_details()[0]["index"]

    def run() -> np.ndarray:
        interpreter.set_tensor(given["index"], inputs)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return run


def onnx(file: str, inputs: np.ndarray) -> Callable[[], np.ndarray]:
    """An ONNX file on ONNX Runtime's CPU provider; [timesteps, batch, features] inside."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    by_time = np.ascontiguousarray(inputs.transpose(1, 0, 2))
    return lambda: session.run(None, {"x": by_time})[0][:, 0].transpose(1, 0, 2)


def torch(file: str, inputs: np.ndarray) -> Callable[[], np.ndarray]:
    """PyTorch's layer with the weights of an .npz file."""
    import torch as library

    library.set_num_threads(1)
    with np.load(file) as archive:
        weights = {name: archive[name] for name in archive.files}
    kind = {"LSTM": library.nn.LSTM, "GRU": library.nn.GRU, "SimpleRNN": library.nn.RNN}
    features, units = inputs.shape[2], weights["weight_hh_l0"].shape[1]
    layer = kind[str(weights.pop("kind"))](features, units, batch_first=True).eval()
    layer.load_state_dict({name: library.from_numpy(value) for name, value in weights.items()})
    tensor = library.from_numpy(inputs)

    def run() -> np.ndarray:
        with library.inference_mode():
            return layer(tensor)[0].numpy()

    return run


def compiled(file: str, inputs: np.ndarray) -> Callable[[], np.ndarray]:
    """A library of exported C code; beside it a .json file says what its function takes."""
    with open(f"{file}.json", encoding="utf-8") as stream:
        card = json.load(stream)
    function = getattr(ctypes.CDLL(file), card["function"])
    function.restype = None
    memory = np.zeros(card["memory_bytes"], np.uint8)
    given = np.ascontiguousarray(inputs, np.float32)

    arrays = (memory, given, np.empty(card["shape"], np.float32))
    arguments = [ctypes.c_void_p(array.ctypes.data) for array in arrays]

    def run() -> np.ndarray:
        function(*arguments)
        return arrays[2].copy()

    return run


LIBRARIES = {"litert": "ai_edge_litert.interpreter", "onnx": "onnxruntime", "torch": "torch"}


def resident_bytes() -> int | None:
    """Memory of this process that is in use, in bytes; None on systems other than Linux."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def main() -> None:
    """Sets up the contender and answers until standard input ends."""
    runtime, file, reference = sys.argv[1:]
    with np.load(reference) as archive:
        inputs, expected = archive["inputs"], archive["expected"]
    if runtime in LIBRARIES:
        importlib.import_module(LIBRARIES[runtime])
    gc.collect()
    before = resident_bytes()
    run = {"litert": litert, "onnx": onnx, "torch": torch, "c": compiled}[runtime](file, inputs)
    # A fresh interpreter: what a state may keep from run to run does not count here.
    error = float(np.abs(run() - expected).max())
    after = resident_bytes()
    memory = None if before is None or after is None else after - before
    print(json.dumps({"error": error, "memory_bytes": memory}), flush=True)
    for line in sys.stdin:
        processor, wall = [], []
        for _ in range(int(line)):
            wall_start, start = time.perf_counter(), time.thread_time()
            run()
            processor.append(1e3 * (time.thread_time() - start))
            wall.append(1e3 * (time.perf_counter() - wall_start))
        print(json.dumps({"processor": processor, "wall": wall}), flush=True)


if __name__ == "__main__":
    main()
