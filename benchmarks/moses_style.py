"""Tokens as the Moses scripts make them, for figures that are published on such tokens.

Written from what `normalize-punctuation.perl` and `tokenizer.perl` (Koehn et al. 2007) do to plain
English and German sentences: quotes and dashes in one form, punctuation apart from words, the stop
after an abbreviation kept with it. Nothing is escaped. Their lists of abbreviations are longer.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

_FORMS = {
    "„": '"', "“": '"', "”": '"', "»": '"', "«": '"', "´": "'", "’": "'", "‘": "'", "‚": "'",
    "`": "'", "–": "-", "—": " - ", "…": "...", "\u00a0": " ",
}  # fmt: skip
_ABBREVIATIONS = {
    "en": {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "no", "rev", "gen"},
    "de": {"hr", "fr", "dr", "prof", "st", "bzw", "ca", "usw", "etc", "evtl", "ggf", "inkl", "nr"},
}


def tokenised(sentence: str, language: str, *, lowercase: bool = True) -> str:
    """The tokens of a sentence with spaces between them.

    Args:
        sentence: plain text.
        language: "en" or "de".
        lowercase: whether the tokens are written in lower case.
    """
    text = "".join(_FORMS.get(character, character) for character in sentence)
    text = f" {' '.join(text.split())} "
    text = re.sub(r"''", ' " ', text)
    text = re.sub(r"([^\w\s.',\-])", r" \1 ", text)
    text = re.sub(r"(\.\.+)", r" \1 ", text)
    text = re.sub(r"(?<=[^\d\s]),|,(?=[^\d\s])", " , ", text)
    text = re.sub(r",(?=\s)|(?<=\s),", " , ", text)
    if language == "en":
        text = re.sub(r"(?<=[^\W\d_])'(?=[^\W\d_])", " '", text)
        text = re.sub(r"(?<![^\W\d_])'(?=[^\W\d_])(?!\S*\s*$)", "'", text)
        text = re.sub(r"'(?![^\W_])", " ' ", text)
        text = re.sub(r"(?<=\d)'(?=s)", " '", text)
        text = re.sub(r"(?<=\s)'(?=[^\W_]{3,})", " ' ", text)
    else:
        text = re.sub(r"'", " ' ", text)
    words = text.split()
    tokens: list[str] = []
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        tokens += _without_stop(word, following, language)
    found = " ".join(tokens)
    return found.lower() if lowercase else found


def _without_stop(word: str, following: str, language: str) -> list[str]:
    """The word, and its stop as a separate token unless it belongs to the word."""
    if len(word) < 2 or not word.endswith(".") or set(word) == {"."}:
        return [word]
    stem = word[:-1]
    inside = "." in stem and any(character.isalpha() for character in stem)
    if following and (
        inside or stem.lower() in _ABBREVIATIONS[language] or following[:1].islower()
    ):
        return [word]
    if following and language == "de" and stem.isdigit():
        return [word]
    return [stem, "."]


def detokenised(tokens: str) -> str:
    """Text of tokens, for figures on plain text: punctuation set close, quotes in pairs."""
    text = f" {tokens} "
    text = re.sub(r"\s+([.,!?;:%)\]}])", r"\1", text)
    text = re.sub(r"([(\[{])\s+", r"\1", text)
    text = re.sub(r"\s+('(?:s|t|re|ve|ll|d|m)\b)", r"\1", text)
    text = re.sub(r'"\s+([^"]*?)\s+"', r'"\1"', text)
    text = re.sub(r"\s+/\s+", "/", text)
    return " ".join(text.split())


class Recaser:
    """Restores the most frequent case of each word in lower-case tokens; capitalises the first.

    Args:
        sentences: tokens in mixed case, from which the case is learnt. First words are not counted,
            since their case is that of the sentence.
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            for word in sentence.split()[1:]:
                counts[word.lower()][word] += 1
        self._forms = {word: forms.most_common(1)[0][0] for word, forms in counts.items()}

    def restored(self, tokens: str) -> str:
        """The tokens in mixed case; a word that was never seen stays as it is."""
        words = [self._forms.get(word, word) for word in tokens.split()]
        if words:
            words[0] = words[0][:1].upper() + words[0][1:]
        return " ".join(words)
