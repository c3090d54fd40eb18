"""Rewords the failures of Keras, TensorFlow and the converter so that they name the cause."""

from __future__ import annotations

import re

# Longest text of a failure that is passed on.
LONGEST = 600
# An operator and the scope it was traced in, in the converter's notes on where it is.
_PLACE = re.compile(r'error: loc\((?:callsite\()?fused\["(\w+):", "([^"@]*)@?[^"]*"\]')
_UNKNOWN_OPERATOR = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_LOCATION = re.compile(r"loc\(.*?\)\)+: ?")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOT_AN_INDEX = re.compile(r"indices\[[\d,]*\] = (-?\d+) is not in \[0, (\d+)\)")


def failure_text(failure: BaseException) -> str:
    """The text of an exception without what Keras adds to it; its type where it has no text."""
    text = _COLOUR.sub("", str(failure)).split("Arguments received by")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines)[:LONGEST].rstrip() or type(failure).__name__


def wrong_index(failure: BaseException) -> str | None:
    """What is wrong where an Embedding was given a number that it has no row for; else None."""
    found = _NOT_AN_INDEX.search(str(failure))
    if found is None:
        return None
    number, rows = found.groups()
    return (
        f"holds the number {number} where an Embedding of the model has rows 0 to {int(rows) - 1}"
    )


def converter_text(message: str) -> str:
    """The converter's problem, with the operator and its place in the model.

    Args:
        message: text of the converter's error, with its dump of the graph.
    """
    unknown = dict.fromkeys(_UNKNOWN_OPERATOR.findall(message))
    places: dict[str, str] = {}
    for operator, scope in _PLACE.findall(message):
        places.setdefault(operator, scope.removeprefix("model/"))
    if unknown:
        listed = ", ".join(
            f"{name} (traced at {places[name]!r})" if name in places else name for name in unknown
        )
        advice = (
            "Compute in another type than float64"
            if "f64" in message
            else "Leave that operation out of the model and do it on what the file gives"
        )
        return f"LiteRT has no operator for TensorFlow's {listed} on these shapes. {advice}"
    if "TensorListReserve" in places:
        return (
            f"the loop traced at {places['TensorListReserve']!r} needs every shape known "
            "beforehand. Give batch_size=1, and timesteps= where the length is free"
        )
    lines = [_LOCATION.sub("", line).strip() for line in message.splitlines()]
    said = " ".join(line for line in lines[:4] if line)[:LONGEST]
    where = f" (at {', '.join(map(repr, places.values()))})" if places else ""
    return f"the converter cannot convert the model{where}: {said or 'it gave no reason'}"
