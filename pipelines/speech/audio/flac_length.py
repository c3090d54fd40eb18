"""The length of a FLAC file that does not state it, as from a pipe: counted by decoding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.speech.audio.pieced_file import Piece, PiecedFile

# libsndfile refuses a read that goes beyond the end as a whole, so the last reads are short.
_READS = (2**16, 2**8, 1)
# Byte whose lower half begins the 36 bits of STREAMINFO with the number of samples.
_COUNT_AT = 21


def with_length(path: str | Path, pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces of a FLAC file, with the number of its samples in the first piece.

    Args:
        path: path of the file.
        pieces: pieces from `containers.flac_pieces`, which state no number of samples.
    """
    samples = 0
    for size in _READS:
        samples = _count(path, pieces, size, samples)
    # The last sample is refused if the decoder looks for more after it.
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
    """The number of samples that whole reads of `size` reach, after `known` readable samples."""
    import soundfile

    samples = known
    with PiecedFile(path, pieces) as source:
        try:
            with soundfile.SoundFile(source) as file:
                for at in range(0, known, _READS[0]):
                    file.read(min(_READS[0], known - at), dtype="int16")
                while count := len(file.read(size, dtype="int16")):
                    samples += count
        except (soundfile.LibsndfileError, RuntimeError):
            pass
    return samples
