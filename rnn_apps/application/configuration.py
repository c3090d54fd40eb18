"""Frozen dataclasses as configuration: one description, used as Python, flags and TOML.

A field is made with `option`, which carries its help text and its limits. From that the command
line makes a flag, `--config` reads a TOML key, and `check` refuses what is out of bounds.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import difflib
import math
import os
import tomllib
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pipelines.base.atomic_files import write_text
from pipelines.base.errors import ConfigurationError
from rnn_apps.application.flags import SwitchOnce

# What TensorFlow can count with.
_LARGEST_WHOLE_NUMBER = 2**63 - 1

Config = TypeVar("Config")
Choices = tuple[Any, ...] | Callable[[], tuple[Any, ...]]


def option(
    default: Any,
    description: str,
    *,
    choices: Choices | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    flag: str = "",
    repeated: str = "",
) -> Any:
    """A dataclass field with its help text and its limits (`above` and `below` are exclusive).

    `choices` is a tuple, or a function that gives one where what is registered decides; `flag` is
    the flag's name where it is not the field's, such as a word that Python reserves. `repeated` is
    the form of a text, such as ROLE=NAME, whose flag may be given repeatedly.
    """
    limits = {
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "below": below,
        "flag": flag or None,
        "repeated": repeated or None,
    }
    metadata = {"help": description, **{k: v for k, v in limits.items() if v is not None}}
    return dataclasses.field(default=default, metadata=metadata)


def check(config: Any) -> None:
    """Refuses a config with a value of the wrong type or outside its limits.

    Raises:
        ConfigurationError: names the field, its value and what is allowed.
    """
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, kind = getattr(config, field.name), hints[field.name]
        if not _has_type(value, kind):
            raise ConfigurationError(_wrong_type(field.name, value, kind))
        items = value if isinstance(value, tuple) else (value,)
        for item in items:
            if item is not None:
                _check_limits(field.name, item, field.metadata)


def _wrong_type(name: str, value: Any, kind: Any) -> str:
    """What is wrong with a value, and how it is written."""
    item = _item_type(kind)
    if isinstance(value, tuple) and item is not object:
        wrong = next(one for one in value if not _has_type(one, item))
        return f"{name} = {value!r} is not {_type_name(kind)}: {wrong!r} is not {_type_name(item)}"
    text = f"{name} = {value!r} is not {_type_name(kind)}"
    if isinstance(value, str) and item is str:
        return f"{text}. For a list of one write [{value!r}]"
    if kind is str and isinstance(value, tuple) and all(isinstance(v, int | float) for v in value):
        return f'{text}. Write "{",".join(map(str, value))}"'
    if kind is str and isinstance(value, datetime.date):
        return f'{text}. Write it in quotes: "{value}"'
    return text


def plain_values(config: Any) -> None:
    """Makes of what a frozen config was given from Python what its fields are declared as.

    A list or an array becomes a tuple, a number of NumPy's one of Python's, a path a text.
    """
    for field in dataclasses.fields(config):
        value = _plain(getattr(config, field.name))
        if isinstance(value, list) and str(field.type).startswith("tuple"):
            value = tuple(value)
        if isinstance(value, tuple):
            value = tuple(map(_plain, value))
        object.__setattr__(config, field.name, value)


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # NumPy's and pandas' objects all have it; neither package is imported for this.
    as_python = getattr(value, "tolist", None)
    return value if as_python is None else as_python()


def _choices(limits: typing.Mapping[str, Any]) -> tuple[Any, ...] | None:
    choices = limits.get("choices")
    return choices() if callable(choices) else choices


def _check_limits(name: str, value: Any, limits: typing.Mapping[str, Any]) -> None:
    choices = _choices(limits)
    if choices is not None and value not in choices:
        raise ConfigurationError(f"{name} = {value!r}: choose from {', '.join(map(str, choices))}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(
            f"{name} is not a number" if math.isnan(value) else f"{name} = {value} is not finite"
        )
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE_NUMBER:
        raise ConfigurationError(f"{name} = {value!r} is beyond 64 bits")
    bounds = {
        "minimum": (lambda limit: value >= limit, "at least"),
        "maximum": (lambda limit: value <= limit, "at most"),
        "above": (lambda limit: value > limit, "above"),
        "below": (lambda limit: value < limit, "below"),
    }
    for key, (holds, words) in bounds.items():
        if key in limits and not holds(limits[key]):
            raise ConfigurationError(f"{name} = {value!r} must be {words} {limits[key]}")


def add_flags(parser: argparse.ArgumentParser, config_type: type) -> None:
    """Adds a flag for every field of `config_type`, and `--config FILE.toml`.

    Flags that the user does not give stay out of the parsed namespace, so that a value from
    `--config` is not covered by a default.
    """
    parser.add_argument(
        "--config", metavar="FILE.toml", help="file with settings; flags override them"
    )
    hints = typing.get_type_hints(config_type)
    group = parser.add_argument_group("settings")
    for field in dataclasses.fields(config_type):
        flag = "--" + field.metadata.get("flag", field.name).replace("_", "-")
        text = field.metadata.get("help", "").replace("%", "%%")
        default = field.default
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        if shown not in ("", None):
            text += f" (default: {shown})"
        kind = hints[field.name]
        common: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS, "help": text}
        if kind is bool:
            group.add_argument(flag, action=SwitchOnce, **common)
            continue
        if "repeated" in field.metadata:
            group.add_argument(flag, action="append", metavar=field.metadata["repeated"], **common)
            continue
        choices = _choices(field.metadata)
        common["metavar"] = (
            "|".join(map(str, choices)) if choices else field.name.rsplit("_", 1)[-1].upper()
        )
        group.add_argument(flag, type=_parser_of(field.name, kind), **common)


def from_flags(
    config_type: type[Config],
    arguments: argparse.Namespace,
    base: dict[str, Any] | None = None,
) -> Config:
    """The config that `base`, the `--config` file and the flags give together, the last winning.

    Raises:
        ConfigurationError: the file is missing or not TOML, a key is unknown, a value is wrong.
    """
    names = {field.name for field in dataclasses.fields(typing.cast(Any, config_type))}
    values: dict[str, Any] = dict(base or {})
    if getattr(arguments, "config", None):
        values.update(read_toml(config_type, arguments.config))
    values.update({k: v for k, v in vars(arguments).items() if k in names})
    return make(config_type, values)


def make(config_type: type[Config], values: dict[str, Any]) -> Config:
    """A checked config from a dict of its fields."""
    config = config_type(**values)
    check(config)
    return config


def read_toml(config_type: type, path: str | Path) -> dict[str, Any]:
    """The fields of `config_type` that a TOML file sets.

    Raises:
        ConfigurationError: no such file, not TOML, or a key that is not a field.
    """
    content = toml_content(path)
    hints = typing.get_type_hints(config_type)
    fields = [field.name for field in dataclasses.fields(config_type)]
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in fields:
            if isinstance(value, dict):
                raise ConfigurationError(
                    f"{path}: [{key}] is not a setting. Write the settings without tables"
                )
            near = difflib.get_close_matches(key.replace("-", "_"), fields, 2)
            advice = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"the settings are: {', '.join(sorted(fields))}"
            )
            raise ConfigurationError(f"{path}: unknown setting {key!r}; {advice}")
        values[key] = _from_toml(value, hints[key])
    return values


def toml_content(path: str | Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ConfigurationError: no such file, or not TOML.
    """
    try:
        # Some editors begin a file with a mark of its byte order, which TOML does not know.
        return tomllib.loads(Path(path).read_bytes().decode("utf-8-sig"))
    except OSError as error:
        reason = error.strerror
        raise ConfigurationError(f"{path}: cannot read the configuration: {reason}") from None
    except (ValueError, RecursionError) as error:
        # A text that is not UTF-8, and numbers of thousands of digits, are values' errors too.
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None


