"""Lines that are sentences, from files and from standard input."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.text.files import open_text_files
from pipelines.text.foreign_content import GZIP, HEAD, refuse_foreign
from pipelines.text.line_ends import LineEnds, split_lines

BYTE_ORDER_MARK = "\ufeff"


def read_lines(path: str | Path, report: DataReport) -> list[str]:
    """The lines of a file in UTF-8, plain or gzipped; only \\n and \\r\\n end a line.

    A lone \\r is read as a space, so that lines are numbered as in an editor and by `wc -l`.

    Raises:
        DataError: the file is empty or not UTF-8, or its lines end with \\r alone; the message
            names the place.
    """
    if Path(path).is_dir():
        raise DataError("is a folder, not a file", file=path, advice="Name the file in it.")
    text = open_text_files([path], str(path), lone_return="\r")
    if len(text.segments) > 1:
        raise DataError(
            f"the ZIP file holds {len(text.segments)} files, of which one is to be read",
            file=path,
            advice=f"Unpack it first: unzip {Path(path).name}.",
        )
    lines = split_lines("".join(text.chunks()))
    _refuse_one_line_of_many(text.report, len(lines), path)
    for finding in text.report.findings:
        report.note(finding.kind, finding.treatment, (finding.places or [""])[0], finding.count)
    return lines


def text_from_standard_input() -> str:
    """All of standard input, read as a text file with the same content would be read.

    \\r\\n and a lone \\r are read as \\n, as in training.

    Raises:
        DataError: see `standard_input`.
    """
    return LineEnds("\n").read(standard_input(), final=True)


def standard_input() -> str:
    """All of standard input, which must be UTF-8; line ends are not changed.

    Raises:
        DataError: the input is not UTF-8, or is a file of another kind, such as an archive.
    """
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        # A notebook or a test may have replaced it by a stream of text.
        return sys.stdin.read().removeprefix(BYTE_ORDER_MARK)
    content = bytes(stream.read())
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(
            "the text is UTF-16, not UTF-8", file="standard input",
            advice="Convert it: iconv -f UTF-16 -t UTF-8.",
        )  # fmt: skip
    if content.startswith(GZIP):
        raise DataError(
            "is a gzip file, not text",
            file="standard input",
            advice="Unpack it first: zcat FILE.gz.",
        )
    refuse_foreign(content[:HEAD], Path("standard input"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"the byte at offset {error.start} is not UTF-8 ({error.reason})",
            file="standard input",
            advice="If it is in another encoding, convert it: iconv -f WINDOWS-1252 -t UTF-8.",
        ) from None
    return text.replace(BYTE_ORDER_MARK, "")


def _refuse_one_line_of_many(report: DataReport, lines: int, path: str | Path) -> None:
    """Refuses lines that end with \\r alone, as on old Macintoshes: all would be one sentence."""
    if lines == 1 and report.count("lone carriage returns"):
        raise DataError(
            "its lines end with carriage returns alone, which are not read as line ends here",
            file=path,
            advice="Convert it: tr '\\r' '\\n' < FILE > NEW.",
        )
