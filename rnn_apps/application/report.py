"""Self-contained HTML reports: text, tables, figures and sound in one file that opens anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
h2 { border-bottom: 1px solid #d5dbe3; padding-bottom: .2rem; }
nav a { margin-right: 1rem; } a { color: #1859a9; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
caption { text-align: left; color: #55606e; padding-bottom: .3rem; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e4e8ee; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #9aa6b5; }
tr.marked td { background: #eef5ec; font-weight: 600; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
figcaption, footer { color: #55606e; font-size: .9rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if sections|length > 1 %}<nav>{% for section in sections %}{% if section.title -%}
<a href="#section-{{ loop.index }}">{{ section.title }}</a>{% endif %}{% endfor %}</nav>{% endif %}
{% for section in sections %}
<section id="section-{{ loop.index }}">
{% if section.title %}<h2>{{ section.title }}</h2>{% endif %}
{% for part in section.parts %}
{% if part.kind == "text" %}<p>{{ part.text }}</p>
{% elif part.kind == "link" %}<p><a href="{{ part.address }}">{{ part.text }}</a></p>
{% elif part.kind == "table" %}<div class="table"><table>
{% if part.caption %}<caption>{{ part.caption }}</caption>{% endif %}
<thead><tr>{% for name in part.header %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in part.rows %}<tr{% if loop.index0 in part.marked %} class="marked"{% endif %}>
{%- for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% elif part.kind == "figure" %}<figure><img alt="{{ part.caption }}" src="{{ part.address }}">
<figcaption>{{ part.caption }}</figcaption></figure>
{% elif part.kind == "sound" %}<figure><audio controls src="{{ part.address }}"></audio>
<figcaption>{{ part.caption }}</figcaption></figure>
{% endif %}
{% endfor %}
</section>
{% endfor %}
{% if footer %}<footer>{{ footer }}</footer>{% endif %}
</body>
</html>
"""


@dataclass
class _Section:
    title: str
    parts: list[dict[str, Any]] = field(default_factory=list)


class Report:
    """A page that is filled from top to bottom and then written as one HTML file.

    Nothing in the page is loaded from elsewhere: figures are embedded as SVG, sound as WAV. All
    text is escaped, so that data may hold any character.

    Args:
        title: the page's heading.
        footer: a last line, such as the command that made the page.
    """

    def __init__(self, title: str, footer: str = "") -> None:
        self.title = title
        self.footer = footer
        self._sections = [_Section("")]

    def section(self, title: str) -> None:
        """Starts a section; it is listed at the top of the page."""
        self._sections.append(_Section(title))

    def text(self, text: str) -> None:
        """Adds a paragraph."""
        self._add(kind="text", text=text)

    def link(self, text: str, address: str) -> None:
        """Adds a link to another page, given relative to this one."""
        self._add(kind="link", text=text, address=address)

    def table(
        self,
        title: str,
        header: Sequence[str],
        rows: Sequence[Sequence[object]],
        marked: Sequence[int] = (),
    ) -> None:
        """Adds a table; floats are shown with four significant digits.

        Args:
            title: the caption above the table; may be empty.
            header: the columns' names.
            rows: one sequence of cells a row, each as long as `header`.
            marked: indices of the rows to set off, such as the best model's.

        Raises:
            ValueError: a row's length is not the header's.
        """
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(header)} columns")
        shown = [[format_cell(cell) for cell in row] for row in rows]
        self._add(kind="table", caption=title, header=list(header), rows=shown, marked=set(marked))

    def figure(self, figure: Figure, caption: str = "") -> None:
        """Adds a matplotlib figure as it is now."""
        content = io.StringIO()
        figure.savefig(content, format="svg", bbox_inches="tight", metadata={"Date": None})
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

        environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        sections = [s for s in self._sections if s.title or s.parts]
        page = environment.from_string(_PAGE)
        return page.render(title=self.title, sections=sections, footer=self.footer)

    def _add(self, **part: Any) -> None:
        self._sections[-1].parts.append(part)


def format_cell(value: object) -> str:
    """A table cell as text: four significant digits for floats, a dash for what is missing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # numpy's floats are no instances of float, but all of them convert.
    if isinstance(value, float) or type(value).__name__.startswith("float"):
        number = float(value)  # type: ignore[arg-type]
        return "–" if number != number else f"{number:.4g}"
    return str(value)
