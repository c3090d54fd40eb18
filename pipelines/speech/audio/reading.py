"""Sound files as one channel of float32 samples at one sample rate, read block by block."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.audio.audio_error import AudioError as AudioError
from pipelines.speech.audio.audio_error import no_channel as no_channel
from pipelines.speech.audio.containers import (
    check_aiff,
    check_au,
    check_ogg,
    check_sphere,
    check_wave64,
    flac_pieces,
)
from pipelines.speech.audio.flac_length import with_length
from pipelines.speech.audio.foreign_files import (
    FOREIGN_EXTENSIONS,
    conversion,
    not_audio,
    refuse_foreign,
)
from pipelines.speech.audio.mp3_frames import behind_tags, mp3_pieces
from pipelines.speech.audio.pieced_file import Piece, PiecedFile
from pipelines.speech.audio.riff_files import wave_layout
from pipelines.speech.audio.samples import LOUDEST, range_advice, within_range

if TYPE_CHECKING:
    import soundfile

Samples = npt.NDArray[np.float32]

EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
MOST_SECONDS = 120.0
"""The longest recording, in seconds, that `read_audio` reads into memory by default."""

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MOST_CHANNELS = 64
_BLOCK_VALUES = 2**19
"""Number of values, over all channels, that are decoded at once: 2 MB."""

_FORMATS = {"WAV": (".wav",), "WAVEX": (".wav",), "RF64": (".wav",), "FLAC": (".flac",),
            "OGG": (".ogg", ".oga", ".opus"), "MP3": (".mp3",), "MPEG": (".mp3",)}  # fmt: skip
# Codes of WAV files whose content is MPEG sound.
_MPEG_IN_WAV = (0x50, 0x55)


@dataclass(frozen=True)
class AudioHeader:
    """The header of a sound file.

    Attributes:
        sample_rate: sample rate of each channel, in Hz.
        channels: number of channels.
        samples: number of samples of one channel.
        format: name of the format in libsndfile: "WAV", "FLAC", "OGG", "MP3", ...
        marked_end: True if the file has the end mark of its format; without it, the file may have
            been cut.
    """

    sample_rate: int
    channels: int
    samples: int
    format: str
    marked_end: bool = True

    @property
    def seconds(self) -> float:
        """The length of the recording in seconds."""
        return self.samples / self.sample_rate

    def fits_extension(self, path: str | Path) -> bool:
        """Whether the ending of the file's name is usual for this format."""
        return Path(path).suffix.lower() in _FORMATS.get(self.format, (Path(path).suffix.lower(),))


def is_recording(path: Path) -> bool:
    """Whether a file is a recording by its name, so that it is to be read or refused.

    Formats that are refused count, too, unless a file of that name that can be read lies beside.
    """
    ending = path.suffix.lower()
    if ending in EXTENSIONS:
        return True
    return ending in FOREIGN_EXTENSIONS and not any(
        path.with_suffix(other).is_file() for other in in_any_case(EXTENSIONS)
    )


def in_any_case(endings: Iterable[str]) -> tuple[str, ...]:
    """Endings of files as they are written: `.wav`, `.WAV` and `.Wav`, in the order given."""
    return tuple(one for ending in endings for one in (ending, ending.upper(), ending.title()))


def read_header(path: str | Path) -> AudioHeader:
    """Reads the header of a sound file, and checks its length as far as possible.

    The frames of an MP3 file are counted. A WAV file whose header states no length has samples up
    to its end. Only a FLAC file without a length is decoded.

    Raises:
        AudioError: the file is missing, not a sound file, truncated or damaged, is several
            recordings that were joined, or has no samples, an absurd sample rate or an absurd
            number of channels.
    """
    with _opened(path) as (_, header):
        return header


