"""Turn your own Keras model into files for a microcontroller.

    python examples/my_model_to_a_microcontroller.py model.keras examples.npy --to firmware

The model is any Functional or Sequential Keras 3 model with recurrent layers; the array holds
real inputs, batch first, as the model gets them. Expect the error against Keras on each of your
inputs, the size of the file and the working memory (arena) that TensorFlow Lite Micro needs. The
folder holds the model as a .tflite file with its card, as a C array (model_model.h), and a C++
program that calls it (model_example.cc). Nothing is written if the file does not compute what
Keras computes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnn_apps.export import export_tflite, write_microcontroller_files
from rnn_apps.layers import load_model


def main(arguments: Sequence[str] | None = None) -> None:
    """Exports the model and writes the firmware's files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help=".keras file")
    parser.add_argument("data", help=".npy file of real inputs, batch first")
    parser.add_argument("--quantize", choices=("none", "int8"), default="none", help="arithmetic")
    parser.add_argument("--stream", action="store_true", help="one time step per call, with states")
    parser.add_argument("--to", type=Path, default=Path("firmware"), help="folder of the results")
    options = parser.parse_args(arguments)

    options.to.mkdir(parents=True, exist_ok=True)
    result = export_tflite(
        load_model(options.model),
        options.to / "model.tflite",
        target="tflm",
        mode="streaming" if options.stream else "sequence",
        quantize=None if options.quantize == "none" else options.quantize,
        representative_data=np.load(options.data),
    )
    print(f"{result.path}: {result.bytes / 1024:.0f} KiB, largest error {result.error:.2g}")
    files = write_microcontroller_files(result.path)
    print(f"{files.header}: arena {files.arena_bytes / 1024:.1f} KiB")
    print(f"operators to register: {', '.join(files.operators)}")
    print(f"{files.example} shows how to call it")


if __name__ == "__main__":
    main()
