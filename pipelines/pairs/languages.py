"""Names of languages as files and people write them: codes of two or three letters, and English.

Languages are compared by their primary subtag (RFC 5646), so that "fra", "fr", "French" and "fr_FR"
are the same language.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
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
COLUMN_WORDS = frozenset((
    "arab", "column", "cyrl", "deva", "field", "hans", "hant", "lang", "language", "latn", "line",
    "original", "phrase", "phrases", "segment", "sent", "sentence", "sentences", "side", "source",
    "src", "string", "target", "text", "texts", "tgt", "translated", "translation", "trg", "word",
    "words",
))  # fmt: skip
"""Words in the names of columns of sentences, alone or together with a language."""

_CODES = {name: names.split()[0] for names in re.split(r"[/\n]", _TABLE) for name in names.split()}
# A region or a script after a language, as in "pt-BR", "zh_Hans" and "eng_Latn".
_TAG = re.compile(
    r"(?<![A-Za-z])([a-z]{2,3})[-_]((?!EN|JA|ZH|KO)[A-Z]{2}|[A-Z][a-z]{3})(?![A-Za-z])"
)
_REGIONS = re.compile(r"(?<![a-z])(zh)[-_](?:cn|tw|hk|hans|hant)(?![a-z])")
_PACKING = (".gz", ".txt", ".text", ".tsv", ".tab", ".tokens", ".tok", ".raw")


def language_tag(name: str) -> str:
    """The canonical spelling of a language's name: "fra_CA" is "fr-ca", "French" is "fr".

    A name that is not in the table of this module is only changed to small letters.
    """
    primary, *rest = name.strip().lower().replace("_", "-").split("-")
    return "-".join([_CODES.get(primary, primary), *rest])


def language_code(name: str) -> str:
    """The two-letter code of a language; "" if the name is not that of a known language."""
    return _CODES.get(language_tag(name).split("-")[0], "")


def same_language(first: str, second: str) -> bool:
    """Whether two names mean the same language; regions are compared only if both have one."""
    a, b = language_tag(first), language_tag(second)
    return a == b or a.startswith(f"{b}-") or b.startswith(f"{a}-")


def language_of_file(path: str | Path) -> str:
    """The language that a file's name states, as in "train.en", "corpus_de.txt.gz", "fra_Latn.dev".

    A language with a region or a script may be anywhere in the name, other languages at its end.

    Returns:
        The language as the name has it, in small letters, without region and script; "" if the
        name states none.
    """
    tagged = {tag for tag, _ in _TAG.findall(Path(path).name) if language_code(tag)}
    if len(tagged) == 1:
        return tagged.pop()
    parts = _parts(path)
    return parts[-1] if parts and language_code(parts[-1]) else ""


def languages_of_files(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """The language of each file by its name; if no name states one, by the names of the folders.

    Returns:
        A language for each file, "" for an unknown one. Folders count only if they state different
        languages for all files.
    """
    named = tuple(map(language_of_file, paths))
    if any(named):
        return named
    folders = [Path(path).parent.name.lower() for path in paths]
    codes = {language_code(folder) for folder in folders} - {""}
    return tuple(folders) if len(codes) == len(paths) else named


def language_of_column(name: str) -> str:
    """The language that a column's name states, as in "fra_Latn", "english_sentence", "text (de)".

    Returns:
        The language in small letters; "" if the name has no language, has two, or has other words.
    """
    parts = [part for part in re.split(r"[^a-z]+", name.lower()) if part]
    if language_code(name) and (len(parts) < 2 or language_code(parts[1]) or len(parts[1]) < 3):
        return name.strip().lower()
    left = [part for part in parts if part not in COLUMN_WORDS]
    return left[0] if len(left) == 1 and language_code(left[0]) else ""


def languages_of_file(path: str | Path) -> tuple[str, str] | None:
    """The two languages that a file's name states, as in "en-fr.tsv"; None if it states none."""
    name = Path(path).name
    return _neighbours(_parts(_TAG.sub(r"\1", name))) or _neighbours(_parts(name))


def _neighbours(parts: Sequence[str]) -> tuple[str, str] | None:
    languages = None
    for first, second in itertools.pairwise(parts):
        codes = language_code(first), language_code(second)
        if all(codes) and codes[0] != codes[1]:
            languages = first, second
    return languages


def _parts(path: str | Path) -> list[str]:
    name = _REGIONS.sub(r"\1", Path(path).name.lower())
    while name.endswith(_PACKING):
        name = name.rpartition(".")[0]
    return [part for part in re.split(r"[^a-z]+", name) if part]
