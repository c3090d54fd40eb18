"""The length of a FLAC file that does not say it, as from a pipe: counted by decoding it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.speech.audio.pieced_file import Piece, PiecedFile

# libsndfile refuses a whole read that goes beyond the end, so the last ones become short.
_READS = (2**16, 2**8, 1)
# Where STREAMINFO's 36 bits with the number of samples begin, in the lower half of a byte.
_COUNT_AT = 21


def with_length(path: str | Path, pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces of a FLAC file with the number of its samples in the first of them.

    Args:
        path: the file.
        pieces: from `containers.flac_pieces`.
    """
    samples = 0
    for size in _READS:
        samples = _count(path, pieces, size, samples)
    # The last sample is refused where the decoder looks for more behind it.
    longer = _counted(pieces, samples + 1)
    if _count(path, longer, samples + 1, 0) == samples + 1:
        return longer
    return _counted(pieces, samples)


def _counted(pieces: Sequence[Piece], samples: int) -> list[Piece]:
    head = pieces[0]
    assert isinstance(head, bytes)
    count = samples.to_bytes(5, "big")
    first = bytes([head[_COUNT_AT] & 0xF0 | count[0]])
    return [head[:_COUNT_AT] + first + count[1:], *pieces[1:]]


def _count(path: str | Path, pieces: Sequence[Piece], size: int, known: int) -> int:
    """How many samples come in whole reads of a size, after those that are known to come."""
    import soundfile

    samples = known
    with PiecedFile(path, pieces) as source:
        try:
            with soundfile.SoundFile(source) as file:
                for at in range(0, known, _READS[0]):
                    file.read(min(_READS[0], known - at), dtype="int16")
                while found := len(file.read(size, dtype="int16")):
                    samples += found
        except (soundfile.LibsndfileError, RuntimeError):
            pass
    return samples
