"""Aligned files in one ZIP archive, as OPUS packs them, and files named inside an archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipelines.base.errors import DataError
from pipelines.pairs.loading import load_all
from pipelines.pairs.sentence_pairs import SentencePairs

ENGLISH, GERMAN = ("A dog.", "Two cats."), ("Ein Hund.", "Zwei Katzen.")
OPUS = {
    "README": "what this is",
    "LICENSE": "who may use it",
    "News.en-de.de": "\n".join(GERMAN) + "\n",
    "News.en-de.en": "\n".join(ENGLISH) + "\n",
    "News.en-de.xml": "<links/>",
}


def archive(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return path


def sides(pairs: SentencePairs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return pairs.source, pairs.target


def test_an_archive_of_opus_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    path = archive(tmp_path / "en-de.txt.zip", OPUS)
    pairs = load_all(f"file:{path}")
    assert sides(pairs) == (ENGLISH, GERMAN) and pairs.languages == ("en", "de")
    assert pairs.place(1) == "line 2" and "News.en-de.en" in pairs.name
    turned = load_all(f"file:{path}", source_language="German", target_language="en_US")
    assert sides(turned) == (GERMAN, ENGLISH)
    plain = {"train.de": OPUS["News.en-de.de"], "train.en": OPUS["News.en-de.en"]}
    assert sides(load_all(f"file:{archive(tmp_path / 'de-en.zip', plain)}")) == (GERMAN, ENGLISH)


def test_two_of_several_languages_are_taken_as_asked(tmp_path: Path) -> None:
    files = {"a/t.de": "Ein Hund.\n", "a/t.en": "A dog.\n", "a/t.fr": "Un chien.\n"}
    path = archive(tmp_path / "all.zip", files)
    pairs = load_all(f"file:{path}", source_language="fr", target_language="en")
    assert sides(pairs) == (("Un chien.",), ("A dog.",))
    named = load_all(f"file:{path}/a/t.fr,{path}/a/t.de")
    assert sides(named) == (("Un chien.",), ("Ein Hund.",)) and named.languages == ("fr", "de")


def test_a_table_inside_an_archive_can_be_named(tmp_path: Path) -> None:
    files = {"x/pairs.tsv": "en\tde\nA dog.\tEin Hund.\n", "x/other.tsv": "en\tde\nNo.\tNein.\n"}
    path = archive(tmp_path / "tables.zip", files)
    assert sides(load_all(f"file:{path}/x/pairs.tsv")) == (("A dog.",), ("Ein Hund.",))


@pytest.mark.parametrize(
    ("files", "asked", "inside", "named"),
    [
        ({"a.de": "a\n", "a.en": "a\n", "a.fr": "a\n"}, ("", ""), "", "holds 3 files"),
        ({"a.de": "a\n", "b.de": "a\n"}, ("", ""), "", "it is not known which are source"),
        ({"a.de": "a\n", "b.de": "a\n"}, ("de", "en"), "", "holds 2 files in de"),
        ({"a.de": "a\n", "a.en": "a\n"}, ("fr", "en"), "", "holds no file in fr"),
        ({"a.de": "a\n", "a.en": "a\n"}, ("", ""), "", "no name says which is the source"),
        ({"a.de": "a\nb\n", "a.en": "a\n"}, ("de", "en"), "", "has 2 lines, but"),
        ({"a.tsv": "a\tb\n"}, ("", ""), "/b.tsv", "holds no file 'b.tsv'. It holds a.tsv"),
    ],
)
def test_archives_that_are_not_two_sides(
    tmp_path: Path, files: dict[str, str], asked: tuple[str, str], inside: str, named: str
) -> None:
    path = archive(tmp_path / "pairs.zip", files)
    with pytest.raises(DataError) as refused:
        load_all(f"file:{path}{inside}", source_language=asked[0], target_language=asked[1])
    message = " ".join(str(refused.value).split())
    assert named in message and str(path) in message


def test_what_is_not_an_archive_holds_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\tb\n")
    with pytest.raises(DataError, match=r"not a ZIP archive, so it holds no file 'b\.txt'"):
        load_all(f"file:{tmp_path / 'a.txt'}/b.txt")
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="ZIP file is damaged"):
        load_all(f"file:{tmp_path / 'a.zip'}/a.en,{tmp_path / 'a.zip'}/a.de")
