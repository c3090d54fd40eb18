"""Sound files as one channel of float32 samples at one sample rate, read block by block."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    import soundfile

Samples = npt.NDArray[np.float32]

EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
MOST_SECONDS = 120.0
"""The longest recording that `read_audio` holds in memory unless told otherwise."""

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MOST_CHANNELS = 64
_BLOCK_VALUES = 2**19
"""Values, over all channels, that are decoded at once: 2 MB."""

_FORMATS = {"WAV": (".wav",), "WAVEX": (".wav",), "RF64": (".wav",), "FLAC": (".flac",),
            "OGG": (".ogg", ".oga", ".opus"), "MP3": (".mp3",), "MPEG": (".mp3",)}  # fmt: skip


class AudioError(DataError):
    """A recording that cannot be used.

    Attributes:
        kind: what is wrong in few words, the same for all recordings with this trouble, such as
            "missing" or "truncated"; `problem` says it for this one.
    """

    def __init__(self, kind: str, problem: str, file: str | Path, advice: str | None = None):
        super().__init__(problem, file=file, advice=advice)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel between processes by their constructor's arguments.
        return AudioError, (self.kind, self.problem, self.file, self.advice)


@dataclass(frozen=True)
class AudioHeader:
    """What a sound file says about itself.

    Attributes:
        sample_rate: samples a second of one channel.
        channels: how many there are.
        samples: of one channel.
        format: as libsndfile names it: "WAV", "FLAC", "OGG", "MP3", ...
    """

    sample_rate: int
    channels: int
    samples: int
    format: str

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return self.samples / self.sample_rate

    def fits_extension(self, path: str | Path) -> bool:
        """Whether the file's name ends as files of this format do."""
        return Path(path).suffix.lower() in _FORMATS.get(self.format, (Path(path).suffix.lower(),))


def read_header(path: str | Path) -> AudioHeader:
    """Reads what a sound file says about itself; nothing is decoded.

    Raises:
        AudioError: the file is missing, no sound file, truncated (a WAV file that announces more
            than it holds), has no samples, or an absurd sample rate or number of channels.
    """
    with _opened(path) as file:
        return _header(file, path)


def stream_audio(
    path: str | Path,
    sample_rate: int,
    *,
    most_seconds: float = float("inf"),
    observe: Callable[[Samples], None] | None = None,
) -> Iterator[Samples]:
    """Yields a recording in blocks, float32 [samples]: the mean of its channels, resampled.

    Memory does not grow with the recording's length. Resampling is soxr's "HQ" (what
    `librosa.resample` uses by default), carried from block to block.

    Args:
        path: WAV, FLAC, OGG (Vorbis, Opus), MP3 or another format that libsndfile reads.
        sample_rate: of what is yielded, in Hz.
        most_seconds: longer recordings are refused before anything is decoded.
        observe: is shown every block before it is resampled, such as a `levels.LevelMeter`.

    Raises:
        AudioError: see `read_header`; or the recording is too long, is cut short, cannot be
            decoded, or holds samples that are no finite numbers.
        ConfigurationError: `sample_rate` is absurd.
    """
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise ConfigurationError(
            f"sample_rate = {sample_rate} must be from {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    with _opened(path) as file:
        header = _header(file, path)
        if header.seconds > most_seconds:
            raise AudioError(
                "too long",
                f"lasts {header.seconds:.1f} s, more than {most_seconds:g} s",
                path,
                "Cut it into utterances, or allow longer ones.",
            )
        blocks = _mono_blocks(file, header, path, observe)
        if header.sample_rate == sample_rate:
            yield from blocks
        else:
            yield from _resampled(blocks, header.sample_rate, sample_rate)


def read_audio(
    path: str | Path,
    sample_rate: int,
    *,
    most_seconds: float = MOST_SECONDS,
    observe: Callable[[Samples], None] | None = None,
) -> Samples:
    """A whole recording, float32 [samples]; see `stream_audio`.

    Raises:
        AudioError: see `stream_audio`.
    """
    blocks = list(stream_audio(path, sample_rate, most_seconds=most_seconds, observe=observe))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _opened(path: str | Path) -> soundfile.SoundFile:
    import soundfile

    if not Path(path).is_file():
        found = "is a folder" if Path(path).is_dir() else "the file does not exist"
        raise AudioError("missing", found, path)
    if Path(path).stat().st_size == 0:
        raise AudioError("no samples", "the file is empty (0 bytes)", path)
    try:
        return soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        reason = getattr(error, "error_string", str(error))
        raise AudioError(
            "not audio", f"is no sound file that can be read: {reason}", path
        ) from None


def _header(file: soundfile.SoundFile, path: str | Path) -> AudioHeader:
    header = AudioHeader(file.samplerate, file.channels, file.frames, file.format)
    if not LOWEST_RATE <= header.sample_rate <= HIGHEST_RATE:
        raise AudioError("absurd header", f"has a sample rate of {header.sample_rate} Hz", path)
    if not 1 <= header.channels <= MOST_CHANNELS:
        raise AudioError("absurd header", f"has {header.channels} channels", path)
    announced, there = _riff_sizes(path)
    if announced > there:
        raise AudioError(
            "truncated", f"announces {announced} bytes of samples and holds {there}", path,
            "Copy it again.",
        )  # fmt: skip
    if header.samples <= 0:
        raise AudioError("no samples", "has a header and no samples", path)
    return header


def _riff_sizes(path: str | Path) -> tuple[int, int]:
    """Bytes of samples that a WAV file announces, and those that are there; (0, 0) for others.

    libsndfile quietly reads what is there; a recording that lost its end has lost words.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0, 0
        while len(chunk := file.read(8)) == 8:
            name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
            if name == b"data":
                # Recorders that stream announce nothing, or the largest number there is.
                open_ended = length in (0, 0xFFFFFFFF, 0x7FFFFFFF)
                return (0 if open_ended else length), size - file.tell()
            file.seek(length + length % 2, 1)
            if file.tell() >= size:
                return 1, 0
    return 0, 0


def _mono_blocks(
    file: soundfile.SoundFile,
    header: AudioHeader,
    path: str | Path,
    observe: Callable[[Samples], None] | None,
) -> Iterator[Samples]:
    import soundfile

    length = max(_BLOCK_VALUES // header.channels, 1)
    read = 0
    while read < header.samples:
        try:
            block = file.read(length, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            reason = getattr(error, "error_string", str(error))
            raise _cut_short(path, read, header, f": {reason}") from None
        if not len(block):
            # An MP3 file's length is an estimate where its header does not state it.
            if header.format in ("MP3", "MPEG") and read > 0.99 * header.samples:
                return
            raise _cut_short(path, read, header)
        if not np.isfinite(block).all():
            bad = read + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise AudioError(
                "NaN samples", f"sample {bad} is NaN or infinite", path, "Record it again."
            )
        read += len(block)
        mono = block[:, 0] if header.channels == 1 else block.mean(axis=1)
        if observe:
            observe(mono)
        yield mono


def _cut_short(path: str | Path, read: int, header: AudioHeader, reason: str = "") -> AudioError:
    return AudioError(
        "truncated", f"ends after {read} of {header.samples} samples{reason}", path,
        "Copy it again.",
    )  # fmt: skip


def _resampled(blocks: Iterator[Samples], source_rate: int, sample_rate: int) -> Iterator[Samples]:
    import soxr

    stream = soxr.ResampleStream(source_rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        resampled = stream.resample_chunk(np.ascontiguousarray(block))
        if len(resampled):
            yield resampled
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    if len(rest):
        yield rest