def stream_audio(
    path: str | Path,
    sample_rate: int,
    *,
    most_seconds: float = float("inf"),
    observe: Callable[[Samples], None] | None = None,
    offset: float = 0.0,
    seconds: float | None = None,
    channel: int = 0,
) -> Iterator[Samples]:
    """Yields a recording in blocks, float32 [samples]: the mean of its channels, or one, resampled.

    Memory does not grow with the length of the recording. Resampling is soxr's "HQ" (the default of
    `librosa.resample`), continued from block to block.

    Args:
        path: path of a WAV, FLAC, OGG (Vorbis, Opus) or MP3 file, or of another format that
            libsndfile reads.
        sample_rate: sample rate of the blocks, in Hz.
        most_seconds: longest allowed recording; longer ones are refused before decoding.
        observe: function that is called with every block as it is in the file, float32 [samples,
            channels], such as a `levels.LevelMeter`; None for no such function.
        offset: place in the file at which to begin, in seconds.
        seconds: length of the part to read; None for everything after `offset`.
        channel: number of the channel to read, counted from 1; 0 for the mean of all.

    Raises:
        AudioError: see `read_header`; or the recording is too long, ends early, cannot be decoded,
            is shorter than the requested part, does not have the channel, or has samples that are
            not finite numbers or far beyond -1 to 1.
        ConfigurationError: `sample_rate` is absurd.
    """
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise ConfigurationError(
            f"sample_rate = {sample_rate} must be from {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    with _opened(path) as (file, header):
        start = round(offset * header.sample_rate)
        wanted = header.samples - start
        if seconds is not None:
            wanted = round(seconds * header.sample_rate)
        if start < 0 or wanted <= 0 or start + wanted > header.samples:
            end = offset + (seconds or 0.0)
            raise AudioError(
                "segment outside", f"lasts {header.seconds:.3f} s, and has no part from "
                f"{offset:.3f} to {end:.3f} s", path,
            )  # fmt: skip
        lasts = wanted / header.sample_rate
        if lasts > most_seconds:
            raise AudioError(
                "too long", f"lasts {lasts:.1f} s, more than {most_seconds:g} s", path,
                "Cut it into utterances.",
            )  # fmt: skip
        if channel > header.channels:
            raise no_channel(channel, header.channels, path)
        blocks = _mono_blocks(file, header, path, observe, start, wanted, channel)
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
    offset: float = 0.0,
    seconds: float | None = None,
    channel: int = 0,
) -> Samples:
    """A whole recording, or a part of it, float32 [samples]; see `stream_audio`.

    Raises:
        AudioError: see `stream_audio`.
    """
    blocks = list(
        stream_audio(
            path, sample_rate, most_seconds=most_seconds, observe=observe, offset=offset,
            seconds=seconds, channel=channel,
        )
    )  # fmt: skip
    if not blocks:
        raise AudioError("no samples", f"has no sample at {sample_rate} Hz", path)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[tuple[soundfile.SoundFile, AudioHeader]]:
    """The open file and its header; wrong headers are replaced by correct ones for the decoder."""
    if not Path(path).is_file():
        problem = "is a folder" if Path(path).is_dir() else "the file does not exist"
        raise AudioError("missing", problem, path)
    if Path(path).stat().st_size == 0:
        raise AudioError("no samples", "the file is empty (0 bytes)", path)
    pieces, marked_end, known = _examined(path)
    if not known and pieces is not None:
        pieces = with_length(path, pieces)
    if pieces is None and Path(path).suffix.lower() == ".raw":
        # soundfile goes by this ending, whatever the content.
        pieces = _whole(path)
    with contextlib.ExitStack() as stack:
        source: str | PiecedFile = str(path)
        if pieces is not None:
            source = stack.enter_context(PiecedFile(path, pieces))
        file = stack.enter_context(_decoder(path, source))
        yield file, _header(file, path, marked_end)


def _decoder(path: str | Path, source: str | PiecedFile) -> soundfile.SoundFile:
    import soundfile

    try:
        return soundfile.SoundFile(source)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        reason = getattr(error, "error_string", str(error))
        raise not_audio(path, reason) from None


