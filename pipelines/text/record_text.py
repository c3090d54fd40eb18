"""Text in a column of tables: JSON lines, CSV, TSV and Parquet, a record after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from pipelines.base.archives import split_archive
from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.text.corpus import MemoryText, TextCorpus, part_name
from pipelines.text.line_ends import LineEnds
from pipelines.text.records import NO_NAMES, Records, place_of, text_of, written_as_names
from pipelines.text.surplus_cells import SurplusCells

TEXT_NAMES = ("text", "content", "article", "document", "sentence", "body", "message", "review")
"""Names of the column of text, in order of preference."""

# Rows whose texts tell whether the first one is a header, and the share of them that has to.
_SAMPLE = 100
_MOSTLY = 0.9
_SHOWN = 40

RECORDS_TO_SLICE = 1000
"""Fewer records are cut as one text: shares of whole records would be too coarse."""


class RecordText(TextCorpus):
    """The texts of a column, in the order of the files and rows, each ended by a line break.

    Args:
        files: files of records.
        name: name of the source, for messages.
        text_column: name of the column, or its number from 1; "" to find it.
        start, stop: the records to read, of all files together; `stop` is None for all that follow.
    """

    def __init__(
        self,
        files: Sequence[Records],
        name: str,
        text_column: str = "",
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        # Of a file in an archive, the archive's.
        stored = [(one.path, split_archive(one.path)[0].stat()) for one in files]
        states = [(str(path.resolve()), one.st_size, one.st_mtime_ns) for path, one in stored]
        super().__init__(name, f"records {states} {text_column} {start} {stop}")
        self._files = tuple(files)
        self._text_column = text_column
        self._start, self._stop = start, stop

    def _pieces(self, report: DataReport) -> Iterator[str]:
        count = 0
        chosen = itertools.islice(self._texts(report), self._start, self._stop)
        for records, number, text in chosen:
            place = f"{records.path}, {records.unit} {number}"
            lines = LineEnds("\n")
            text = lines.read(text, final=True)
            report.note("Windows line ends", "read as line ends", place, lines.windows)
            report.note("lone carriage returns", "read as line ends", place, lines.lone)
            if not text.strip():
                report.note("records without text", "left out", place)
                continue
            count += 1
            yield text if text.endswith("\n") else text + "\n"
        report.note("records", "read, a line break after each", self.name, count)

    def _texts(self, report: DataReport) -> Iterator[tuple[Records, int, str]]:
        for records in self._files:
            read = _keyed_texts if records.keyed else _column_texts
            for number, text in read(records, self._text_column, report):
                yield records, number, text

    def part(self, start: float, stop: float) -> TextCorpus:
        """See `TextCorpus.part`; if there are many records, borders lie between them."""
        count = sum(1 for _ in itertools.islice(self._texts(DataReport()), self._start, self._stop))
        if count < RECORDS_TO_SLICE:
            report = DataReport()
            text = "".join(self._pieces(report))
            if not text:
                raise DataError("the text is empty", file=self.name)
            return MemoryText(text, self.name, report.findings).part(start, stop)
        first, last = (self._start + round(share * count) for share in (start, stop))
        name = part_name(self.name, start, stop)
        return RecordText(self._files, name, self._text_column, first, last)


def _keyed_texts(records: Records, wanted: str, report: DataReport) -> Iterator[tuple[int, str]]:
    """Number and text of each record that names its columns itself."""
    name = ""
    for number, cells in records.objects():
        if not name:
            name = _chosen_key(cells, wanted, records, number)
            _note_columns(name, list(cells), report)
        if name not in cells:
            report.note(f"records without {name!r}", "left out", f"{records.unit} {number}")
            continue
        yield number, text_of(cells[name], name, number, records)


def _chosen_key(cells: dict[str, object], wanted: str, records: Records, number: int) -> str:
    names = list(cells)
    if wanted:
        place = place_of(wanted, names, records.path, "text_column")
        if place < len(names):
            return names[place]
        raise _no_text_column(records, names, number)
    folded = {name.lower(): name for name in reversed(names)}
    known = next((folded[one] for one in TEXT_NAMES if one in folded), "")
    texts = [name for name, value in cells.items() if isinstance(value, str)]
    if not known and len(texts) != 1:
        raise _no_text_column(records, names, number)
    return known or texts[0]


def _column_texts(records: Records, wanted: str, report: DataReport) -> Iterator[tuple[int, str]]:
    """Number and text of each row of a CSV or TSV file."""
    rows = records.rows()
    line, first = next(rows, (0, []))
    if not first:
        raise DataError("the text is empty", file=records.path)
    below = list(itertools.islice(rows, _SAMPLE))
    place, header = _chosen_column(records, wanted, (line, first), below)
    name = first[place].strip() if header else f"column {place + 1}"
    if header:
        _note_columns(name, first, report)
    else:
        report.note(NO_NAMES, "read as a record", f"line {line}: {first[place][:_SHOWN]!r}")
        below = [(line, first), *below]
    # A header tells the number of columns, and so does a first row that is one text.
    named = len(first) if header or not wanted else 0
    surplus = SurplusCells([cells for _, cells in below], [place], named)
    for number, cells in itertools.chain(below, rows):
        records.check_tabs(cells, number, surplus, report)
        if place >= len(cells):
            report.note(f"rows without {name!r}", "left out", f"{records.unit} {number}")
            continue
        yield number, text_of(cells[place], name, number, records)


def _chosen_column(
    records: Records,
    wanted: str,
    first: tuple[int, list[str]],
    below: Sequence[tuple[int, list[str]]],
) -> tuple[int, bool]:
    """The place of the column of text, and whether the first row has names of columns."""
    line, cells = first
    folded = [name.strip().lower() for name in cells]
    if wanted:
        place = place_of(wanted, cells, records.path, "text_column")
        if place >= len(cells):
            raise _no_text_column(records, cells, line)
        by_number = wanted.isdigit() and wanted not in folded
        return place, not by_number or _is_header(cells, place, below)
    known = next((one for one in TEXT_NAMES if one in folded), "")
    if not known and len(cells) > 1:
        raise _no_text_column(records, cells, line)
    place = folded.index(known) if known else 0
    return place, bool(known) or _is_header(cells, place, below)


def _is_header(first: Sequence[str], place: int, below: Sequence[tuple[int, list[str]]]) -> bool:
    """Whether a first row has names of columns, where the user did not say so.

    It does if the column of text has one of the usual names; or if all cells are names as programs
    write them, and that column has texts of several words below.
    """
    if first[place].strip().lower() in TEXT_NAMES:
        return True
    texts = [cells[place] for _, cells in below if place < len(cells) and cells[place].strip()]
    spaced = sum(" " in text.strip() for text in texts)
    return written_as_names(first) and bool(texts) and spaced >= _MOSTLY * len(texts)


def _note_columns(name: str, names: Sequence[str], report: DataReport) -> None:
    others = [one.strip() for one in names if one.strip() != name]
    report.note(f"the column {name!r}", "read as the text")
    if others:
        report.note(f"further columns ({', '.join(others)})", "not read", "", len(others))


def _no_text_column(records: Records, names: Sequence[str], number: int) -> DataError:
    shown = ", ".join(one.strip()[:40] for one in names)
    return DataError(
        f"does not say which column is the text. Its columns: {shown}",
        file=records.path,
        row=number,
        advice="Name it: --text-column NAME, or its number from 1 if there is no header. If the "
        "file is plain text, let its name end in .txt.",
    )
