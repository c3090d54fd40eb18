"""Sentence pairs in files: their languages, their columns, and whether they belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.pairs.aligned_files import read_aligned_files
from pipelines.pairs.languages import language_of_file, languages_of_file, same_language
from pipelines.pairs.loading import load_all, load_pairs
from pipelines.pairs.plausibility import suspected_shift
from rnn_apps.translation.config import TranslationConfig
from rnn_apps.translation.run_data import RunData

FRENCH_TO_ENGLISH = {"source_language": "fra", "target_language": "eng"}
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
NOMBRES = ("un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze")


def made_up(count: int = 400, seed: int = 0) -> list[tuple[str, str]]:
    """English and French of unequal lengths, some of which ask."""
    generator = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        chosen = generator.integers(len(NUMBERS), size=generator.integers(1, 12))
        end = "?" if generator.random() < 0.3 else "."
        pairs.append((" ".join(NUMBERS[n] for n in chosen) + end,
                      " ".join(NOMBRES[n] for n in chosen) + f" {end}"))  # fmt: skip
    return pairs


PAIRS = made_up()


def side(path: Path, sentences: list[str]) -> str:
    path.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return str(path)


def two_files(folder: Path, first: str = "train.en", second: str = "train.fr") -> str:
    paths = [side(folder / first, [a for a, _ in PAIRS]), side(folder / second,
                                                               [b for _, b in PAIRS])]  # fmt: skip
    return f"file:{','.join(paths)}"


def table(folder: Path, *rows: str, name: str = "pairs.tsv") -> str:
    (folder / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return f"file:{folder / name}"


def test_languages_have_many_names() -> None:
    for one in ("fra", "fr", "FR", "fre", "French", "fr_CA", "fr-FR"):
        assert same_language(one, "fr") and not same_language(one, "en")
    assert not same_language("en-US", "en-GB")
    assert language_of_file("x/europarl-v7.fr-en.en.gz") == "en"
    assert language_of_file("corpus_de.txt") == "de" and language_of_file("source.txt") == ""
    assert languages_of_file("news.eng-fra.tsv") == ("eng", "fra")
    assert languages_of_file("pairs.tsv") is None


def test_files_in_the_other_order_than_the_languages_asked_for_are_turned(tmp_path: Path) -> None:
    data = two_files(tmp_path)
    found = load_all(data, **FRENCH_TO_ENGLISH)
    assert (found.source[0], found.target[0]) == PAIRS[0][::-1]
    assert "read from fra to eng" in str(found.report)
    assert load_all(data, source_language="en", target_language="fr").source[0] == PAIRS[0][0]
    assert load_all(data).languages == ("en", "fr")


def test_files_of_other_languages_are_refused(tmp_path: Path) -> None:
    data = two_files(tmp_path)
    with pytest.raises(DataError, match=r"train\.fr: the file's name says fr, .*en to de"):
        load_all(data, source_language="en", target_language="de")
    with pytest.raises(ConfigurationError, match="go together"):
        load_all(data, source_language="en")
    with pytest.raises(ConfigurationError, match="the same language"):
        load_all(data, source_language="en", target_language="eng")
    with pytest.raises(DataError, match="is named twice"):
        load_all(f"file:{tmp_path / 'train.en'},{tmp_path / 'train.en'}")


def test_files_whose_names_say_nothing_are_taken_in_their_order(tmp_path: Path) -> None:
    found = load_all(two_files(tmp_path, "a.txt", "b.txt"), **FRENCH_TO_ENGLISH)
    assert (found.source[0], found.languages) == (PAIRS[0][0], ("fra", "eng"))


def test_columns_without_names_are_not_given_languages(tmp_path: Path) -> None:
    rows = [f"{a}\t{b}" for a, b in PAIRS]
    with pytest.raises(DataError, match=r"which column is fra and which is eng.*first line"):
        load_all(table(tmp_path, *rows), **FRENCH_TO_ENGLISH)
    assert load_all(table(tmp_path, *rows)).source[0] == PAIRS[0][0]
    for header in ("en\tfr", "eng\tfra", "English\tFrench"):
        found = load_all(table(tmp_path, header, *rows), **FRENCH_TO_ENGLISH)
        assert (found.source[0], len(found)) == (PAIRS[0][1], len(PAIRS))
    found = load_all(table(tmp_path, *rows, name="en-fr.tsv"), **FRENCH_TO_ENGLISH)
    assert found.source[0] == PAIRS[0][1]
    with pytest.raises(DataError, match="its name says en and de"):
        load_all(table(tmp_path, *rows, name="en-de.tsv"), **FRENCH_TO_ENGLISH)
    with pytest.raises(DataError, match="columns of en, de, not of fra and eng"):
        load_all(table(tmp_path, "en\tde", *rows), **FRENCH_TO_ENGLISH)


@pytest.mark.parametrize(
    ("header", "turned"),
    [("en\tfr", False), ("Source\tTarget", False), ("target\tsource", True)],
)
def test_a_header_is_no_pair(tmp_path: Path, header: str, turned: bool) -> None:
    found = load_all(table(tmp_path, header, *(f"{a}\t{b}" for a, b in PAIRS)))
    assert len(found) == len(PAIRS) and found.report.count("header lines") == 1
    assert (found.source[0], found.target[0]) == (PAIRS[0][::-1] if turned else PAIRS[0])
    assert found.place(0) == "line 2"


@pytest.mark.parametrize(
    "row",
    [
        "{n}\t{a}\t{m}\t{b}",
        "{n}\teng\t{a}\t{b}",
        "1.{n}\t{a}\t{b}\tCC-BY 2.0 (France) Attribution: somewhere #{n}",
        "https://example.org/{n}\t{a}\t{b}",
        "{a}\t{b}\tCC-BY 2.0 (France) Attribution: somewhere #{n}",
    ],
)
def test_numbers_links_and_licences_are_not_sentences(tmp_path: Path, row: str) -> None:
    rows = [row.format(n=n, m=n + 7, a=a, b=b) for n, (a, b) in enumerate(PAIRS, 1000)]
    found = load_all(table(tmp_path, *rows, name="fra.txt"))
    assert list(zip(found.source, found.target, strict=True)) == PAIRS
    assert "columns that hold" in str(found.report)


def test_a_table_without_two_columns_of_text_is_refused(tmp_path: Path) -> None:
    rows = [f"{n}\t{a}\t{n + 7}" for n, (a, _) in enumerate(PAIRS)]
    with pytest.raises(DataError, match="3 columns, but only 1 of them with text"):
        load_all(table(tmp_path, *rows))


def test_quotes_of_csv_are_no_part_of_a_sentence(tmp_path: Path) -> None:
    rows = [f'"He said ""{a}"""\t"Il dit ""{b}"""' for a, b in PAIRS]
    found = load_all(table(tmp_path, *rows))
    assert found.source[0] == f'He said "{PAIRS[0][0]}"'
    assert found.target[0] == f'Il dit "{PAIRS[0][1]}"'
    # A sentence's own quotes stay.
    own = [f'"{a}"\t"{b}"' if n % 2 == 0 else f"{a}\t{b}" for n, (a, b) in enumerate(PAIRS)]
    assert load_all(table(tmp_path, *own)).source[0] == f'"{PAIRS[0][0]}"'
    with pytest.raises(DataError, match=r"row 2: .*not closed"):
        load_all(table(tmp_path, rows[0], '"He said\t"Il dit"', *rows[1:]))


