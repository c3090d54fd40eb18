"""Files that cannot be read as sound: what they are, and what to do about it."""

from __future__ import annotations

import shlex
from pathlib import Path

from pipelines.speech.audio.audio_error import AudioError

_KNOWN: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "an MPEG-4 file (m4a, mp4, 3gp)"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file (wma, asf)"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"\xff\xf1", "an AAC file"),
    (0, b"\xff\xf9", "an AAC file"),
    (0, b"ADIF", "an AAC file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"FLV", "a Flash video"),
    (8, b"AVI ", "an AVI file"),
    (28, b"Speex   ", "a Speex file"),
    (28, b"\x7fFLAC", "a FLAC file in Ogg"),
    (28, b"\x80theora", "a Theora video"),
)  # fmt: skip
FOREIGN_EXTENSIONS = (
    ".m4a", ".mp4", ".3gp", ".aac", ".webm", ".mka", ".wma", ".amr", ".awb", ".wv", ".ape", ".spx",
)  # fmt: skip
"""Endings of recordings in formats that are refused with the command that converts them."""

_OTHER: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file", "Fetch it: git lfs pull"),
    (b"PK\x03\x04", "is a ZIP archive", "Unpack it."),
    (b"\x1f\x8b", "is compressed by gzip", "Unpack it."),
    (b"\x93NUMPY", "is a NumPy array", "Pass its samples as an array, or write a WAV file."),
)

# Formats without a header, which libsndfile assumes by the ending of a file's name.
_HEADERLESS = {".vox": "vox -r 8000", ".gsm": "gsm -r 8000"}


def conversion(path: str | Path, options: str = "") -> str:
    """The command that converts a file to a new WAV file.

    Args:
        path: path of the file.
        options: options of FFmpeg for reading the file.
    """
    name = Path(path).name
    # FFmpeg cannot write to the file that it reads.
    stem = Path(path).stem + ("-converted" if name.lower().endswith(".wav") else "")
    before = f"{options} " if options else ""
    return f"ffmpeg {before}-i {shlex.quote(name)} {shlex.quote(stem + '.wav')}"


def refuse_foreign(path: str | Path, head: bytes) -> None:
    """Refuses a file in a known format that cannot be read here.

    Args:
        path: path of the file.
        head: bytes from the beginning of the file, at least 40 of them or the whole file.

    Raises:
        AudioError: the file has such a format; the message says which, and how to convert it.
    """
    for place, magic, what in _KNOWN:
        if head[place : place + len(magic)] == magic:
            raise AudioError(
                "not audio", f"is {what}, which is not supported", path,
                f"Convert it: {conversion(path)}",
            )  # fmt: skip


def not_audio(path: str | Path, reason: str) -> AudioError:
    """The error for a file that libsndfile cannot open.

    Args:
        path: path of the file.
        reason: error message of libsndfile.
    """
    with open(path, "rb") as file:
        head = file.read(4096)
    for magic, what, advice in _OTHER:
        if head.startswith(magic):
            return AudioError("not audio", what, path, advice)
    if _is_text(head):
        begin = head.decode("utf-8", "replace").strip().splitlines()[:1]
        return AudioError(
            "not audio", f"is a text that begins with {(begin or [''])[0][:40]!r}", path,
            "Open it: a download may have saved a web page instead of the recording.",
        )  # fmt: skip
    name = Path(path)
    raw = _HEADERLESS.get(name.suffix.lower(), "raw -r 16000 -e signed -b 16 -c 1")
    new = shlex.quote(f"{name.stem}-converted.wav")
    advice = (
        f"If another program plays it, convert it: {conversion(path)}. Samples without a header "
        f"need one: sox -t {raw} {shlex.quote(name.name)} {new}, with their rate"
    )
    return AudioError(
        "not audio", f"is not a sound file that can be read ({reason.rstrip('. ')})", path, advice
    )


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", "ignore")
    return len(text) > 0.9 * len(head) and all(
        character.isprintable() or character.isspace() for character in text
    )
