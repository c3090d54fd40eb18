"""Docstrings as this project writes them, in the form that the documentation site reads.

Three habits of ours are good to read in the source and unknown to griffe, which reads docstrings
for the site: several arguments share one text (`source, options: ...`), shapes stand in brackets
(`[batch, timesteps]`, which Markdown takes for a link), and a package's docstring ends with code.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

_SHARED = re.compile(
    r"^(?P<indent> +)(?P<names>\w+(?:, \w+)+): (?P<text>.*(?:\n(?P=indent) +.*)*)", re.M
)
_CODE = re.compile(r"(``?[^`]+``?)")
_SHAPE = re.compile(r"\[([^\[\]]*)\](?!\()")
_IMPORT = re.compile(r"^(?:from \S+ )?import ", re.MULTILINE)


def separate_arguments(docstring: str) -> str:
    """Gives each argument a text of its own where several share one."""

    def replace(match: re.Match[str]) -> str:
        names = match["names"].split(", ")
        return "\n".join(f"{match['indent']}{name}: {match['text']}" for name in names)

    return _SHARED.sub(replace, docstring)


def escape_shapes(docstring: str) -> str:
    """Marks brackets as plain text outside of code."""
    parts = _CODE.split(docstring)
    return "".join(p if p.startswith("`") else _SHAPE.sub(r"\\[\1\\]", p) for p in parts)


def fence_code(docstring: str) -> str:
    """Marks the code at the end of a package's docstring, from its first import on."""
    match = _IMPORT.search(docstring)
    if match is None:
        return docstring
    code = docstring[match.start() :]
    try:
        ast.parse(code)
    except SyntaxError:
        return docstring
    return f"{docstring[: match.start()]}```python\n{code.rstrip()}\n```"


class ProjectDocstrings(griffe.Extension):
    """Rewrites every docstring before griffe reads its sections."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrites one object's docstring (called by griffe)."""
        if obj.docstring is None:
            return
        text = separate_arguments(obj.docstring.value)
        whole = fence_code(text) if obj.is_module else text
        # Code that was just marked keeps its brackets.
        prose, fence, code = whole.partition("```python")
        obj.docstring.value = escape_shapes(prose) + fence + code
