"""Signs that a text was damaged before it was read: valid UTF-8 that is not what was written."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

MOST_LINES = 20_000
"""Of longer texts as many lines are looked at, from the beginning."""

REPLACED = "\N{REPLACEMENT CHARACTER}"
MANY = 0.01
_ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<[a-z][\w:-]*(?:\s[^<>]*)?>(?:.*>)?\s*", re.IGNORECASE)

_BEGIN_OR_END = re.compile(
    r"\s*(?:<(?:s|sos|bos|start)>|\[cls\])\s.*|.*\s(?:<(?:/s|eos|end)>|\[sep\])\s*", re.IGNORECASE
)


def is_twice_encoded(line: str) -> bool:
    """Whether a line is UTF-8 that was read as a Western encoding and written as UTF-8 again.

    "Ã©" is "é" so treated. A line that was not is hardly ever valid UTF-8 when it is encoded so.
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
    """Sentences that say what looks damaged in a text; none for a healthy one.

    Args:
        lines: of the text; the first `MOST_LINES` are looked at.
        what: what the lines are, in the plural, such as "source sentences".
        sentences: whether lines are sentences, in which marks of HTML and XML are odd as well.
    """
    looked_at = lines[:MOST_LINES]
    found = []

    def tell(holding: list[str], least: float, says: str) -> None:
        if holding and len(holding) >= least:
            found.append(
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
    return found
