"""Several formats of one model: each is written and proven by itself, and a failure costs only it.

An export is put together next to its folder and moved there at the end, so that a folder never
holds a contract for files that could not be written, nor new vocabularies with an old model.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.export.results import ExportError

Row = list[Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WrittenFormats:
    """What became of each format.

    Attributes:
        rows: format -> its row of the table; the first cell is the name of its file or folder.
        not_written: format -> why it is not there.
    """

    rows: dict[str, Row]
    not_written: dict[str, str]

    def result(
        self, folder: Path, contract: str, title: str, header: Sequence[str]
    ) -> dict[str, Any]:
        """What an export returns: "table", "files", "contract"; "not written", a table, if needed.

        Args:
            folder: folder of the export.
            contract: name of the file in it that says what the files take and give.
        """
        found = {
            "table": {"title": title, "header": list(header), "rows": list(self.rows.values())},
            "files": [str(folder / row[0]) for row in self.rows.values()],
            "contract": str(folder / contract),
        }
        if self.not_written:
            found["not written"] = {
                "title": "Not written",
                "header": ["format", "why"],
                "rows": [list(item) for item in self.not_written.items()],
            }
        return found


def require_all(result: Mapping[str, Any]) -> None:
    """Raises ExportError if an export left a format out, for callers that need each of them."""
    if "not written" in result:
        rows = result["not written"]["rows"]
        raise ExportError("; ".join(f"{name} was not written: {reason}" for name, reason in rows))


def chosen_formats(asked: str | Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """The formats to write, each once, in the order asked for.

    Args:
        asked: names of formats, or one name; None for all that are known.
        known: names of all formats that there are.

    Raises:
        ConfigurationError: an unknown name, or no name at all.
    """
    if asked is None:
        return tuple(known)
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    if not names or any(name not in known for name in names):
        raise ConfigurationError(
            f"formats = {', '.join(map(str, names)) or 'none'}: choose from {', '.join(known)}"
        )
    return tuple(dict.fromkeys(names))


def write_formats(formats: Sequence[str], write: Callable[[str], Row]) -> WrittenFormats:
    """Writes each format with `write`, which returns its row; one that fails leaves the others.

    Args:
        formats: names of the formats, in the order in which they are written.
        write: function that writes and proves the format of a name, and returns its row.

    Raises:
        UserError: there was one format, and it failed.
        ExportError: there were several, and all failed.
    """
    rows: dict[str, Row] = {}
    failures: dict[str, Exception] = {}
    for name in formats:
        _log.info("Writing and proving %s ...", name)
        try:
            rows[name] = write(name)
        except UserError as refusal:
            failures[name] = refusal
        except Exception as fault:
            if len(formats) == 1:
                raise
            # A fault of the toolkit keeps its traceback, and the other formats are written.
            _log.exception("Writing %s failed", name)
            failures[name] = fault
    reasons = {name: _reason(failure) for name, failure in failures.items()}
    if not rows:
        first = next(iter(failures.values()))
        if len(failures) == 1:
            raise first
        listed = "\n".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise ExportError(f"no format could be written.\n{listed}") from first
    return WrittenFormats(rows, reasons)


def _reason(failure: Exception) -> str:
    if isinstance(failure, UserError) and str(failure):
        return str(failure)
    lines = str(failure).strip().splitlines() or ["no message"]
    return f"unexpected {type(failure).__name__}: {lines[0]}"


@contextmanager
def assembled_folder(path: Path, last: str) -> Iterator[Path]:
    """Yields an empty folder next to `path`; if the block succeeds, moves its content to `path`.

    What `path` holds under other names stays. If the block raises, `path` is as it was.

    Args:
        last: name of the file that is moved last: it vouches for the others.

    Raises:
        UserError: `path` is a file.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file. Name a folder for the export")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{path.name}.", suffix=".partial", dir=path.parent
    ) as name:
        beside = Path(name)
        yield beside
        path.mkdir(exist_ok=True)
        for made in sorted(beside.iterdir(), key=lambda entry: entry.name == last):
            target = path / made.name
            if target.is_dir() and not target.is_symlink():
                # Only an empty folder can be replaced by a rename.
                shutil.rmtree(target)
            os.replace(made, target)
