"""One spelling for transcripts, hot words and word models: what is given is heard, or refused."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.speech.recordings.spelling import Spelling, tidy_transcript
from pipelines.tokenizers import train_tokenizer
from rnn_apps.edge import DecodingConfig, SpeechDecoder, SpeechLabels, read_arpa
from rnn_apps.edge.speech import word_model
from rnn_apps.edge.speech.spelled_word_model import spelled
from rnn_apps.edge.speech.word_model import WordModel

LABELS = SpeechLabels((*(c.encode() for c in " abcdehnoté"), b""), 11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Über\tden  Wolken\n", "über den wolken"),
        # Composed in lower case only: an i with a dot of its own would be a label of its own.
        ("J\u030ci", "\u01f0i"),
        ("\u0130STANBUL", "istanbul"),
        ("I\u0307stanbul", "istanbul"),
        ("ΟΔΟΣ", "οδο\u03c2"),
        ("Cafe\u0301\u00a0x", "café x"),
    ],
)
def test_the_same_words_are_spelled_the_same(text: str, expected: str) -> None:
    found = tidy_transcript(text)
    assert found == expected
    # Nothing is left to be composed or changed by a second time.
    assert unicodedata.normalize("NFC", found) == found == tidy_transcript(found)


def doubtful(text: str, other: str) -> np.ndarray:
    """Log probabilities of a text, one of whose letters might as well be another one."""
    rows = []
    for place, character in enumerate(text):
        row = np.full(len(LABELS.pieces), 0.001)
        row[LABELS.pieces.index(character.encode())] = 1.0
        if other[place] != character:
            row[LABELS.pieces.index(other[place].encode())] = 0.8
        blank = np.full(len(LABELS.pieces), 0.001)
        blank[LABELS.blank] = 1.0
        rows += [row, blank]
    return np.log(np.array(rows))


def heard(**options) -> str:
    return SpeechDecoder(LABELS, DecodingConfig(**options)).finish()[0].text


def decoded(logits: np.ndarray, model: WordModel | None = None, **options) -> str:
    decoder = SpeechDecoder(LABELS, DecodingConfig(**options), word_model=model)
    decoder.push(logits)
    return decoder.finish()[0].text


def test_hot_words_are_spelled_as_transcripts_are() -> None:
    logits = doubtful("bad", "bed")
    assert decoded(logits) == "bad"
    for word in ("bed", "BED", " Bed "):
        assert decoded(logits, hot_words=(word,)) == "bed", word
    logits = doubtful("note", "noté")
    assert decoded(logits, hot_words=("NOTE\u0301",)) == "noté"


@pytest.mark.parametrize(
    ("word", "message"),
    [("naïve", "'ï', which the model does not write"), ("7", "cannot be written: '7'")],
)
def test_hot_words_that_the_model_cannot_write_are_named(word: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"hot_words: '{word}' .*{message}"):
        heard(hot_words=("bed", word))


def test_units_of_words_write_whole_words_only() -> None:
    labels = SpeechLabels.of(train_tokenizer("words", ["one two", "two New"]))
    assert not labels.lowercase
    assert labels.writes("two one") and labels.writes("New") and not labels.writes("tw")
    assert labels.hot_words(("New two",)) == ("New two",)
    with pytest.raises(ConfigurationError, match="'new' is not among the words"):
        labels.hot_words(("new two",))


ARPA = """\\data\\
ngram 1=6

\\1-grams:
-99\t<S>
-1\t</S>
-5\t<UNK>
{words}