def write_toml(config: Any, path: str | Path) -> None:
    """Writes every field of `config` atomically, so that `--config` reads the same config back."""
    import tomli_w

    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
        if value is not None
    }
    write_text(path, tomli_w.dumps(values))


def _from_toml(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        item = _item_type(kind)
        return tuple(_from_toml(v, item) for v in value)
    if isinstance(value, int) and not isinstance(value, bool) and float in _alternatives(kind):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def _item_type(kind: Any) -> Any:
    for alternative in _alternatives(kind):
        if typing.get_origin(alternative) is tuple:
            return typing.get_args(alternative)[0]
    return object


def _has_type(value: Any, kind: Any) -> bool:
    for alternative in _alternatives(kind):
        if typing.get_origin(alternative) is tuple:
            item = typing.get_args(alternative)[0]
            if isinstance(value, tuple) and all(_has_type(v, item) for v in value):
                return True
        elif alternative is float:
            if isinstance(value, float | int) and not isinstance(value, bool):
                return True
        elif alternative is int:
            if isinstance(value, int) and not isinstance(value, bool):
                return True
        elif isinstance(value, alternative):
            return True
    return False


def _type_name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    words = []
    for alternative in _alternatives(kind):
        if typing.get_origin(alternative) is tuple:
            words.append(f"a list, each {_type_name(typing.get_args(alternative)[0])}")
        elif alternative is not type(None):
            words.append(names.get(alternative, str(alternative)))
    return " or ".join(words)


def _parser_of(name: str, kind: Any) -> Any:
    """The function that turns a flag's text into the field's type; lists are comma-separated."""
    plain = next(a for a in _alternatives(kind) if a is not type(None))

    def parse(text: str) -> Any:
        try:
            if typing.get_origin(plain) is tuple:
                item = typing.get_args(plain)[0]
                return tuple(item(part.strip()) for part in text.split(",") if part.strip())
            return plain(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {_type_name(kind)}") from None

    return parse
