"""Sentence pairs in TMX, the exchange format of translation memories (TMX 1.4b, LISA 2005)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.parsers import expat

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.pairs.languages import language_tag
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.text.files import look_at
from pipelines.text.packing import damage_of

SUFFIXES = (".tmx",)

# Formatting codes of the tool that wrote the file; their content is not text.
_CODES = {"bpt", "ept", "it", "ph", "ut", "x"}
# Words on both sides of such a code are two words (types of TMX 1.4b, and the HTML in codes).
_BREAKS = re.compile(r"</?(?:br|p|div|li|ul|ol|t[dhr]|h[1-6])\b|\\[nrt]|\s", re.IGNORECASE)
_BREAK_TYPES = {"lb", "pb", "tab", "cell"}
# Such a code only changes how letters look: what is around it may be one word.
_LOOKS = re.compile(
    r"</?(?:a|abbr|b|big|code|em|font|i|mark|s|small|span|strong|sub|sup|tt|u)\b[^>]*>",
    re.IGNORECASE,
)
_LOOK_TYPES = {"bold", "color", "dulined", "font", "italic", "link", "scap", "ulined"}


def read_translation_memory(
    path: str | Path, source_language: str = "", target_language: str = ""
) -> SentencePairs:
    """The pairs of a file, read as a stream; formatting codes inside a segment are left out.

    The language "en" (or "eng") also matches "en-US" and "en_US". Unless languages are requested,
    the file must have exactly two: the source is the header's `srclang`, or else the language of
    the first segment.

    Whatever the file declares, no entity is expanded and no other file is read.

    Args:
        path: path of the file, plain or compressed.
        source_language, target_language: the requested languages, both or neither.

    Raises:
        DataError: the file is not TMX, declares entities, or lacks a language.
    """
    reader = _Reader(Path(path))
    reader.read()
    languages = reader.languages
    if not languages and reader.nameless:
        raise DataError(
            "does not say in which language a text is: its first tuv has no xml:lang",
            file=path,
            row=reader.nameless,
            advice="Write it again with xml:lang on every tuv.",
        )
    if not languages:
        raise DataError("has no translation unit (tu with tuv and seg)", file=path)
    source, target = _chosen(reader, path, source_language, target_language)
    report = DataReport(str(path), rows=len(reader.units))
    if reader.nameless:
        report.note("texts without xml:lang", "left out", f"line {reader.nameless}")
    for line, language in reader.repeated:
        if _fits(language, source) or _fits(language, target):
            kind = f"several texts in {language} in a unit"
            report.note(kind, "the first counts", f"line {line}")
    pairs, places = [], []
    # How many texts of each region are read, source and target.
    chosen: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for line, unit in reader.units:
        regions = [_regions(unit, language) for language in (source, target)]
        missing = [
            language for language, found in zip((source, target), regions, strict=True) if not found
        ]
        if missing:
            report.note(f"units without {missing[0]}", "left out", f"line {line}")
            continue
        for (first, *others), counts in zip(regions, chosen, strict=True):
            counts[first] += 1
            if others:
                kind = f"units with texts in {_listed([first, *others])}"
                report.note(kind, f"the text in {first} counts", f"line {line}")
        pairs.append((unit[regions[0][0]], unit[regions[1][0]]))
        places.append(f"line {line}")
    _note_regions(chosen[0], source, "source", report)
    _note_regions(chosen[1], target, "target", report)
    if not pairs:
        raise DataError(
            f"has no unit with both {source} and {target}, only {', '.join(languages)}", file=path
        )
    return SentencePairs(
        tuple(a for a, _ in pairs), tuple(b for _, b in pairs), str(path), tuple(places), report,
        (source, target),
    )  # fmt: skip


class _Reader:
    """Collects the units of a file: the line of each unit, and its texts by language."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.units: list[tuple[int, dict[str, str]]] = []
        # Line and language of each further text that a unit has in a language.
        self.repeated: list[tuple[int, str]] = []
        self.languages: dict[str, None] = {}
        # Line of the first text without a language; 0 if there is none.
        self.nameless = 0
        self.source_language = ""
        self._unit: dict[str, str] | None = None
        self._line = 0
        self._language = ""
        self._text: list[str] | None = None
        self._hidden = 0
        self._joint = -1
        # Element and type of the outermost code that is being read, and its content.
        self._code = ("", "")
        self._code_text: list[str] = []
        self._depth = 0
        self._parser = expat.ParserCreate(namespace_separator=None)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._refuse_entity

    def read(self) -> None:
        """Reads the whole file."""
        packing = ""
        try:
            (file, *others) = look_at(self._path)
            if others:
                raise DataError(
                    f"the ZIP file holds {1 + len(others)} files, of which one is to be read",
                    file=self._path,
                    advice=f"Unpack it first: unzip {self._path.name}.",
                )
            packing = file.packing
            with file.open() as stream:
                self._parser.ParseFile(stream)
        except expat.ExpatError as error:
            raise DataError(
                f"is not well-formed XML: {expat.errors.messages.get(error.code, error)}",
                file=self._path,
                row=error.lineno,
            ) from None
        except DataError:
            raise
        except Exception as error:
            damage = damage_of(error, packing, self._path)
            if damage is None and isinstance(error, OSError):
                damage = DataError(f"cannot be read: {error.strerror or error}", file=self._path)
            if damage is None:
                raise
            raise damage from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and name != "tmx":
            raise DataError(f"is not TMX: its outermost element is {name}", file=self._path)
        self._depth += 1
        if name == "header":
            self.source_language = language_tag(attributes.get("srclang", ""))
        elif name in ("tu", "seg") and (self._unit if name == "tu" else self._text) is not None:
            raise DataError(
                f"has a {name} inside a {name}", file=self._path,
                row=self._parser.CurrentLineNumber, advice="Write the file again: a part is lost.",
            )  # fmt: skip
        elif name == "tu":
            self._unit, self._line = {}, self._parser.CurrentLineNumber
        elif name == "tuv":
            named = attributes.get("xml:lang") or attributes.get("lang") or ""
            self._language = language_tag(named)
        elif name == "seg":
            self._text = []
        elif self._text is not None and name in _CODES:
            if not self._hidden:
                self._code, self._code_text = (name, attributes.get("type", "")), []
            self._hidden += 1

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "seg" and self._text is not None:
            if self._unit is not None and self._language:
                if self._language in self._unit:
                    self.repeated.append((self._parser.CurrentLineNumber, self._language))
                self._unit.setdefault(self._language, " ".join("".join(self._text).split()))
                self.languages[self._language] = None
            elif self._unit is not None and not self.nameless:
                self.nameless = self._parser.CurrentLineNumber
            self._text, self._hidden, self._joint = None, 0, -1
        elif name == "tu" and self._unit is not None:
            self.units.append((self._line, self._unit))
            self._unit = None
        elif self._text is not None and name in _CODES:
            self._hidden -= 1
            if not self._hidden and _separates(*self._code, "".join(self._code_text)):
                self._joint = len(self._text)

    def _characters(self, text: str) -> None:
        if self._text is None:
            return
        if self._hidden:
            self._code_text.append(text)
            return
        before = "".join(self._text[-1:])
        if self._joint == len(self._text) and before[-1:].isalnum() and text[:1].isalnum():
            self._text.append(" ")
        self._text.append(text)

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise DataError(
            f"declares the entity {name!r}, which could expand to anything",
            file=self._path,
            row=self._parser.CurrentLineNumber,
            advice="Write the file again without declaring entities.",
        )


