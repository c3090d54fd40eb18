"""The common spelling of transcripts, hot words and the words of a word model.

Only the standard library is needed, since devices use the same rule.
"""

from __future__ import annotations

import unicodedata

# In all languages that have it, its lower case is i; Python would return i and a separate dot.
_DOTTED_CAPITAL_I = "\u0130"


def tidy_transcript(text: str, *, lowercase: bool = True) -> str:
    """A text in composed characters (NFC), with single spaces and, if `lowercase`, in lower case.

    Characters are composed again after changing the case, since a capital letter with a mark may be
    two characters although the small letter is a single one.
    """
    text = unicodedata.normalize("NFC", text)
    if lowercase:
        text = unicodedata.normalize("NFC", text.replace(_DOTTED_CAPITAL_I, "i").lower())
    return " ".join(text.split())
