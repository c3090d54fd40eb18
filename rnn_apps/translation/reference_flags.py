"""Flags for the references of judged pairs and for their columns. Imports nothing heavy."""

from __future__ import annotations

import argparse
from typing import Any


def add_references(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for further references, and for the columns of a table of pairs."""
    parser.add_argument(
        "--references", nargs="+", default=[], metavar="FILE",
        help="further references: files whose line n translates sentence n of the pairs",
    )  # fmt: skip
    parser.add_argument(
        "--column", action="append", default=[], metavar="ROLE=NAME",
        help="a column and its role in a table of pairs, source or target; as in training",
    )  # fmt: skip
    parser.add_argument(
        "--source-column", default="", metavar="COLUMN",
        help="column of the sentences in a table of pairs, by name or number; as in training",
    )  # fmt: skip
    parser.add_argument(
        "--target-column", default="", metavar="COLUMN[,COLUMN]",
        help="column of the translations; further ones are further references; as in training",
    )  # fmt: skip


def reference_options(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `Run.evaluate` and `Run.compare` that the flags give.

    Raises:
        ConfigurationError: a role does not exist, or two flags name different columns.
    """
    from pipelines import roles
    from pipelines.base.stated_columns import agreed_columns

    source, target = agreed_columns(
        options.column,
        roles.PAIRS,
        source_column=options.source_column,
        target_column=options.target_column,
    )
    return {
        "references": options.references,
        "source_column": source,
        "target_column": target,
    }