def _separates(name: str, kind: str, content: str) -> bool:
    """Whether words on both sides of a formatting code are two words.

    Args:
        name: name of the element, such as "ph".
        kind: its type, such as "bold"; "" for none.
        content: the code itself, such as "<br/>".
    """
    if kind.lower() in _BREAK_TYPES or _BREAKS.match(content):
        return True
    if kind.lower() in _LOOK_TYPES or _LOOKS.fullmatch(content.strip()):
        return False
    # What a placeholder without a known kind stands for is mostly a thing of its own.
    return name in ("ph", "x")


def _chosen(
    reader: _Reader, path: str | Path, source_language: str, target_language: str
) -> tuple[str, str]:
    languages = list(reader.languages)
    primary = list(dict.fromkeys(language.split("-")[0] for language in languages))
    source, target = language_tag(source_language), language_tag(target_language)
    if not source and not target:
        # Several regions of two languages, such as en-US, en-GB and fr-FR, are read together.
        languages = primary if len(languages) > 2 and len(primary) == 2 else languages
        if len(languages) != 2:
            raise DataError(
                f"has the languages {', '.join(languages)}",
                file=path,
                advice="Name two: source_language and target_language.",
            )
        said = reader.source_language
        stated = [name for name in languages if said and (_fits(name, said) or _fits(said, name))]
        source = stated[0] if stated else languages[0]
        return source, next(name for name in languages if name != source)
    if not (source and target):
        raise DataError(
            "source_language and target_language go together", file=path,
            advice=f"It has {', '.join(languages)}.",
        )  # fmt: skip
    for wanted in (source, target):
        if not any(_fits(language, wanted) for language in languages):
            raise DataError(f"has no {wanted}", file=path, advice=f"It has {', '.join(languages)}.")
    return source, target


def _regions(unit: dict[str, str], language: str) -> list[str]:
    """The tags in a unit that fit a language: the language itself first, then its regions."""
    fitting = [name for name in unit if _fits(name, language)]
    return sorted(fitting, key=lambda name: name != language)


def _note_regions(counts: Counter[str], language: str, side: str, report: DataReport) -> None:
    """Notes the regions of a language whose texts are read as one, and how many each has."""
    if len(counts) < 2:
        return
    # A request for the language itself reads its regions, too.
    regions = Counter({name: count for name, count in counts.items() if name != language})
    [(most, count)] = regions.most_common(1)
    advice = f"name one to have it alone: --{side}-language {most}"
    if counts[language] > count:
        advice = f"only a region can be had alone, not {language} itself: --{side}-language {most}"
    report.note(
        f"texts in {_listed(list(counts))} read together as {language}",
        f"{_listed([f'{count:,}' for count in counts.values()])}; {advice}",
        "",
        sum(counts.values()),
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _fits(language: str, wanted: str) -> bool:
    """Whether a language such as "en-us" is the wanted language, such as "en"."""
    return bool(wanted) and (language == wanted or language.startswith(f"{wanted}-"))
