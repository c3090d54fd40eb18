"""The common spelling of transcripts, hot words and the words of a word model.

Only the standard library is needed, since devices use the same rule; spelling numbers out needs the
package num2words.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from pipelines.base.errors import ConfigurationError

# In all languages that have it, its lower case is i; Python would return i and a separate dot.
_DOTTED_CAPITAL_I = "\u0130"
_DOTLESS_I = "\u0131"
# There, the lower case of I has no dot (Unicode, SpecialCasing.txt).
_WITH_DOTLESS_I = ("tr", "az")

# The last one is a letter, and stays one where it is not inside a word.
_APOSTROPHES = "'\u2019\u02bc"
# Unicode counts them as punctuation, but people say them.
_SPOKEN = frozenset("%&@#")
# The spaces that never part two numbers: not broken, narrow and not broken, thin.
_GROUPED = r"[1-9]\d{0,2}(?:[\u00a0\u202f\u2009]\d{3})+(?!\d)"
# What a number goes on with whose reading depends on the writer.
_DOUBTFUL = r"[\w:/]|[.,]\d"
# With plain spaces, only zeros show that no number begins after them: "10 000", but not "10 500".
_PROBABLY_GROUPED = r"[1-9]\d{0,2}(?: \d{3})*? 0\d{2}(?: \d{3})*(?!\d)"
# A sign belongs to a number where nothing but a space or a bracket is before it: not in "10-20".
_NUMBER = re.compile(
    r"(?P<sign>(?<![^\s(])[-\u2212])?(?<![\w.,:/])"
    rf"(?:(?P<kept>{_PROBABLY_GROUPED}|{_GROUPED}(?={_DOUBTFUL}))"
    rf"|(?P<digits>{_GROUPED}|\d+)(?!{_DOUBTFUL}))"
)
_LONGEST_NUMBER = 15


@dataclass(frozen=True)
class Spelling:
    """The way in which a recogniser's transcripts are spelled, for training and for judging.

    Attributes:
        lowercase: True to write everything in lower case.
        language: language of the transcripts (ISO 639-1, such as "en"), whose own lower case and
            number words are used; empty for any.
        punctuation: False to leave punctuation out; an apostrophe inside a word stays, and so do
            the signs %, &, @ and #, which are spoken.
        numbers: True to write whole numbers in words, such as "twenty-one" for "21", with the sign
            directly before them; words have no commas. Thousands may be grouped by spaces that do
            not break, or thin ones.
    """

    lowercase: bool = True
    language: str = ""
    punctuation: bool = True
    numbers: bool = False

    def check(self) -> None:
        """Refuses what cannot be done.

        Raises:
            ConfigurationError: numbers are to be written in words, and the language is not named or
                not known, or the package num2words is missing.
        """
        if self.numbers:
            self._in_words("1")

    def tidy(self, text: str) -> str:
        """A text in this spelling, in composed characters (NFC) and with single spaces.

        Numbers with a point, a comma or a colon inside stay as they are: whether "1,000" is a
        thousand or one depends on who wrote it. So do numbers such as "10 000", whose groups of
        three digits have plain spaces between them, if one of the groups begins with a zero.

        Raises:
            ConfigurationError: see `check`.
        """
        text = unicodedata.normalize("NFC", text)
        if self.numbers:
            text = _NUMBER.sub(self._signed_in_words, text)
        if not self.punctuation:
            text = _without_punctuation(text)
        if self.lowercase and self.language[:2].lower() in _WITH_DOTLESS_I:
            text = text.replace("I", _DOTLESS_I)
        return tidy_transcript(text, lowercase=self.lowercase)

    def __str__(self) -> str:
        parts = ["in lower case" if self.lowercase else "in capitals and lower case"]
        if not self.punctuation:
            parts.append("without punctuation")
        if self.numbers:
            parts.append(f"numbers in words ({self.language})")
        return ", ".join(parts)

    def _signed_in_words(self, match: re.Match[str]) -> str:
        if match["kept"]:
            return match[0]
        sign, digits = match["sign"] or "", re.sub(r"\D", "", match["digits"])
        words = self._in_words(digits)
        minus = _minus(self.language) if sign else ""
        return f"{minus} {words}" if minus else sign + words

    def _in_words(self, digits: str) -> str:
        if not self.language:
            raise ConfigurationError(
                "numbers = true: say in which language: language = 'en', for example"
            )
        try:
            from num2words import num2words
        except ImportError:
            raise ConfigurationError(
                "numbers = true needs the package num2words: pip install 'rnn-apps[speech]', or "
                "write the numbers out"
            ) from None
        # A code or a telephone number is read digit by digit.
        single = len(digits) > _LONGEST_NUMBER or (len(digits) > 1 and int(digits[0]) == 0)
        try:
            words = " ".join(
                num2words(int(piece), lang=self.language)
                for piece in (digits if single else [digits])
            )
        except NotImplementedError:
            raise ConfigurationError(
                f"language = {self.language!r}: num2words does not know its numbers. Leave numbers "
                "out, or write them out in the transcripts"
            ) from None
        # Nobody says the comma of "one thousand, two hundred", and few write it.
        return words.replace(",", "")


def _minus(language: str) -> str:
    """The word for the sign of a negative number; "" if num2words does not know it.

    Negative numbers themselves are not given to num2words, which fails on them in some languages.
    """
    from num2words import CONVERTER_CLASSES

    converter = CONVERTER_CLASSES.get(language) or CONVERTER_CLASSES.get(language[:2])
    word = str(getattr(converter, "negword", "")).strip()
    # Some have none but a mark, "(-)"; of others, vowels are marks upon letters.
    return word if any(map(str.isalpha, word)) else ""


def _without_punctuation(text: str) -> str:
    pieces = []
    for at, character in enumerate(text):
        if character in _APOSTROPHES and _is_inside(text, at):
            pieces.append("'")
        elif unicodedata.category(character).startswith("P") and character not in _SPOKEN:
            pieces.append(" ")
        else:
            pieces.append(character)
    return "".join(pieces)


def _is_inside(text: str, at: int) -> bool:
    """Whether an apostrophe is inside a word: after a letter, its marks or a digit, and before one.

    "CO2's" is one word, "the '90s" are two.
    """
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    kinds = [unicodedata.category(one)[0] for one in around]
    return len(kinds) == 2 and kinds[0] in "LMN" and kinds[1] == "L"


def tidy_transcript(text: str, *, lowercase: bool = True) -> str:
    """A text in composed characters (NFC), with single spaces and, if `lowercase`, in lower case.

    Characters are composed again after changing the case, since a capital letter with a mark may be
    two characters although the small letter is a single one.
    """
    text = unicodedata.normalize("NFC", text)
    if lowercase:
        text = unicodedata.normalize("NFC", text.replace(_DOTTED_CAPITAL_I, "i").lower())
    return " ".join(text.split())
