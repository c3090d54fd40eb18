"""Pages of the documentation site that lie elsewhere in the repository, and the links to them.

The documentation links to benchmark results, examples and cards where they lie, so that the links
work in any view of the repository. mkdocs knows the folder `docs` alone: this hook adds the other
pages to the site, and turns each relative link into one between the site's pages. A link to a
folder or a source file that is no page becomes plain text; a link to nothing is left as it is, and
`mkdocs build --strict` refuses it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# Patterns of the files outside `docs` that become pages, relative to the repository.
PAGES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "benchmarks/results/*.md",
    "examples/README.md",
    "examples/*.py",
    "saved_models/*/*/README.md",
)
_LINK = re.compile(r"(?P<label>\[(?:[^\[\]]|\[[^\[\]]*\])*\])\((?P<target>[^()\s]+)\)")
_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


def repository_pages() -> dict[str, str]:
    """Path in the repository of every page outside `docs`, by its path on the site."""
    pages = {}
    for pattern in PAGES:
        for file in sorted(ROOT.glob(pattern)):
            path = file.relative_to(ROOT).as_posix()
            on_site = f"{path}.md" if path.endswith(".py") else path
            # mkdocs takes a README.md for its folder's index.
            pages[on_site.replace("README.md", "index.md")] = path
    return pages


def source_page(path: str) -> str:
    """Markdown of the page that shows a Python file."""
    return f"# {path}\n\n```python\n{(ROOT / path).read_text(encoding='utf-8')}```\n"


def site_path(repository_path: str) -> str | None:
    """Path on the site of a file of the repository; None if it is not a page."""
    if repository_path == "README.md":
        return "index.md"
    if repository_path.startswith("docs/") and repository_path.endswith(".md"):
        return repository_path.removeprefix("docs/")
    return {path: page for page, path in repository_pages().items()}.get(repository_path)


def linked(markdown: str, page: str) -> str:
    """The text with its relative links turned into links between pages of the site.

    Args:
        markdown: text of the page.
        page: path of the page on the site; a page outside `docs` has its links resolved against the
            place of its file in the repository.
    """
    place = repository_pages().get(page, f"docs/{page}")

    def replace(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if not target or ":" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        there = site_path(path)
        if there is not None:
            relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
            return f"{match['label']}({relative}{'#' + anchor if anchor else ''})"
        return match["label"][1:-1] if (ROOT / path).exists() else match[0]

    parts = _FENCE.split(markdown)
    return "".join(p if p.startswith("```") else _LINK.sub(replace, p) for p in parts)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages outside `docs` to the site (called by mkdocs)."""
    # mkdocs is there when the site is built; the functions above are tested without it.
    from mkdocs.structure.files import File

    for page, path in repository_pages().items():
        if path.endswith(".py"):
            files.append(File.generated(config, page, content=source_page(path)))
        else:
            files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns the links of one page (called by mkdocs)."""
    return linked(markdown, page.file.src_uri)
