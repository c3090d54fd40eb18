"""One spelling of what is said: of transcripts, of hot words, and of a word model's words.

The standard library alone, since the device spells by the same rule.
"""

from __future__ import annotations

import unicodedata

# Its lower case is an i, in every language that has it; Python gives an i and a dot by itself.
_DOTTED_CAPITAL_I = "\u0130"


def tidy_transcript(text: str, *, lowercase: bool = True) -> str:
    """A text in composed characters (NFC), single spaces and, if wanted, lower case.

    Characters are composed again after the case has changed, since a capital letter with a mark may
    be two characters where the small one is a single character.
    """
    text = unicodedata.normalize("NFC", text)
    if lowercase:
        text = unicodedata.normalize("NFC", text.replace(_DOTTED_CAPITAL_I, "i").lower())
    return " ".join(text.split())