def test_a_tab_inside_a_sentence_shifts_no_column(tmp_path: Path) -> None:
    rows = [f"{a}\t{b}" for a, b in PAIRS]
    rows[3] = "one\ttwo\tun deux"
    found = load_all(table(tmp_path, *rows))
    assert len(found) == len(PAIRS) - 1
    assert "lines with a tab too many: 1, left out (line 4)" in str(found.report)


@pytest.mark.parametrize("header", ["en\tfr\tnote", ""])
def test_a_tab_inside_a_sentence_shifts_no_column_of_three(tmp_path: Path, header: str) -> None:
    rows = [f"{a}\t{b}\t{'Attribution: x' if n % 3 else ''}" for n, (a, b) in enumerate(PAIRS)]
    rows[4] = "one\ttwo\tun deux\tAttribution: x"
    found = load_all(table(tmp_path, *([header] if header else []), *rows))
    assert len(found) == len(PAIRS) - 1 and "two" not in found.target
    assert "lines with a tab too many: 1, left out" in str(found.report)
    # A table whose columns the user names is refused, as CSV is.
    with pytest.raises(DataError, match=r"row 5: has 4 cells, but nearly all rows have 3.*a space"):
        load_all(table(tmp_path, *rows), source_column="1", target_column="2")


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    "row",
    [
        # A remark on some lines, references of varying number, and a further column on few lines.
        lambda n, a, b: [a, b] + ["a remark"] * (n % 7 == 3),
        lambda n, a, b: [a, b, b + " bis", b + " ter"][: 2 + n % 3],
        lambda n, a, b: [a, b] + ["checked"] * (n % 20 == 3),
        lambda n, a, b: [a, b, f"CC-BY 2.0 #{n}"] + [f"by {a}"] * (n % 20 == 3),
    ],
)
def test_cells_behind_the_columns_that_are_read_are_ordinary(
    tmp_path: Path, row: Any, numbered: bool
) -> None:
    rows = ["\t".join(row(n, a, b)) for n, (a, b) in enumerate(PAIRS)]
    columns = {"source_column": "1", "target_column": "2"} if numbered else {}
    found = load_all(table(tmp_path, *rows), **columns)
    assert list(zip(found.source, found.target, strict=True)) == PAIRS
    assert "rows with cells behind the columns that are read" in str(found.report)


