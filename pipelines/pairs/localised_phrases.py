"""Phrases that Babel writes in any language from a value: dates, times, amounts, quantities.

The words and their order are those of the Unicode Common Locale Data Repository (CLDR). Two phrases
in different languages with the same value are a sentence pair.
"""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

from pipelines.base.errors import DataError
from pipelines.batches import random_numbers
from pipelines.data_report import DataReport
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs

NAME = "builtin:phrases"
SOURCE_LANGUAGE, TARGET_LANGUAGE = "en", "de"
PAIRS = 24_000
HELD_OUT = 0.05
"""Share of the values that only validation has; the test part has an equal share."""

_FIRST_DAY = datetime.date(1950, 1, 1).toordinal()
_DAYS = datetime.date(2040, 1, 1).toordinal() - _FIRST_DAY
_UNITS = (
    "length-kilometer", "length-meter", "mass-kilogram", "mass-gram", "volume-liter",
    "duration-day", "duration-week", "duration-hour", "duration-minute", "temperature-celsius",
    "digital-megabyte", "speed-kilometer-per-hour",
)  # fmt: skip
_CURRENCIES = ("EUR", "USD", "CHF", "JPY", "GBP", "SEK")

Phrase = Callable[[str], str]


def localised_phrases(
    source_language: str = "", target_language: str = "", seed: int = 0
) -> PairParts:
    """Pairs of phrases, drawn by `seed`, in three parts that have no value in common.

    A value is a day, a minute of the day, or a number; each is in one part only, in all kinds of
    phrases.

    Args:
        source_language, target_language: locales that Babel knows, such as "pt_BR"; by default
            "en" and "de".
        seed: seed of the draws, at least 0.

    Raises:
        DataError: Babel does not know a locale.
    """
    locales = source_language or SOURCE_LANGUAGE, target_language or TARGET_LANGUAGE
    for locale in locales:
        _check(locale)
    parts = {}
    for part, name in enumerate(("train", "validation", "test")):
        count = PAIRS if part == 0 else round(HELD_OUT * PAIRS)
        generator = random_numbers(seed, part)
        pairs: dict[tuple[str, str], None] = {}
        # Held-out values are few and may run out, so the number of draws is limited.
        for _ in range(20 * count):
            phrase = _phrase(generator, part)
            pair = _normalised(phrase(locales[0])), _normalised(phrase(locales[1]))
            pairs[pair] = None
            if len(pairs) == count:
                break
        title = f"{NAME} {locales[0]} {locales[1]}, {name}"
        report = DataReport(title, rows=len(pairs))
        parts[name] = SentencePairs(
            tuple(a for a, _ in pairs), tuple(b for _, b in pairs), title, (), report, locales
        )
    return PairParts(parts["train"], parts["validation"], parts["test"])


def part_of(kind: str, value: int) -> int:
    """The part that a value belongs to: 0 for training, 1 for validation, 2 for test."""
    # Fibonacci hashing (Knuth, volume 3, section 6.4) spreads neighbouring values evenly.
    spread = (value + {"day": 1, "minute": 20_000, "number": 40_000}[kind]) * 2654435769 % 2**32
    drawn = spread / 2**32
    return 1 if drawn < HELD_OUT else 2 if drawn < 2 * HELD_OUT else 0


def _phrase(generator: np.random.Generator, part: int) -> Phrase:
    """A phrase of a random kind with a random value of the part."""
    from babel import dates, numbers, units

    kind = int(generator.integers(6))
    if kind <= 1:
        value = _value(generator, part, "day", _DAYS)
        day = datetime.date.fromordinal(_FIRST_DAY + value)
        style = ("full", "long", "medium")[int(generator.integers(3))]
        return lambda locale: dates.format_date(day, style, locale)
    if kind == 2:
        minute = _value(generator, part, "minute", 24 * 60)
        time = datetime.time(minute // 60, minute % 60)
        return lambda locale: dates.format_time(time, "short", locale=locale)
    number = _number(generator, part)
    if kind == 3:
        currency = _CURRENCIES[int(generator.integers(len(_CURRENCIES)))]
        return lambda locale: numbers.format_currency(
            number, currency, format_type="name", locale=locale
        )
    unit = _UNITS[int(generator.integers(len(_UNITS)))]
    return lambda locale: units.format_unit(number, unit, "long", locale=locale)


def _value(generator: np.random.Generator, part: int, kind: str, count: int) -> int:
    while True:
        value = int(generator.integers(count))
        if part_of(kind, value) == part:
            return value


def _number(generator: np.random.Generator, part: int) -> int:
    """A number of one to five digits; all lengths are equally likely."""
    while True:
        digits = int(generator.integers(1, 6))
        value = int(generator.integers(10 ** (digits - 1), 10**digits))
        if part_of("number", value) == part:
            return value


def _normalised(text: str) -> str:
    """The text with plain spaces for narrow and unbreakable ones, which look alike."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _check(locale: str) -> None:
    import babel

    try:
        known: Any = babel.Locale.parse(locale.replace("-", "_"))
    except (ValueError, babel.UnknownLocaleError):
        known = None
    if known is None:
        raise DataError(
            f"{locale!r} is not a locale that Babel knows",
            file=NAME,
            advice="Write it as en, de, pt_BR or zh_Hans.",
        )