def _examined(path: str | Path) -> tuple[list[Piece] | None, bool, bool]:
    """The pieces to read instead of the file, None for the file itself; whether the file has the
    end mark of its format; and whether its length is known.
    """
    with open(path, "rb") as file:
        head = file.read(40)
    refuse_foreign(path, head)
    if head[8:12] == b"WAVE":
        layout = wave_layout(path)
        if layout is not None and layout.code in _MPEG_IN_WAV:
            raise AudioError(
                "not audio", "is a WAV file with MP3 sound in it, which is not read here", path,
                f"Convert it: {conversion(path)}",
            )  # fmt: skip
        open_ended = layout is not None and layout.open_ended
        return (layout.pieces(path) if layout and open_ended else None), True, True
    if head[:3] == b"ID3" and behind_tags(path, 4) == b"fLaC":
        return None, True, True
    # A frame of MP3 begins with 11 set bits; those of AAC have no layer.
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1] & 0xE0 == 0xE0 and head[1] & 6):
        return mp3_pieces(path), True, True
    if head[:4] == b"OggS":
        return None, check_ogg(path), True
    if head[:4] == b"fLaC":
        pieces = flac_pieces(path)
        return pieces, True, pieces is None
    if head[:4] == b"FORM":
        check_aiff(path)
    elif head[:4] == b".snd":
        check_au(path)
    elif head[:7] == b"NIST_1A":
        check_sphere(path)
    elif head[:4] == b"riff":
        check_wave64(path)
    elif Path(path).suffix.lower() in _FORMATS["MP3"]:
        # It begins in the middle of a frame, or with something else.
        return mp3_pieces(path), True, True
    # Without the name, by which the decoder would read anything as sound of an assumed rate.
    return _whole(path), True, True


def _whole(path: str | Path) -> list[Piece]:
    return [(0, Path(path).stat().st_size)]


def _header(file: soundfile.SoundFile, path: str | Path, marked_end: bool) -> AudioHeader:
    header = AudioHeader(file.samplerate, file.channels, file.frames, file.format, marked_end)
    if not LOWEST_RATE <= header.sample_rate <= HIGHEST_RATE:
        raise AudioError("absurd header", f"has a sample rate of {header.sample_rate} Hz", path)
    if not 1 <= header.channels <= MOST_CHANNELS:
        raise AudioError("absurd header", f"has {header.channels} channels", path)
    if header.samples <= 0:
        raise AudioError("no samples", "has a header and no samples", path)
    return header


def _mono_blocks(
    file: soundfile.SoundFile,
    header: AudioHeader,
    path: str | Path,
    observe: Callable[[Samples], None] | None,
    start: int,
    wanted: int,
    channel: int,
) -> Iterator[Samples]:
    import soundfile

    length = max(_BLOCK_VALUES // header.channels, 1)
    read = 0
    if start:
        _go_to(file, header, start)
    while read < wanted:
        at = start + read
        try:
            block = file.read(min(length, wanted - read), dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            reason = getattr(error, "error_string", str(error)).rstrip(". ")
            raise _cut_short(path, at, header, f": {reason}") from None
        if not len(block):
            raise _cut_short(path, at, header)
        _check_values(block, at, path)
        read += len(block)
        if channel:
            block = block[:, channel - 1 : channel]
        if observe:
            observe(block)
        yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def _go_to(file: soundfile.SoundFile, header: AudioHeader, start: int) -> None:
    """Moves the file to sample `start`."""
    if header.format not in ("MP3", "MPEG"):
        file.seek(start)
        return
    # If frames differ in length, the decoder's own seek is off by some frames.
    for at in range(0, start, _BLOCK_VALUES):
        file.read(min(_BLOCK_VALUES, start - at), dtype="float32")


def _check_values(block: Samples, at: int, path: str | Path) -> None:
    if not np.isfinite(block).all():
        bad = at + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise AudioError(
            "NaN samples", f"sample {bad} is NaN or infinite", path, "Record it again."
        )
    loudest = float(np.abs(block).max(initial=0.0))
    if loudest > LOUDEST:
        raise AudioError(
            "absurd samples", f"has samples that reach {loudest:.6g}", path,
            f"Floating-point samples are from -1 to 1: {range_advice(loudest)}.",
        )  # fmt: skip


def _cut_short(path: str | Path, read: int, header: AudioHeader, reason: str = "") -> AudioError:
    return AudioError(
        "truncated", f"ends after {read} of {header.samples} samples{reason}", path,
        f"Copy it again, or write the existing part to a new file: {conversion(path)}",
    )  # fmt: skip


def _resampled(blocks: Iterator[Samples], source_rate: int, sample_rate: int) -> Iterator[Samples]:
    import soxr

    stream = soxr.ResampleStream(source_rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        resampled = stream.resample_chunk(np.ascontiguousarray(block))
        if len(resampled):
            yield within_range(resampled)
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    if len(rest):
        yield within_range(rest)
