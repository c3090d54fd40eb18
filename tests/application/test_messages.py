"""What messages advise exists: every flag that a text of the source names is one of its verbs'."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_apps.application.command_line import build_parser
from rnn_apps.application.registry import applications

ROOT = Path(__file__).parents[2]
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?![\w-])")
# Of commands of others, which are named with their flags.
_OTHERS = re.compile(r"(?:bunzip2|unxz|pip install|git|cmake|xcode-select) [^.;]*")
_EXAMPLES = {"--x", "--no-x"}
# Flags that the toolkit gives to a C compiler.
_COMPILERS = {"--gc-sections", "--specs"}


def flags_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for nested in action.choices.values():
                yield from flags_of(nested)


def application_flags(package: str) -> set[str]:
    """Those of the application that a package is, or of all commands."""
    names = {a.package.removeprefix("rnn_apps."): a.name for a in applications()}
    parser = build_parser()
    if package in names:
        [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        return set(flags_of(commands.choices[names[package]]))
    return set(flags_of(parser))


def named_flags(text: str) -> set[str]:
    return set(_FLAG.findall(_OTHERS.sub("", text))) - _EXAMPLES - _COMPILERS


PACKAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("pipelines", "rnn_apps")
    for path in (ROOT / top, *(ROOT / top).iterdir())
    if path.is_dir() and path.name != "__pycache__"
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_flag_that_a_text_names_exists(package: str) -> None:
    known = application_flags(package.removeprefix("rnn_apps/"))
    folder = ROOT / package
    files = folder.glob("*.py") if package in ("pipelines", "rnn_apps") else folder.rglob("*.py")
    unknown = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {flag}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for flag in named_flags(node.value) - known
    ]
    assert not unknown


@pytest.mark.parametrize("page", sorted(p.name for p in ROOT.glob("docs/*.md")))
def test_every_flag_that_a_page_shows_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("\\\n", " ")
    known = set(flags_of(build_parser()))
    lines = [line for line in text.splitlines() if re.match(r"\s*(\$ )?rnn-apps ", line)]
    unknown = [(line, flag) for line in lines for flag in named_flags(line) - known]
    assert not unknown


def test_a_flag_that_does_not_exist_would_be_found() -> None:
    assert named_flags("say --no-such-thing, or unpack it: bunzip2 --keep a") == {"--no-such-thing"}
    assert "--no-such-thing" not in application_flags("speech")
    assert "--horizon" in application_flags("forecasting")
    assert "--horizon" not in application_flags("speech")
