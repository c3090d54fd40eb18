"""Flags that are taken for what was meant, or refused: none is given twice, none is misspelt."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any

_GIVEN = "_given"
# Those of `pipelines.tokenizers.unknown_text`, which needs NumPy: help must come at once.
UNKNOWN_CHOICES = ("refuse", "accept")


class StoreOnce(argparse.Action):
    """As argparse's "store", but another value for the same flag is refused, not preferred."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Sets the value."""
        _note(self, namespace, values, str(values))
        setattr(namespace, self.dest, values)


class SwitchOnce(argparse.BooleanOptionalAction):
    """As argparse's `--x` and `--no-x`, but not both at once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Sets the value."""
        _note(self, namespace, not str(option_string).startswith("--no-"), str(option_string))
        super().__call__(parser, namespace, values, option_string)


def add_unknown(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds --unknown: what happens to text that a model's vocabulary does not have.

    Args:
        parser: parser of a verb that reads text.
        default: "refuse" or "accept", as in `pipelines.tokenizers.unknown_text`.
    """
    parser.add_argument(
        "--unknown",
        choices=UNKNOWN_CHOICES,
        default=default,
        help="treatment of text outside the vocabulary: it is refused, or accepted as the unknown "
        f"token and counted ({default})",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Adds the flag for the folder of a trained run."""
    parser.add_argument("--run", required=True, metavar="FOLDER", help="folder of a trained run")


def add_export(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `export` has in every application."""
    add_run(parser)
    parser.add_argument(
        "--to", required=True, metavar="FOLDER", help="folder for the exported files"
    )
    parser.add_argument(
        "--formats", nargs="+", metavar="FORMAT",
        help="formats to write, such as c and c_int8 for C code; without it, all but C code that "
        "the model allows",
    )  # fmt: skip


def refuse_repetition(parser: argparse.ArgumentParser) -> None:
    """Makes `StoreOnce` what the parser's further arguments do by default."""
    for name in (None, "store"):
        parser.register("action", name, StoreOnce)


def unknown_flags(unknown: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """A message about arguments that a parser does not know, with the flags that come near."""
    flags = [flag for action in parser._actions for flag in action.option_strings]
    near = dict.fromkeys(
        match
        for word in unknown
        if word.startswith("-")
        for match in difflib.get_close_matches(word.split("=")[0], flags, 2)
    )
    text = f"unrecognized arguments: {' '.join(unknown)}"
    return f"{text}. Did you mean {' or '.join(near)}?" if near else text


def _note(action: argparse.Action, namespace: argparse.Namespace, value: Any, shown: str) -> None:
    noted: dict[str, tuple[Any, str]] = getattr(namespace, _GIVEN, {})
    if action.dest in noted and noted[action.dest][0] != value:
        raise argparse.ArgumentError(
            action, f"given twice, as {noted[action.dest][1]} and as {shown}"
        )
    setattr(namespace, _GIVEN, {**noted, action.dest: (value, shown)})
