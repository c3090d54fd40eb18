"""Pages of the documentation site that are derived from the code: public names and commands.

mkdocs calls `on_files`. Nothing is listed by hand: a package is documented if it declares
`__all__`, with each name that stands there, and a command if the command line's parser knows it.
The packages import nothing heavy, so the site is built without TensorFlow.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[2]
ROOT_PACKAGES = ("pipelines", "rnn_apps")
sys.path.insert(0, str(ROOT))


def public_packages() -> list[str]:
    """Dotted names of the packages that declare `__all__`, those nearest to the root first."""
    names = []
    for root in ROOT_PACKAGES:
        for file in (ROOT / root).rglob("__init__.py"):
            name = ".".join(file.parent.relative_to(ROOT).parts)
            if getattr(importlib.import_module(name), "__all__", None):
                names.append(name)
    return sorted(names, key=lambda name: (name.count("."), name))


def home_of(package: str, name: str) -> str:
    """Dotted address of the definition behind a package's public name."""
    homes = vars(importlib.import_module(package)).get("_HOMES", {})
    return f"{package}.{homes[name]}.{name}" if name in homes else f"{package}.{name}"


def reference_pages() -> Iterator[tuple[str, str]]:
    """File name and Markdown of every page of the reference, in the order of the navigation."""
    seen: dict[str, str] = {}
    for package in public_packages():
        lines = [f"# {package}", "", f"::: {package}", "    options:", "      members: false"]
        lines += ["      show_root_heading: false", "      show_root_toc_entry: false", ""]
        for name in sorted(importlib.import_module(package).__all__, key=str.lower):
            home = home_of(package, name)
            if home in seen:
                other = seen[home]
                lines += [f"## {name}", "", f"See [{other}]({other}.md#{home}).", ""]
            else:
                seen[home] = package
                lines += [f"::: {home}", ""]
        yield f"{package}.md", "\n".join(lines)


def command_page(parser: argparse.ArgumentParser) -> str:
    """Markdown of the page with the help text of every command."""
    lines = ["# Command line", "", "What `--help` prints for each command.", ""]

    def visit(parser: argparse.ArgumentParser) -> None:
        nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        lines.extend([f"## {parser.prog}", "", "```text", parser.format_help().rstrip(), "```", ""])
        for action in nested:
            for child in action.choices.values():
                visit(child)

    visit(parser)
    return "\n".join(lines)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages to the site and to its navigation (called by mkdocs)."""
    # mkdocs is there when the site is built; the functions above are tested without it.
    from mkdocs.structure.files import File

    from rnn_apps.application.command_line import build_parser

    entries: list[dict[str, Any]] = []
    pages = [("command-line.md", command_page(build_parser())), *reference_pages()]
    for name, content in pages:
        files.append(File.generated(config, f"reference/{name}", content=content))
        title = name.removesuffix(".md")
        entries.append(
            {title.capitalize().replace("-", " ") if "-" in title else title: f"reference/{name}"}
        )
    config.nav = [*(config.nav or []), {"Reference": entries}]
    return files