@pytest.mark.parametrize("tail", ["0.{n}", "0.{n}\t1.{n}", "good"])
def test_tabs_inside_sentences_are_no_further_column(tmp_path: Path, tail: str) -> None:
    rows = [f"{a}\t{b}\t{tail.format(n=n)}" for n, (a, b) in enumerate(PAIRS)]
    for n in range(5, 65, 10):
        rows[n] = rows[n].replace(" ", "\t", 1)
    moved = sum(row.count("\t") > 2 + tail.count("\t") for row in rows)
    found = load_all(table(tmp_path, *rows))
    assert moved > 3 and len(found) == len(PAIRS) - moved
    assert found.report.count("lines with a tab too many") == moved


def test_a_header_that_names_too_few_columns_is_refused(tmp_path: Path) -> None:
    rows = [f"{n}\t{a}\t{b}" for n, (a, b) in enumerate(PAIRS)]
    with pytest.raises(DataError, match=r"row 2: has 3 cells, .* the first line names 2 columns"):
        load_all(table(tmp_path, "en\tfr", *rows))


@pytest.mark.parametrize("lost", [0, 120, 300])
def test_files_of_equal_length_that_have_lost_each_other_are_refused(
    tmp_path: Path, lost: int
) -> None:
    source, target = [a for a, _ in PAIRS], [b for _, b in PAIRS]
    # One sentence is missing here and one was added at the end: as many lines as before.
    target = target[:lost] + target[lost + 1 :] + ["un."]
    with pytest.raises(DataError, match="fit those 1 line earlier") as error:
        read_aligned_files(side(tmp_path / "a.en", source), side(tmp_path / "a.fr", target))
    assert error.value.row is not None and abs(error.value.row - lost - 1) <= 50


@pytest.mark.parametrize(
    "change",
    [
        lambda pairs: [(a, a[::-1]) for a, _ in pairs],
        lambda pairs: [("the same length", "gleich lang") for _ in pairs],
        lambda pairs: [(a, b) for (a, _), (_, b) in zip(pairs, made_up(seed=9), strict=True)],
    ],
)
def test_right_pairs_and_mere_noise_are_not_called_shifted(change: Any) -> None:
    pairs = change(PAIRS)
    assert suspected_shift([a for a, _ in pairs], [b for _, b in pairs]) is None


