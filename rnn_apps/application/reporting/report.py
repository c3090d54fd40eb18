"""Self-contained HTML reports: text, tables, figures and sound in one file that opens anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import write_text
from rnn_apps.application.reporting.charts import WIDTH
from rnn_apps.application.reporting.shown_values import format_cell, named_values, numeric_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEMPLATE = "report.html"


@dataclass
class _Section:
    title: str
    anchor: str
    parts: list[dict[str, Any]] = field(default_factory=list)


class Report:
    """A page that is filled from top to bottom and then written as one HTML file.

    Nothing in the page is loaded from elsewhere: figures are embedded as SVG, sound as WAV. All
    text is escaped, so that data may hold any character.

    Args:
        title: heading of the page.
        footer: last line of the page, such as the command that made it.
    """

    def __init__(self, title: str, footer: str = "") -> None:
        self.title = title
        self.footer = footer
        self._sections = [_Section("", "")]

    def section(self, title: str) -> None:
        """Starts a section; it is listed at the top of the page."""
        self._sections.append(_Section(title, f"section-{len(self._sections)}"))

    def text(self, text: str) -> None:
        """Adds a paragraph."""
        self._add(kind="text", text=text)

    def quotation(self, text: str) -> None:
        """Adds a text that is quoted, such as one that a model wrote; its line breaks are kept."""
        self._add(kind="quotation", text=text)

    def link(self, text: str, address: str) -> None:
        """Adds a link to another page, whose address is relative to this one."""
        self._add(kind="link", text=text, address=address)

    def table(
        self,
        title: str,
        header: Sequence[str],
        rows: Sequence[Sequence[object]],
        marked: Sequence[int] = (),
    ) -> None:
        """Adds a table: numbers are right-aligned, everything else is left-aligned.

        Floats are shown with four significant digits.

        Args:
            title: caption above the table; may be empty.
            header: names of the columns.
            rows: cells of each row, as many as there are names in `header`.
            marked: indices of the rows to set off, such as the best model's.

        Raises:
            ValueError: the length of a row is not the header's.
        """
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(header)} columns")
        self._add(
            kind="table", caption=title, header=list(header), marked=set(marked),
            rows=[[format_cell(cell) for cell in row] for row in rows],
            numeric=numeric_columns(header, rows),
        )  # fmt: skip

    def figures(self, content: Mapping[str, Any], title: str = "") -> None:
        """Adds a table of named figures, nested ones included, as a run's metrics.json has them."""
        self.table(title, ["figure", "value"], list(named_values(content)))

    def settings(self, content: Mapping[str, Any], title: str = "") -> None:
        """Adds a table of settings by the names under which a user sets them."""
        self.table(title, ["setting", "value"], list(content.items()))

    def figure(self, figure: Figure, caption: str = "") -> None:
        """Adds a matplotlib figure as it is now, as wide as all figures of the page."""
        figure.set_figwidth(WIDTH)
        if figure.get_layout_engine() is None:
            figure.set_layout_engine("constrained")
        content = io.StringIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
        # An <img> of its own keeps the figure's ids apart from those of the page's other figures.
        encoded = base64.b64encode(content.getvalue().encode("utf-8")).decode("ascii")
        self._add(kind="figure", caption=caption, address=f"data:image/svg+xml;base64,{encoded}")

    def sound(self, wav: bytes, caption: str = "") -> None:
        """Adds a recording to play, given as the bytes of a WAV file."""
        encoded = base64.b64encode(wav).decode("ascii")
        self._add(kind="sound", caption=caption, address=f"data:audio/wav;base64,{encoded}")

    def write(self, path: str | Path) -> None:
        """Writes the page atomically."""
        write_text(path, self.html())

    def html(self) -> str:
        """The page as text."""
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent),
            autoescape=True, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        sections = [s for s in self._sections if s.title or s.parts]
        page = environment.get_template(_TEMPLATE)
        return page.render(title=self.title, sections=sections, footer=self.footer)

    def _add(self, **part: Any) -> None:
        self._sections[-1].parts.append(part)
