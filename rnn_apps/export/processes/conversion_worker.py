"""The converter in a process of its own: `python -m rnn_apps.export.processes.conversion_worker`.

It reads one request per line from standard input (JSON, see `conversion_process.Conversion`) and
answers each with one line of JSON. The converter can end the whole process; the other side notices.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipelines.base.child_processes import reserve_standard_output


def main() -> None:
    """Answers requests until standard input ends."""
    # The converter writes to standard output at will.
    answers = reserve_standard_output()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    _send({"ready": True}, answers)
    for line in sys.stdin:
        _answer(json.loads(line), answers)


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    try:
        content = convert(request)
        Path(request["output"]).write_bytes(content)
        answer: dict[str, Any] = {"bytes": len(content), "operators": operators(content)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    _send(answer, answers)


def _send(answer: dict[str, Any], answers: BinaryIO) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def convert(request: dict[str, Any]) -> bytes:
    """Converts the SavedModel that `request` names and rewrites the file as it asks."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        request["saved_model"], signature_keys=request["signatures"]
    )
    # With this, a TensorList in Keras' own loops becomes one tensor that is updated in place.
    converter._experimental_enable_dynamic_update_slice = True
    quantize = request["quantize"]
    if quantize is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8":
        converter.representative_dataset = _calibration(request)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if request["integer_io"]:
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
    from rnn_apps.export.processes.calibration import independent_examples

    with independent_examples():
        content: bytes = converter.convert()
    if request["rewrites"]:
        from rnn_apps.export.flatbuffers.flatbuffer_rewrites import rewrite

        content = rewrite(content, request["rewrites"])
    return content


def operators(content: bytes) -> list[str]:
    """The names of all operators of a .tflite file, each once, custom ones by their own name."""
    from rnn_apps.export.flatbuffers.model_objects import builtin_operators, read_objects

    names = builtin_operators()
    model = read_objects(content)
    found = set()
    for code in model.operatorCodes:
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        name = names[number]
        found.add(code.customCode.decode() if name == "CUSTOM" else name)
    return sorted(found)


def _calibration(request: dict[str, Any]) -> Callable[[], Iterator[Any]]:
    with np.load(request["calibration"], allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}

    def examples() -> Iterator[Any]:
        count = 1 + max(int(key.split("/", 2)[1]) for key in arrays)
        for signature in request["signatures"]:
            for index in range(count):
                prefix = f"{signature}/{index}/"
                example = {
                    key.removeprefix(prefix): value
                    for key, value in arrays.items()
                    if key.startswith(prefix)
                }
                if example:
                    yield signature, example

    return examples


if __name__ == "__main__":
    main()
