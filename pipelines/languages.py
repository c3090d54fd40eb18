"""Names of languages as files and people write them: codes of two or three letters, and in English.

A language is compared by its primary subtag (RFC 5646), so that "fra", "fr", "French" and "fr_FR"
are the same one.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

# ISO 639-1, ISO 639-2/3 and the English name.
_TABLE = """
af afr afrikaans/am amh amharic/ar ara arabic/az aze azerbaijani/be bel belarusian/bg bul bulgarian
bn ben bengali/br bre breton/bs bos bosnian/ca cat catalan/cs ces cze czech/cy cym wel welsh
da dan danish/de deu ger german/el ell gre greek/en eng english/eo epo esperanto/es spa spanish
et est estonian/eu eus baq basque/fa fas per persian/fi fin finnish/fr fra fre french
ga gle irish/gl glg galician/gu guj gujarati/he heb hebrew/hi hin hindi/hr hrv croatian
hu hun hungarian/hy hye arm armenian/id ind indonesian/is isl ice icelandic/it ita italian
ja jpn japanese/ka kat geo georgian/kk kaz kazakh/km khm khmer/kn kan kannada/ko kor korean
ku kur kurdish/la lat latin/lb ltz luxembourgish/lo lao/lt lit lithuanian/lv lav latvian
mk mkd mac macedonian/ml mal malayalam/mn mon mongolian/mr mar marathi/ms msa may malay
mt mlt maltese/my mya bur burmese/ne nep nepali/nl nld dut dutch/no nor nob nno norwegian
oc oci occitan/pa pan punjabi/pl pol polish/ps pus pashto/pt por portuguese/ro ron rum romanian
ru rus russian/si sin sinhala/sk slk slo slovak/sl slv slovenian/so som somali/sq sqi alb albanian
sr srp serbian/sv swe swedish/sw swa swahili/ta tam tamil/te tel telugu/tg tgk tajik/th tha thai
tl tgl tagalog/tr tur turkish/uk ukr ukrainian/ur urd urdu/uz uzb uzbek/vi vie vietnamese
yo yor yoruba/zh zho chi cmn chinese/zu zul zulu
"""
_CODES = {name: names.split()[0] for names in re.split(r"[/\n]", _TABLE) for name in names.split()}
_PACKING = (".gz", ".txt", ".text", ".tsv", ".tab", ".tokens", ".tok", ".raw")


def language_tag(name: str) -> str:
    """A language's name as one spelling: "fra_CA" is "fr-ca", "French" is "fr".

    A name that is not in the table of this module is only written in small letters.
    """
    primary, *rest = name.strip().lower().replace("_", "-").split("-")
    return "-".join([_CODES.get(primary, primary), *rest])


def language_code(name: str) -> str:
    """The code of two letters of a language; "" if the name is not that of a known language."""
    return _CODES.get(language_tag(name).split("-")[0], "")


def same_language(first: str, second: str) -> bool:
    """Whether two names are of one language; a region is compared only where both have one."""
    one, other = language_tag(first), language_tag(second)
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")


def language_of_file(path: str | Path) -> str:
    """The language that the end of a file's name states, as in "train.en" or "corpus_de.txt.gz".

    Returns:
        The last part of the name as it stands there; "" if that is not a known language.
    """
    parts = _parts(path)
    return parts[-1] if parts and language_code(parts[-1]) else ""


def languages_of_file(path: str | Path) -> tuple[str, str] | None:
    """The two languages that a file's name states, as in "en-fr.tsv"; None if it does not."""
    parts = _parts(path)
    found = None
    for first, second in itertools.pairwise(parts):
        codes = language_code(first), language_code(second)
        if all(codes) and codes[0] != codes[1]:
            found = first, second
    return found


def _parts(path: str | Path) -> list[str]:
    name = Path(path).name.lower()
    while name.endswith(_PACKING):
        name = name.rpartition(".")[0]
    return [part for part in re.split(r"[^a-z]+", name) if part]