\\end\\
"""


def arpa(folder: Path, words: str) -> Path:
    path = folder / "words.arpa"
    path.write_text(ARPA.format(words=words), encoding="utf-8")
    return path


def test_a_word_model_in_capitals_decides_as_one_in_small_letters(tmp_path: Path) -> None:
    logits = doubtful("bad", "bed")
    small = read_arpa(arpa(tmp_path, "-0.3\tbed\n-4\tbad\n-4\tcab"))
    assert decoded(logits, small, word_model_weight=1.0) == "bed"
    capital = read_arpa(arpa(tmp_path, "-0.3\tBED\n-4\tBAD\n-4\tBed"))
    assert decoded(logits, capital, word_model_weight=1.0) == "bed"
    # Where the labels hold capitals, they count.
    labels = SpeechLabels((*(c.encode() for c in " abdeB"), b""), 6)
    assert SpeechDecoder(labels, word_model=capital).note


def test_a_word_model_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can write none of the word model's 3 words, such as 'x"):
        SpeechDecoder(LABELS, word_model=read_arpa(arpa(tmp_path, "-1\tx1\n-1\tx2\n-1\tx3")))
    decoder = SpeechDecoder(
        LABELS, word_model=read_arpa(arpa(tmp_path, "-1\tbed\n-1\tx2\n-1\tbad"))
    )
    assert "cannot write 33.3 % of the word model's words, such as 'x2'" in decoder.note
    assert not SpeechDecoder(LABELS).note


def test_a_word_model_s_file_is_read_once_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = arpa(tmp_path, "-1\tbed\n-1\tbad\n-1\tcab")
    opened: list[Path] = []
    lines = word_model._lines
    monkeypatch.setattr(word_model, "_lines", lambda path: (opened.append(path), lines(path))[1])
    first = read_arpa(path)
    assert read_arpa(str(path)) is first and len(opened) == 1
    arpa(tmp_path, "-1\tbed\n-1\tbad\n-1\tcabbed")
    assert read_arpa(path).knows("cabbed") and len(opened) == 2
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_arpa(tmp_path / "nowhere.arpa")


@pytest.mark.parametrize(
    ("spelling", "text", "expected"),
    [
        (Spelling(), "IT'S  21.", "it's 21."),
        (Spelling(language="tr"), "ISI İZ", "ısı iz"),
        (Spelling(language="en"), "ISI İZ", "isi iz"),
        (Spelling(lowercase=False, language="tr"), "ISI", "ISI"),
        (
            Spelling(punctuation=False),
            "\"Well-known,\" it\u2019s 'so': 5 %!",
            "well known it's so 5 %",
        ),
        (Spelling(punctuation=False), "'\u2019' ...", ""),
        (Spelling(punctuation=False), "¿Qué? «Oui»", "qué oui"),
        (Spelling(punctuation=False), "kọ\u0301'lé", "kọ\u0301'lé"),
        (Spelling(punctuation=False), "CO2\u2019s, the '90s 'A1'", "co2's the 90s a1"),
        # A letter by Unicode, and the same apostrophe; at the beginning of a word it stays one.
        (Spelling(punctuation=False), "п\u02bcять п\u2019ять", "п'ять п'ять"),
        (Spelling(punctuation=False), "\u02bcAa", "\u02bcaa"),
        (Spelling(), "п\u02bcять", "п\u02bcять"),
    ],
)
def test_each_part_of_a_spelling(spelling: Spelling, text: str, expected: str) -> None:
    assert spelling.tidy(text) == expected
    assert spelling.tidy(expected) == expected


def test_numbers_in_words() -> None:
    pytest.importorskip("num2words")
    english = Spelling(language="en", numbers=True, punctuation=False)
    assert english.tidy("Room 21, call 007.") == "room twenty one call zero zero seven"
    assert (
        english.tidy("-5 degrees, (\u22127), 10-20.") == "minus five degrees minus seven ten twenty"
    )
    assert english.tidy("Call 1234.") == "call one thousand two hundred and thirty four"
    with_marks = Spelling(language="en", numbers=True)
    assert with_marks.tidy("call 1234, -5") == (
        "call one thousand two hundred and thirty-four, minus five"
    )
    assert Spelling(language="cs", numbers=True).tidy("-5") == "mínus pět"
    # Its letters have marks of their own.
    assert Spelling(language="th", numbers=True).tidy("-5") == "ติดลบ ห้า"
    # Thousands in groups: no number is read that nobody said.
    french = Spelling(language="fr", numbers=True)
    for space in "\u00a0\u202f\u2009":
        assert french.tidy(f"10{space}000 euros") == "dix mille euros"
    assert french.tidy("-1\u202f000\u202f000, p.\u00a05") == "moins un million, p. cinq"
    for kept in ("10 000 euros", "-2 345 067", "10 000,50", "10 000 500,50"):
        assert french.tidy(kept) == kept
    assert french.tidy("10\u202f000,50") == "10 000,50"
    assert french.tidy("en 2000 007, 5 5, 030 010") == (
        "en deux mille zéro zéro sept, cinq cinq, zéro trois zéro zéro un zéro"
    )
    # Digits whose reading depends on the writer stay.
    for kept in ("3.5", "1,000", "10:30", "1/2", "4x4", "v2"):
        assert Spelling(language="en", numbers=True).tidy(kept) == kept
    assert Spelling(language="de", numbers=True).tidy("21 Tage") == "einundzwanzig tage"
    assert str(english) == "in lower case, without punctuation, numbers in words (en)"
    with pytest.raises(ConfigurationError, match="say in which language"):
        Spelling(numbers=True).check()
    with pytest.raises(ConfigurationError, match="language = 'xx': num2words does not know"):
        Spelling(language="xx", numbers=True).check()


def test_numbers_need_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "num2words", None)
    with pytest.raises(ConfigurationError, match="needs the package num2words"):
        Spelling(language="en", numbers=True).check()
    Spelling(language="en").check()


def test_hot_words_and_word_models_are_spelled_as_transcripts() -> None:
    spelling = Spelling(language="tr", punctuation=False)
    tokenizer = train_tokenizer("characters", [spelling.tidy("IŞIK, yak!")])
    labels = SpeechLabels.of(tokenizer, spelling)
    assert labels.hot_words(("IŞIK.",)) == ("ışık",)
    table = {("Işık!",): (-0.5, 0.0), ("<s>",): (-99.0, 0.0), ("</s>",): (-1.0, 0.0)}
    assert spelled(WordModel([table]), labels).model.knows("ışık")
    with pytest.raises(ConfigurationError, match="hot_words: 'IŞIK'"):
        SpeechLabels.of(tokenizer).hot_words(("IŞIK",))
