"""Samples from a microphone, through the package sounddevice where that is installed."""

from __future__ import annotations

import contextlib
import importlib
import queue
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UserError

Array = npt.NDArray[np.float32]

CHUNK_SECONDS = 0.05


@contextlib.contextmanager
def open_microphone(
    sample_rate: int, device: int | str | None = None, chunk_seconds: float = CHUNK_SECONDS
) -> Iterator[Iterator[Array]]:
    """Opens a microphone and yields an iterator of what it hears; closes it at the end.

        with open_microphone(16_000) as chunks:
            for utterance in stream.recognise(chunks):
                print(utterance.text)

    Args:
        sample_rate: sample rate of the samples, in Hz.
        device: number of an input or a part of its name, as `python -m sounddevice` lists them; the
            default input if None.
        chunk_seconds: length of a chunk in seconds.

    Yields:
        An iterator of chunks, float32 [samples], that ends when the microphone is unplugged.

    Raises:
        UserError: sounddevice is not installed, or the microphone cannot be opened.
    """
    sounddevice = _package()
    waiting: queue.SimpleQueue[Array | None] = queue.SimpleQueue()

    def heard(samples: Any, count: int, time: Any, status: Any) -> None:
        if status:
            warnings.warn(f"the microphone lost samples: {status}", stacklevel=2)
        waiting.put(np.array(samples[:, 0], np.float32))

    try:
        stream = sounddevice.InputStream(
            samplerate=sample_rate,
            channels=1,
            dtype="float32",
            blocksize=round(sample_rate * chunk_seconds),
            device=device,
            callback=heard,
            finished_callback=lambda: waiting.put(None),
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise UserError(
            f"the microphone cannot be opened with {sample_rate} Hz: {error}. "
            "`python -m sounddevice` lists the inputs; name one as device"
        ) from None
    try:
        yield _until_closed(waiting)
    finally:
        stream.stop()
        stream.close()


def _until_closed(waiting: queue.SimpleQueue[Array | None]) -> Iterator[Array]:
    while (chunk := waiting.get()) is not None:
        yield chunk


def _package() -> Any:
    try:
        return importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        # OSError: the package is there and the library PortAudio is not.
        raise UserError(
            f"a microphone needs the package sounddevice ({error}): pip install sounddevice"
        ) from None
