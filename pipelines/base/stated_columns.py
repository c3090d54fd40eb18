"""Columns that a user names by their role: ROLE=NAME, in the same way for all kinds of data."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.base.errors import ConfigurationError

Stated = Mapping[str, str | Sequence[str]] | Sequence[str] | str
"""Columns by role as a user gives them: {"id": ["shop", "item"]}, or ["id=shop,item"]."""

_MOST_NAMES = 20


@dataclass(frozen=True)
class ColumnRole:
    """A role that a column of the data can have.

    Attributes:
        name: name of the role, as in ROLE=NAME.
        meaning: what the column holds, for messages.
        field: option that states the same column on its own; "" if there is none.
        several: True if several columns can have the role.
    """

    name: str
    meaning: str
    field: str = ""
    several: bool = False


def stated_columns(stated: Stated, roles: Sequence[ColumnRole]) -> dict[str, tuple[str, ...]]:
    """The names of the columns by role.

    Args:
        stated: texts "ROLE=NAME" or "ROLE=NAME,NAME", where a name with a comma stands in quotation
            marks; or a mapping from roles to names.
        roles: roles that the data knows.

    Raises:
        ConfigurationError: a text without a role or a name, a role that does not exist, several
            names for a role that takes one, or a column with two roles.
    """
    known = {role.name: role for role in roles}
    names: dict[str, tuple[str, ...]] = {}
    for role, columns in _pairs(stated):
        if role not in known:
            listed = ", ".join(f"{one.name} ({one.meaning})" for one in roles)
            near = difflib.get_close_matches(role, known, 1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise ConfigurationError(f"column: {role!r} is not a role{hint} The roles are {listed}")
        if not columns:
            raise ConfigurationError(f"column {role}: name a column, as in {role}=NAME")
        merged = tuple(dict.fromkeys((*names.get(role, ()), *columns)))
        if len(merged) > 1 and not known[role].several:
            raise ConfigurationError(
                f"column {role}: the role is for one column, but {', '.join(merged)} are named. "
                "A name with a comma stands in quotation marks"
            )
        names[role] = merged
    _check_one_role(names)
    return names


def fill_options(config: Any, roles: Sequence[ColumnRole], field: str = "columns") -> None:
    """Moves the columns that a frozen configuration states by role into the options for them.

    Columns whose role has no option of its own stay in the field, one text per role.

    Args:
        config: frozen dataclass that is being made; it has `field`, and the options of the roles.
        roles: roles that the data knows.
        field: name of the field with the stated columns.

    Raises:
        ConfigurationError: see `stated_columns`; or an option names another column.
    """
    defaults = {one.name: one.default for one in dataclasses.fields(config)}
    kept: list[str] = []
    names = stated_columns(getattr(config, field), roles)
    for role in roles:
        columns = names.get(role.name)
        if columns is None:
            continue
        if not role.field:
            kept.append(f"{role.name}={joined_names(columns)}")
            continue
        value: Any = columns
        if isinstance(defaults[role.field], str):
            value = columns[0] if len(columns) == 1 else joined_names(columns)
        before = getattr(config, role.field)
        if before not in (defaults[role.field], value):
            shown = before if isinstance(before, str) else joined_names(before)
            raise _contradiction(role, joined_names(columns), shown)
        object.__setattr__(config, role.field, value)
    object.__setattr__(config, field, tuple(kept))


def agreed_columns(stated: Stated, roles: Sequence[ColumnRole], **options: str) -> tuple[str, ...]:
    """The columns of `options`, completed by those that are stated by role.

    Args:
        stated: columns by role; see `stated_columns`.
        roles: roles that the data knows.
        options: values of the options that the roles have, "" for none, in the order wanted.

    Raises:
        ConfigurationError: see `stated_columns`; or an option names another column.
    """
    names = stated_columns(stated, roles)
    for role in roles:
        columns = names.get(role.name, ())
        if not columns:
            continue
        value = columns[0] if len(columns) == 1 else joined_names(columns)
        if options[role.field] not in ("", value):
            raise _contradiction(role, value, options[role.field])
        options[role.field] = value
    return tuple(options.values())


def split_names(text: str) -> tuple[str, ...]:
    """The names in a text with commas between them; quotation marks keep a comma in a name."""
    rows = list(csv.reader([text], skipinitialspace=True))
    return tuple(name.strip() for name in rows[0] if name.strip()) if rows else ()


def joined_names(names: Sequence[str]) -> str:
    """Names as one text that `split_names` takes apart."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def nearest_columns(name: str, columns: Sequence[str]) -> str:
    """Advice about a stated column that is missing: the nearest names, and all columns.

    Args:
        name: name of the column that is missing.
        columns: names of the columns that the file has.
    """
    shown = [column.strip() for column in columns]
    lowered = [column.lower() for column in shown]
    near = [
        column
        for wanted in difflib.get_close_matches(name.lower(), dict.fromkeys(lowered), 3)
        for column, low in zip(shown, lowered, strict=True)
        if low == wanted
    ]
    listed = ", ".join(shown[:_MOST_NAMES])
    if len(shown) > _MOST_NAMES:
        listed += f" and {len(shown) - _MOST_NAMES} more"
    advice = f"Did you mean {', '.join(near)}? " if near else ""
    return f"{advice}Its columns: {listed or 'none with a name'}."


def _pairs(stated: Stated | None) -> list[tuple[str, tuple[str, ...]]]:
    if stated is None:
        return []
    if isinstance(stated, Mapping):
        # The columns of a DataFrame can have numbers as names.
        return [
            (
                role,
                tuple(map(str, names))
                if isinstance(names, Sequence) and not isinstance(names, str)
                else (str(names),),
            )
            for role, names in stated.items()
        ]
    pairs = []
    for text in [stated] if isinstance(stated, str) else stated:
        role, sign, names = str(text).partition("=")
        if not sign:
            raise ConfigurationError(
                f"column {text!r} is not of the form ROLE=NAME, such as id=shop"
            )
        pairs.append((role.strip(), split_names(names)))
    return pairs


def _contradiction(role: ColumnRole, names: str, option: str) -> ConfigurationError:
    return ConfigurationError(
        f"column {role.name}={names} contradicts {role.field} = {option!r}: state one of them"
    )


def _check_one_role(names: Mapping[str, Sequence[str]]) -> None:
    roles: dict[str, str] = {}
    for role, columns in names.items():
        for column in columns:
            if column in roles:
                raise ConfigurationError(
                    f"the column {column!r} is stated as {roles[column]} and as {role}: a column "
                    "has one role"
                )
            roles[column] = role
