"""Signs that a text was damaged before it was read: it is UTF-8, but not what was written."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

MOST_LINES = 20_000
"""Number of lines, from the beginning, that are examined in longer texts."""

REPLACED = "\N{REPLACEMENT CHARACTER}"
MANY = 0.01
_ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<[a-z][\w:-]*(?:\s[^<>]*)?>(?:.*>)?\s*", re.IGNORECASE)

_BEGIN_OR_END = re.compile(
    r"\s*(?:<(?:s|sos|bos|start)>|\[cls\])\s.*|.*\s(?:<(?:/s|eos|end)>|\[sep\])\s*", re.IGNORECASE
)


def is_twice_encoded(line: str) -> bool:
    """Whether a line is UTF-8 that was read as a Western encoding and written as UTF-8 again.

    So treated, "é" becomes "Ã©". An intact line, written in a Western encoding, is almost never
    valid UTF-8.
    """
    if line.isascii():
        return False
    for encoding in ("cp1252", "latin-1"):
        try:
            line.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return True
    return False


def signs_of_damage(lines: Sequence[str], what: str, *, sentences: bool = False) -> list[str]:
    """Sentences that say what looks damaged in a text; none for an intact text.

    Args:
        lines: lines of the text; the first `MOST_LINES` are examined.
        what: plural noun for the lines, such as "source sentences".
        sentences: True if each line is a sentence, where marks of HTML and XML are unusual too.
    """
    looked_at = lines[:MOST_LINES]
    damages: list[str] = []

    def tell(holding: list[str], least: float, says: str) -> None:
        if holding and len(holding) >= least:
            damages.append(
                f"{len(holding):,} of {len(looked_at):,} {what}, such as "
                f"{holding[0].strip()[:60]!r}, {says}"
            )

    many = MANY * len(looked_at)
    lost = [line for line in looked_at if REPLACED in line]
    tell(lost, 1, f"hold {REPLACED} (U+FFFD): characters were lost when the text was converted.")
    twice = [line for line in looked_at if is_twice_encoded(line)]
    tell(
        twice,
        many,
        "were encoded as UTF-8 twice: ftfy or iconv -f UTF-8 -t WINDOWS-1252 undoes it.",
    )
    if sentences:
        escaped = [
            line for line in looked_at if _ENTITY.search(line) and html.unescape(line) != line
        ]
        tell(escaped, many, "hold escapes of HTML, which are kept as text: unescape them first.")
        framed = [line for line in looked_at if _BEGIN_OR_END.fullmatch(line)]
        tell(framed, many, "have marks of their beginning or end, which are kept as text: remove "
             "them, since sentences are framed here.")  # fmt: skip
        marked = [line for line in looked_at if _MARKUP.fullmatch(line)]
        tell(
            marked, max(1, many / 10), "are markup, which is kept as text: remove such lines first."
        )
    return damages
