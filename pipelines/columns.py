"""Arrow columns, typed or text, turned into float32 numbers and integer categories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.tables import Block

if TYPE_CHECKING:
    import pyarrow as pa

_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")


class NumberReader:
    """Reads the values of one column as float32, NaN where they are missing.

    Text is stripped of blanks around it; "true" and "false" count as 1 and 0.

    Args:
        infinities: "error", or "missing": infinite values, and those that float32 cannot hold,
            count as missing.
    """

    def __init__(self, column: str, *, infinities: str, report: DataReport) -> None:
        self.column = column
        self.infinities = infinities
        self.report = report

    def read(self, block: Block, decimal: str = ".") -> npt.NDArray[np.float32]:
        """The column's values in `block`, float32 [rows].

        Args:
            decimal: the decimal mark of numbers that come as text.

        Raises:
            DataError: names the row of the first value that is no number, or is infinite.
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
        with np.errstate(over="ignore"):
            numbers = values.astype(np.float32)
        infinite = np.flatnonzero(np.isinf(numbers))
        return self._without_infinities(numbers, infinite, block) if len(infinite) else numbers

    def _parse(self, array: pa.Array, block: Block, decimal: str) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as compute

        if decimal == ",":
            # A point beside a decimal comma would group thousands: it is no number here.
            array = compute.replace_substring(array, ".", "_")
            array = compute.replace_substring(array, ",", ".")
        try:
            return array.cast(pa.float32())
        except pa.ArrowInvalid:
            pass
        array = compute.utf8_trim_whitespace(array)
        for text, number in (("true", "1"), ("false", "0"), ("", None)):
            same = compute.equal(compute.utf8_lower(array), text)
            array = compute.if_else(same, pa.scalar(number, pa.string()), array)
        try:
            return array.cast(pa.float32())
        except pa.ArrowInvalid:
            raise self._not_a_number(array, block, decimal) from None

    def _not_a_number(self, array: pa.Array, block: Block, decimal: str) -> DataError:
        import pyarrow as pa

        first = next(i for i in range(len(array)) if not _casts(array[i : i + 1], pa.float32()))
        text = str(block.columns[self.column][first])
        advice = "Mend it, leave it empty if it is missing, or leave the column out."
        if _DECIMAL_COMMA.fullmatch(text.strip()) and decimal != ",":
            advice = "If the comma is a decimal mark, state decimal ','."
        return block.error(f"{text[:60]!r} is not a number", first, self.column, advice)

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
                "Mend it, or choose infinities 'missing' to treat such values as missing.",
            )
        place = f"{block.file}, row {block.row_number(first)}, column {self.column!r}"
        self.report.note("infinite values", "taken as missing", place, len(places))
        numbers = numbers.copy()
        numbers[places] = np.nan
        return numbers


class CategoryReader:
    """Reads the values of one column as numbers of categories, in order of first appearance."""

    def __init__(self, column: str) -> None:
        self.column = column
        self.names: list[str] = []
        self._codes: dict[str, int] = {}

    def read(self, block: Block) -> npt.NDArray[np.int32]:
        """The codes of the column's values in `block`, int32 [rows]; `names` maps them back.

        Raises:
            DataError: names the row of the first missing value.
        """
        import pyarrow as pa

        array = block.columns[self.column]
        if array.null_count:
            first = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
            raise block.error("is empty", first, self.column, "Every row must say what it is of.")
        if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
            raise _wrong_type(array.type, "names", self.column, block.file)
        if not is_text(array.type):
            array = array.cast(pa.string())
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        here = [str(name).strip() for name in encoded.dictionary.to_pylist()]
        for name in here:
            if name not in self._codes:
                self._codes[name] = len(self.names)
                self.names.append(name)
        codes = np.array([self._codes[name] for name in here], np.int32)
        return codes[encoded.indices.to_numpy(zero_copy_only=False)]


def is_text(kind: pa.DataType) -> bool:
    """Whether Arrow values of this type are text (a dictionary of text is text as well)."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether Arrow values of this type are numbers; a column of nulls may become one."""
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
        advice="Spread it over plain columns, or leave it out: state the targets.",
    )


def _casts(array: pa.Array, kind: pa.DataType) -> bool:
    import pyarrow as pa

    try:
        array.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
