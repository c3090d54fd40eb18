"""Lines that are sentences: of files, and of what comes through standard input."""

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

    A lone \\r is read as a space; so line n is what an editor and `wc -l` count as line n.

    Raises:
        DataError: the file is empty, not UTF-8, or its lines end with \\r alone; the message names
            the place.
    """
    if Path(path).is_dir():
        raise DataError("is a folder, not a file", file=path, advice="Name the file in it.")
    text = open_text_files([path], str(path), lone_return="\r")
    lines = split_lines("".join(text.chunks()))
    _refuse_one_line_of_many(text.report, len(lines), path)
    for finding in text.report.findings:
        report.note(finding.kind, finding.treatment, (finding.places or [""])[0], finding.count)
    return lines


def text_from_standard_input() -> str:
    """All of standard input as a text file of the same content would be read.

    A line ends at \\n; \\r\\n and a lone \\r are read as that, as in training.

    Raises:
        DataError: see `standard_input`.
    """
    return LineEnds("\n").read(standard_input(), final=True)


def standard_input() -> str:
    """All of standard input, which is UTF-8; its line ends are as they came.

    Raises:
        DataError: it is not UTF-8, or a file of another kind, such as an archive.
    """
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        # A notebook or a test may have put a stream of text there.
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
    """A file whose lines end with \\r alone, as on old Macintoshes, would be one long sentence."""
    if lines == 1 and report.count("lone carriage returns"):
        raise DataError(
            "its lines end with carriage returns alone, which are not read as line ends here",
            file=path,
            advice="Convert it: tr '\\r' '\\n' < FILE > NEW.",
        )
