"""Two aligned files inside one ZIP archive, as OPUS packs its corpora: `en-de.txt.zip`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pipelines.base.archives import split_archive
from pipelines.base.errors import DataError
from pipelines.pairs.languages import (
    language_code,
    language_of_file,
    languages_of_file,
    same_language,
)
from pipelines.text.foreign_content import HEAD
from pipelines.text.packing import packing_of, zip_members

# OPUS adds the links between the sentences, their numbers, or scores of the alignment.
_NO_TEXT = (".xml", ".ids", ".scores", ".info", ".json", ".yaml", ".yml")


def zipped_sides(path: str | Path, languages: tuple[str, str]) -> tuple[str, str] | None:
    """The paths of source and target inside a ZIP archive; None if it does not hold two sides.

    The files of an archive are sides if their names state languages, as `News.en-de.en` and
    `News.en-de.de`. Of the languages that the archive holds, the requested ones are taken, else the
    two that there are, in the order that the names state.

    Args:
        path: path of a file, packed or not.
        languages: the requested languages of source and target; "" if none were requested.

    Raises:
        DataError: the archive holds several files, and it is not known which are source and target.
    """
    archive, member = split_archive(path)
    with open(archive, "rb") as file:
        if member or packing_of(file.read(HEAD), archive) != "ZIP":
            return None
    members = [name for name in zip_members(archive) if not name.lower().endswith(_NO_TEXT)]
    if len(members) < 2:
        return None
    stated = {name: language_of_file(PurePosixPath(name).name) for name in members}
    if not all(languages):
        return _only_two(archive, stated)
    sides = [
        [name for name, language in stated.items() if language and same_language(language, wanted)]
        for wanted in languages
    ]
    for found, wanted in zip(sides, languages, strict=True):
        if len(found) != 1:
            problem = f"holds {len(found) or 'no'} file{'s' if len(found) > 1 else ''} in {wanted}"
            raise DataError(problem, file=archive, advice=_advice(archive, members))
    return f"{archive}/{sides[0][0]}", f"{archive}/{sides[1][0]}"


def _only_two(archive: Path, stated: dict[str, str]) -> tuple[str, str]:
    """The two files of an archive whose names state two languages, in the order that they state."""
    members = list(stated)
    codes = {language_code(language) for language in stated.values()}
    if len(members) != 2 or len(codes - {""}) != 2:
        raise DataError(
            f"holds {len(members)} files, and it is not known which are source and target",
            file=archive,
            advice=_advice(archive, members),
        )
    # "News.en-de.de" ends with the language of the file itself, after the order of the two.
    before = PurePosixPath(members[0]).with_suffix("").name
    order = languages_of_file(before) or languages_of_file(archive)
    if order is None:
        raise DataError(
            "holds two languages, and no name says which is the source",
            file=archive,
            advice="Name them: --source-language and --target-language.",
        )
    first, second = members
    if language_code(stated[first]) != language_code(order[0]):
        first, second = second, first
    return f"{archive}/{first}", f"{archive}/{second}"


def _advice(archive: Path, members: list[str]) -> str:
    shown = ", ".join(members[:4]) + (", ..." if members[4:] else "")
    return (
        f"It holds {shown}. Request two languages that their names state, name the files inside, "
        f"such as file:{archive}/{members[0]}, or unpack it first: unzip {archive.name}."
    )
