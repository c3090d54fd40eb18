"""Names that TensorFlow, the runtimes and Python all take, from whatever a model calls things."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence


def signature_name(name: str, kind: str = "tensor") -> str:
    """`name` as letters, digits and underscores of ASCII, with a letter first.

    Accents are dropped and other characters become underscores. A name of which nothing is left
    becomes `kind`, one that starts with a digit is put behind it, and one that Python keeps for
    itself gets an underscore at its end.
    """
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"[^0-9A-Za-z_]", "_", plain).lstrip("_")
    if not plain.strip("_"):
        return kind
    if plain[0].isdigit():
        return f"{kind}_{plain}"
    # `self` would be taken for the caller in TensorFlow's own functions.
    return f"{plain}_" if keyword.iskeyword(plain) or plain == "self" else plain


def signature_names(names: Sequence[str], kind: str = "tensor") -> list[str]:
    """`signature_name` of each; names that become equal are numbered, so that none is lost.

    A name that may stay as it is does, whatever the others become.
    """
    taken = {name for name in names if signature_name(name, kind) == name}
    made: list[str] = []
    for name in names:
        if name in taken and name not in made:
            made.append(name)
            continue
        plain = signature_name(name, kind)
        candidates = (plain, *(f"{plain}_{number}" for number in range(1, len(names) + 1)))
        made.append(next(one for one in candidates if one not in taken and one not in made))
    return made
