"""Counts the structure of the source: circles of imports, crowded folders, tiny files, fragments.

    python -m benchmarks.structure

Every figure is counted from the source text of `pipelines` and `rnn_apps` as it stands; nothing of
it is imported. An import counts wherever it stands: at the top of a file, inside a function or for
type checkers only, since a reader follows all three.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipelines", "rnn_apps")
TINY_FILE_LINES = 50

# An argument's text is a whole thought that starts with a noun. Texts that start with one of these
# words, or have fewer than three words, are fragments for certain; others may still read badly.
FRAGMENT_STARTS = frozenset(
    re.findall(
        r"\w+",
        "about after as at before by during for from if in into is of on once only over per since "
        "than that to under until was what when where whether which while who with without",
    )
)
ARGUMENT = re.compile(r"^(?P<indent> +)(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*): (?P<text>.*)$")


def source_files(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the two packages by its dotted name."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def imports_of(module: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the two packages that `module` imports; a package's own `__init__` aside."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                imported.add(submodule if submodule in modules else node.module)
    return {name for name in imported if name in modules and name != module}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach one another: strongly connected components (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            start = stack.index(module)
            group = stack[start:]
            del stack[start:]
            if len(group) > 1:
                groups.append(sorted(group))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return sorted(groups)


def argument_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every argument that a docstring of the file documents under ``Args:``."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, documented):
            yield from _arguments(ast.get_docstring(node) or "")


def _arguments(docstring: str) -> Iterator[tuple[str, str]]:
    _, heading, section = docstring.partition("Args:\n")
    if not heading:
        return
    section = re.split(r"\n\n?(?=\S)", section)[0]
    lines = section.splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    name = ""
    words: list[str] = []
    for line in [*lines, " " * indent + "end: "]:
        found = ARGUMENT.match(line)
        if found and len(found["indent"]) == indent:
            if name:
                yield name, " ".join(words)
            name, words = found["names"], [found["text"]]
        else:
            words.append(line.strip())


def is_fragment(text: str) -> bool:
    """Whether an argument's text is surely not a whole thought that starts with a noun."""
    words = re.findall(r"[\w'`.-]+", text)
    return len(words) < 3 or words[0].lower() in FRAGMENT_STARTS


def count(root: Path = ROOT) -> dict[str, object]:
    """All figures of the table.

    Returns:
        A dictionary with the circles (lists of module names), the number of files in the most
        crowded folders, the number of files and of tiny files, and the number of documented
        arguments and of fragments among them.
    """
    modules = source_files(root)
    graph = {name: imports_of(name, path, modules) for name, path in modules.items()}
    folders = Counter(
        str(path.parent.relative_to(root))
        for path in modules.values()
        if path.name != "__init__.py"
    )
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in modules.items()
        if path.name not in ("__init__.py", "__main__.py")
    }
    texts = [text for path in modules.values() for _, text in argument_texts(path)]
    return {
        "circles": circles(graph),
        "files per folder": dict(folders.most_common(8)),
        "files": len(lengths),
        "tiny files": sum(length < TINY_FILE_LINES for length in lengths.values()),
        "longest files": dict(Counter(lengths).most_common(5)),
        "argument texts": len(texts),
        "fragments": sum(map(is_fragment, texts)),
    }


def main() -> None:
    """Prints the table, or everything that was counted as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print all figures as one JSON object")
    figures = count()
    if parser.parse_args().json:
        print(json.dumps(figures, indent=2))
        return
    groups = figures["circles"]
    folders = figures["files per folder"]
    assert isinstance(groups, list) and isinstance(folders, dict)
    texts, fragments = figures["argument texts"], figures["fragments"]
    assert isinstance(texts, int) and isinstance(fragments, int)
    print(f"circles of imports: {len(groups)}")
    for group in groups:
        print("   ", ", ".join(group))
    print("files per folder, the most:", ", ".join(f"{k} {v}" for k, v in folders.items()))
    print(f"files under {TINY_FILE_LINES} lines: {figures['tiny files']} of {figures['files']}")
    print("longest files:", figures["longest files"])
    print(f"documented arguments that are fragments: {fragments} of {texts} "
          f"({100 * fragments / max(texts, 1):.0f} %)")  # fmt: skip


if __name__ == "__main__":
    main()