def test_regions_of_two_languages_are_read_together(tmp_path: Path) -> None:
    def unit(region: str, a: str, b: str) -> str:
        return (
            f'<tu><tuv xml:lang="{region}"><seg>{a}</seg></tuv>'
            f'<tuv xml:lang="fr_FR"><seg>{b}</seg></tuv></tu>'
        )

    units = unit("en_US", "one", "un") + unit("en_GB", 'two<ph x="1">&lt;br/&gt;</ph>three', "deux")
    path = tmp_path / "a.tmx"
    path.write_text(f'<tmx><header srclang="en_US"/><body>{units}</body></tmx>', encoding="utf-8")
    found = load_all(f"file:{path}")
    assert found.source == ("one", "two three")
    said = "texts in en-us and en-gb read together as en: 2, 1 and 1; name one to have it alone: "
    assert f"{said}--source-language en-us" in str(found.report)
    turned = load_all(f"file:{path}", **FRENCH_TO_ENGLISH)
    assert turned.source == ("un", "deux")
    one = load_all(f"file:{path}", source_language="en-US", target_language="fr")
    assert one.source == ("one",) and one.report.count("units without en-us") == 1
    assert "read together" not in str(one.report)


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        (3, "3 and 2; only a region can be had alone, not en itself: --source-language en-gb"),
        (1, "1 and 2; name one to have it alone: --source-language en-gb"),
    ],
)
def test_the_region_to_ask_for_is_none_that_reads_all(
    tmp_path: Path, plain: int, said: str
) -> None:
    unit = '<tu><tuv xml:lang="{0}"><seg>{1}</seg></tuv><tuv xml:lang="fr"><seg>un</seg></tuv></tu>'
    tags = ["en"] * plain + ["en-GB"] * 2
    units = "".join(unit.format(tag, n) for n, tag in enumerate(tags))
    path = tmp_path / "a.tmx"
    path.write_text(f'<tmx><header srclang="en"/><body>{units}</body></tmx>', encoding="utf-8")
    found = load_all(f"file:{path}", source_language="en", target_language="fr")
    assert said in str(found.report)


def test_a_unit_in_two_regions_says_which_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    texts = {"en": "one", "zh-TW": "tw", "zh-CN": "cn"}
    unit = "".join(
        f'<tuv xml:lang="{name}"><seg>{text}</seg></tuv>' for name, text in texts.items()
    )
    path.write_text(f'<tmx><header srclang="en"/><body><tu>{unit}</tu></body></tmx>', "utf-8")
    found = load_all(f"file:{path}")
    assert found.target == ("tw",)
    said = "units with texts in zh-tw and zh-cn: 1, the text in zh-tw counts (line 1)"
    assert said in str(found.report)
    chosen = load_all(f"file:{path}", source_language="en", target_language="zh-CN")
    assert chosen.target == ("cn",) and "zh-tw" not in str(chosen.report)


def test_written_lines_stay_with_their_sentences() -> None:
    from rnn_apps.edge.translation.sentences import EMPTY, Translation
    from rnn_apps.translation.commands import _output_lines

    two = [Translation(text, 0.0, 0.0, (), ()) for text in ("a\nb", "c")]
    assert list(_output_lines([two, [EMPTY], two[1:]], 2)) == ["a b", "c", "", "", "c", ""]


def test_parts_in_another_direction_than_the_training_are_refused(tmp_path: Path) -> None:
    data = two_files(tmp_path)
    turned = f"file:{','.join(data.removeprefix('file:').split(',')[::-1])}"
    for part in ("validation", "test"):
        with pytest.raises(
            DataError, match=r"is from fr to en, but the training was from en to fr"
        ):
            load_pairs(data, **{part: turned})
    config = TranslationConfig(data=data, split="1,0,0")
    with pytest.raises(DataError, match=r"is from fr to en, but the training"):
        RunData(config).other(turned)
    assert len(RunData(config).other(data)) == len(PAIRS)
    # Languages that are asked for turn all parts alike.
    parts = load_pairs(data, validation=turned, **FRENCH_TO_ENGLISH)
    assert parts.validation is not None and parts.validation.source == parts.train.source


def test_few_lines_are_read_with_the_same_care(tmp_path: Path) -> None:
    rows = [f"{n}\t{a}\t{n + 7}\t{b}" for n, (a, b) in enumerate(PAIRS[:2])]
    found = load_all(table(tmp_path, *rows))
    assert list(zip(found.source, found.target, strict=True)) == PAIRS[:2]
    source, target = [a for a, _ in PAIRS[:60]], [b for _, b in PAIRS[1:61]]
    with pytest.raises(DataError, match="1 line earlier"):
        read_aligned_files(side(tmp_path / "a.en", source), side(tmp_path / "a.fr", target))
    assert suspected_shift(source, [b for _, b in PAIRS[:60]]) is None
