"""Turns Arrow columns, typed or text, into float32 numbers and integer categories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.tables.tables import Block

if TYPE_CHECKING:
    import pyarrow as pa

_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?|[-+]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?")
_SPACED = re.compile(r"[-+]?[1-9]\d{0,2}([ \u00a0\u2009\u202f'\u2019]\d{3})+([.,]\d+)?")
_CURRENCIES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|BRL|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|TRY|ZAR|KRW|MXN|SGD|"
    "HKD|Rs|kr|Fr|R\\$|US\\$"
)
_UNIT = re.compile(
    rf"([^\w\s.,+\u2212-]{{1,4}}|{_CURRENCIES}) ?[-+]?[\d.,]+|"
    r"[-+]?[\d.,]+ ?([^\d\s.,+-]{1,4})"
)
"""A number with a unit. Any other letters before a number make a name: S1, Shop 2, USW00094728."""

_OTHER_MINUS = re.compile(r"[\u2212\u2013\u2012\ufe63\uff0d] ?([\d.,]+)|([\d.,]+)-|\(([\d.,]+)\)")
"""Minus signs other than the hyphen, a minus after the number, and brackets for negatives."""

LEAST_COARSE = 1e4
"""Values below this, as usually measured, have steps that float32 can tell apart."""

COARSE = 0.1
"""Share of the step between neighbouring values; a coarser float32 merges the values."""


class NumberReader:
    """Reads the values of one column as float32, with NaN for missing values.

    Blanks around a text are ignored; "true" and "false" count as 1 and 0.

    Args:
        column: name of the column.
        infinities: "error" to refuse infinite values and those beyond float32; "missing" to treat
            them as missing.
        report: report that receives the findings.
        markers: numbers that mean a missing value, such as -999.
    """

    def __init__(
        self,
        column: str,
        *,
        infinities: str,
        report: DataReport,
        markers: tuple[float, ...] = (),
    ) -> None:
        self.column = column
        self.infinities = infinities
        self.report = report
        self.markers = markers

    def read(
        self,
        block: Block,
        decimal: str = ".",
        ids: npt.NDArray[np.int32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """The column's values in `block`, float32 [rows].

        Args:
            block: rows of the table.
            decimal: the decimal mark of numbers that are text.
            ids: number of the series of each row, [rows]; None if there is only one series.

        Raises:
            DataError: a value is not a number, or is infinite; the message names the first such
                row.
        """
        import pyarrow as pa

        array = block.columns[self.column]
        if is_text(array.type):
            array = self._parse(array, block, decimal)
        elif not is_number(array.type):
            raise _wrong_type(array.type, "numbers", self.column, block.file)
        if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
            array = array.cast(pa.float64())
        values: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
        if self.markers:
            values = self._without_markers(values.astype(np.float64), block)
        with np.errstate(over="ignore"):
            numbers = values.astype(np.float32)
        self._report_coarse(values, block, ids)
        infinite = np.flatnonzero(np.isinf(numbers))
        return self._without_infinities(numbers, infinite, block) if len(infinite) else numbers

    def _without_markers(
        self, values: npt.NDArray[np.float64], block: Block
    ) -> npt.NDArray[np.float64]:
        marked = np.flatnonzero(np.isin(values, self.markers))
        if len(marked):
            place = f"{block.file}, row {block.row_number(int(marked[0]))}, column {self.column!r}"
            self.report.note("missing markers", "taken as missing", place, len(marked))
            values = np.where(np.isin(values, self.markers), np.nan, values)
        return values

    def _report_coarse(
        self, values: npt.NDArray[Any], block: Block, ids: npt.NDArray[np.int32] | None
    ) -> None:
        """Reports values so large that float32, in which models compute, cannot tell them apart."""
        if values.dtype.kind == "f" and values.dtype.itemsize < 8:
            return
        known = np.flatnonzero(np.isfinite(values))
        if ids is not None:
            known = known[np.argsort(ids[known], kind="stable")]
        exact = values[known].astype(np.float64)
        if not LEAST_COARSE < np.abs(exact).max(initial=0.0) < np.finfo(np.float32).max:
            return
        steps = np.abs(np.diff(exact))
        neighbours = steps > 0
        if ids is not None:
            neighbours &= ids[known][1:] == ids[known][:-1]
        rounded = exact.astype(np.float32)
        coarse = neighbours & (np.spacing(np.abs(rounded[1:])) > COARSE * steps)
        coarse &= (rounded[1:] != exact[1:]) | (rounded[:-1] != exact[:-1])
        series = np.zeros(len(exact), np.int32) if ids is None else ids[known]
        share = np.bincount(series[1:], coarse) / np.maximum(np.bincount(series[1:], neighbours), 1)
        merged = np.flatnonzero(share[series] > 0.5)
        if not len(merged):
            return
        first = int(merged[0])
        self.report.note(
            "values too large for their steps",
            f"rounded to float32, in steps of {float(np.spacing(np.abs(rounded[first]))):g}: "
            "subtract a constant from the column, or forecast its differences",
            f"{block.file}, row {block.row_number(int(known[first]))}, column {self.column!r}: "
            f"{exact[first]:.17g}",
            len(merged),
        )

    def _parse(self, array: pa.Array, block: Block, decimal: str) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as compute

        if decimal == ",":
            # A point together with a decimal comma would group thousands, which is refused.
            array = compute.replace_substring(array, ".", "_")
            array = compute.replace_substring(array, ",", ".")
        try:
            return array.cast(pa.float64())
        except pa.ArrowInvalid:
            pass
        array = compute.utf8_trim_whitespace(array)
        for text, number in (("true", "1"), ("false", "0"), ("", None)):
            same = compute.equal(compute.utf8_lower(array), text)
            array = compute.if_else(same, pa.scalar(number, pa.string()), array)
        try:
            return array.cast(pa.float64())
        except pa.ArrowInvalid:
            raise self._not_a_number(array, block, decimal) from None

    def _not_a_number(self, array: pa.Array, block: Block, decimal: str) -> DataError:
        import pyarrow as pa

        first = next(i for i in range(len(array)) if not _casts(array[i : i + 1], pa.float64()))
        text = str(block.columns[self.column][first])
        advice = self._cause(text.strip(), block, decimal)
        return block.error(f"{text[:60]!r} is not a number", first, self.column, advice)

    def _cause(self, text: str, block: Block, decimal: str) -> str:
        """Advice on a text among numbers, by what is probably wrong with it."""
        if text == self.column:
            return "The header line is repeated here: remove the row."
        cause = cause_of_text(text, decimal)
        if cause:
            return cause
        if re.fullmatch(r"[^\W\d_][\w /&-]*", text):
            return (
                "If the column is a covariate that holds categories, name it in categories; if the "
                "text marks a missing value, leave the cell empty."
            )
        if _THOUSANDS.fullmatch(text):
            marked = [str(value).strip() for value in block.columns[self.column] if value.is_valid]
            if all(_THOUSANDS.fullmatch(value) for value in marked if "," in value):
                return (
                    "Three digits follow every comma, so it seems to group thousands: write "
                    "numbers without it; only if it is a decimal mark, state decimal ','."
                )
        if _DECIMAL_COMMA.fullmatch(text) and decimal != ",":
            return "If the comma is a decimal mark, state decimal ','."
        return "Correct it, leave it empty if it is missing, or state targets without the column."

    def _without_infinities(
        self, numbers: npt.NDArray[np.float32], places: npt.NDArray[np.intp], block: Block
    ) -> npt.NDArray[np.float32]:
        first = int(places[0])
        if self.infinities == "error":
            text = block.columns[self.column][first].as_py()
            raise block.error(
                f"{text} is infinite or beyond float32 (3.4e38)",
                first,
                self.column,
                "Correct it, or choose infinities 'missing' to treat such values as missing.",
            )
        place = f"{block.file}, row {block.row_number(first)}, column {self.column!r}"
        self.report.note("infinite values", "taken as missing", place, len(places))
        numbers = numbers.copy()
        numbers[places] = np.nan
        return numbers


class CategoryReader:
    """Reads the values of one column as numbers of categories, in order of first appearance.

    Blanks around a name are ignored; upper and lower case are different names.

    Args:
        column: name of the column.
        gaps: True if values may be missing, with the code -1.
    """

    def __init__(self, column: str, gaps: bool = False) -> None:
        self.column = column
        self._gaps = gaps
        self.names: list[str] = []
        self._codes: dict[str, int] = {}

    def read(self, block: Block) -> npt.NDArray[np.int32]:
        """The codes of the column's values in `block`, int32 [rows]; `names` lists the values.

        Raises:
            DataError: a value is missing; the message names the first such row.
        """
        import pyarrow as pa

        array = block.columns[self.column]
        if array.null_count and not self._gaps:
            first = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
            raise block.error("is empty", first, self.column, "Every row needs a value here.")
        if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
            raise _wrong_type(array.type, "names", self.column, block.file)
        if not is_text(array.type):
            if pa.types.is_dictionary(array.type):
                array = array.dictionary_decode()
            array = array.cast(pa.string())
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        here = [str(name).strip() for name in encoded.dictionary.to_pylist()]
        for name in here:
            if name not in self._codes:
                self._codes[name] = len(self.names)
                self.names.append(name)
        codes = np.array([*(self._codes[name] for name in here), -1], np.int32)
        return codes[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]

    def note_likeness(self, report: DataReport) -> None:
        """Reports names that differ only by case or blanks and so probably mean the same."""
        alike: dict[str, list[str]] = {}
        for name in self.names:
            alike.setdefault(" ".join(name.casefold().split()), []).append(name)
        for names in alike.values():
            if len(names) > 1:
                report.note(
                    "names that differ only by case or blanks",
                    "kept apart",
                    f"column {self.column!r}: {', '.join(map(repr, names))}",
                )


def cause_of_text(text: str, decimal: str = ".") -> str:
    """Advice on a text that is a number with something added; "" for other texts."""
    text = text.strip()
    negative = _OTHER_MINUS.fullmatch(text)
    if negative:
        return f"If this is a negative number, write -{negative[1] or negative[2] or negative[3]}."
    with_unit = _UNIT.fullmatch(text)
    if with_unit:
        return f"Write numbers without {with_unit[1] or with_unit[2]!r}."
    if _SPACED.fullmatch(text):
        return "Blanks or apostrophes group thousands here: write numbers without them."
    if _THOUSANDS.fullmatch(text):
        # The first mark groups thousands; a decimal mark can only follow it.
        mark = min((mark for mark in ",." if mark in text), key=text.index)
        if mark == "." or decimal == "," or text.count(",") > 1 or "." in text:
            return f"{mark!r} groups thousands here: write numbers without it."
    return ""


def is_text(kind: pa.DataType) -> bool:
    """Whether Arrow values of this type are text, or a dictionary of text."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether Arrow values of this type are numbers; a column of nulls counts as numbers."""
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _wrong_type(kind: pa.DataType, wanted: str, column: str, file: str) -> DataError:
    return DataError(
        f"holds values of type {kind}, not {wanted}",
        file=file,
        column=column,
        advice="Split it into plain columns, or leave it out: state the targets.",
    )


def _casts(array: pa.Array, kind: pa.DataType) -> bool:
    import pyarrow as pa

    try:
        array.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
