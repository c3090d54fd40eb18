"""Text to ids and back: bytes, characters, words, subwords."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import ConfigurationError, DataError
from pipelines.tokenizers import (
    ByteTokenizer,
    CharacterTokenizer,
    SubwordTokenizer,
    TextDecoder,
    Tokenizer,
    WordTokenizer,
    load_tokenizer,
    train_tokenizer,
)

TEXT = "the cat sat on the mat\n  the dog, the naïve Жук 蛇 🐍 sat\n\nthe end\n"


def prose(lines: int) -> str:
    """Text enough for subwords, the same every time."""
    generator = random.Random(0)
    words = [
        "".join(generator.choices("aeioulnrstdmpk", k=generator.randrange(2, 9)))
        for _ in range(300)
    ]
    rows = (" ".join(generator.choices(words, k=8)) + "." for _ in range(lines))
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def subwords() -> Tokenizer:
    return train_tokenizer("subwords", [prose(400), TEXT], vocabulary_size=400)


def any_tokenizer(kind: str, subwords: Tokenizer) -> Tokenizer:
    return subwords if kind == "subwords" else train_tokenizer(kind, [TEXT])


KINDS = ("bytes", "characters", "words", "subwords")


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_is_the_same(kind: str, subwords: Tokenizer, tmp_path: Path) -> None:
    tokenizer = any_tokenizer(kind, subwords)
    tokenizer.save(tmp_path / "tokenizer")
    loaded = load_tokenizer(tmp_path / "tokenizer")
    assert loaded.fingerprint == tokenizer.fingerprint
    assert (loaded.kind, loaded.tokens) == (kind, tokenizer.tokens)
    assert loaded.token_bytes == tokenizer.token_bytes
    assert len(loaded.tokens) == len(loaded.token_bytes) == loaded.size
    assert loaded.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()
    assert loaded.encode(TEXT).dtype == np.int32
    assert loaded.encode("").tolist() == [] and loaded.decode([]) == ""


@pytest.mark.parametrize("kind", ["bytes", "characters", "subwords"])
def test_what_is_encoded_is_decoded(kind: str, subwords: Tokenizer) -> None:
    tokenizer = any_tokenizer(kind, subwords)
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.encode("\n").tolist() == [tokenizer.line_end_id]


@settings(max_examples=120, deadline=None)
@given(text=st.text())
def test_bytes_and_subwords_know_every_text(text: str, subwords: Tokenizer) -> None:
    for tokenizer in (ByteTokenizer(), subwords):
        # A space is written U+2581 inside sentencepiece.
        expected = text.replace("\u2581", " ") if tokenizer is subwords else text
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == expected
        assert tokenizer.unknown_id is None and tokenizer.unknown_places(text) == []
        if len(ids):
            assert ids.min() >= 0 and ids.max() < tokenizer.size
        assert tokenizer.encode_known(text).tolist() == ids.tolist()


def test_another_spelling_that_is_as_unknown_is_not_asked_for(subwords: Tokenizer) -> None:
    # The signs of ohm and angstrom, and a Korean syllable in parts, have fewer bytes in NFC.
    for text in ("5 \u2126", "1 \u212b", "\u1112\u1161\u11ab"):
        assert subwords.known_spelling(text) == ""
        assert subwords.decode(subwords.encode_known(text)) == text
    korean = train_tokenizer("subwords", [prose(400), "\ud55c" * 99], vocabulary_size=400)
    for text in ("\u1112\u1161\u11ab", "a \u2126 \u1112\u1161\u11ab b"):
        assert korean.known_spelling(text) == "Unicode's normalisation form NFC"


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1))
def test_characters_know_the_text_they_are_made_of(text: str) -> None:
    tokenizer = CharacterTokenizer.train([text])
    assert tokenizer.size == len(set(text)) + 1
    assert tokenizer.decode(tokenizer.encode(text)) == text


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("ab \n\t<unk>eos\u00a0é")))
def test_words_are_what_stands_between_white_space(text: str) -> None:
    tokenizer = WordTokenizer(["a", "b", "ab"])
    lines = text.split("\n")
    known = {"a": 2, "b": 3, "ab": 4, "<eos>": 1}
    expected = []
    for number, line in enumerate(lines):
        expected += [known.get(word, 0) for word in line.replace("\t", " ").split(" ") if word]
        expected += [1] if number < len(lines) - 1 else []
    assert tokenizer.encode(text).tolist() == expected


def test_words_are_decoded_with_one_space_between_them() -> None:
    tokenizer = WordTokenizer.train(["the  cat\n\n sat <unk> on\tthe mat <eos> x"])
    assert tokenizer.decode(tokenizer.encode("the  cat \n\n\tsat on")) == "the cat\n\nsat on"
    assert tokenizer.decode(tokenizer.encode("a cat <unk> <eos> the")) == "<unk> cat <unk>\nthe"
    assert tokenizer.tokens[:4] == ("<unk>", "<eos>", "the", "cat")
    # Two words of the text are special ones; they take no further id.
    assert tokenizer.size == 2 + len({"the", "cat", "sat", "on", "mat", "x"})


def test_a_vocabulary_takes_the_most_frequent() -> None:
    texts = ["b b b a a c", " c c c z"]
    assert WordTokenizer.train(texts, vocabulary_size=4).words == ("c", "b")
    assert WordTokenizer.train(texts, minimum_count=2).words == ("c", "b", "a")
    assert CharacterTokenizer.train(["zzyyx"], vocabulary_size=3).characters == ("y", "z")
    assert CharacterTokenizer.train(["zzyyx"], minimum_count=2).characters == ("y", "z")
    # Ties are settled by the word, not by chance.
    assert WordTokenizer.train(["b a d c"], vocabulary_size=4).words == ("a", "b")


@pytest.mark.parametrize(
    ("kind", "settings_", "words"),
    [
        ("letters", {}, "choose from bytes, characters, words, subwords"),
        ("words", {"vocabulary_size": 2}, "leaves no room"),
        ("characters", {"vocabulary_size": -1}, "leaves no room"),
        ("words", {"minimum_count": 0}, "minimum_count"),
        ("words", {"model_type": "bpe"}, "a setting of subwords"),
        ("subwords", {"vocabulary_size": 200}, "bytes and symbols take 258"),
        ("subwords", {"model_type": "wordpiece"}, "choose unigram or bpe"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(kind, settings_, words) -> None:
    with pytest.raises(ConfigurationError, match=words):
        train_tokenizer(kind, [TEXT], **settings_)


@pytest.mark.parametrize("kind", ["characters", "words", "subwords"])
def test_no_text_gives_no_vocabulary(kind: str) -> None:
    with pytest.raises(DataError, match="the text is empty"):
        train_tokenizer(kind, [])


def test_what_is_unknown_is_counted_or_refused_with_its_place() -> None:
    tokenizer = CharacterTokenizer.train(["abc\n"])
    assert tokenizer.encode("aXbY").tolist() == [2, 0, 3, 0]
    assert tokenizer.decode(tokenizer.encode("aXb")) == "a\ufffdb"
    assert tokenizer.unknown_places("aXbY") == [(1, "X"), (3, "Y")]
    with pytest.raises(DataError, match=r"prompt: .* 5 characters: 'X' at character 1, 'Y' at"):
        tokenizer.encode_known("aXbY", "prompt")
    with pytest.raises(DataError, match=r"at character 4 and 7 more"):
        tokenizer.encode_known("X" * 12)
    words = WordTokenizer(["one", "two"])
    assert words.unknown_places("one  three\ntwo four") == [(5, "three"), (15, "four")]
    assert words.encode_known("one\ntwo").tolist() == [2, 1, 3]


def test_nul_and_control_characters_are_characters() -> None:
    tokenizer = CharacterTokenizer.train(["a\0b\x1b\n"])
    assert tokenizer.decode(tokenizer.encode("\0\x1ba")) == "\0\x1ba"
    assert tokenizer.tokens == ("<unk>", "\\x00", "\\n", "\\x1b", "a", "b")


def test_half_a_surrogate_pair_is_refused(subwords: Tokenizer) -> None:
    for tokenizer in (ByteTokenizer(), subwords):
        with pytest.raises(DataError, match=r"at character 2, half of a surrogate pair"):
            tokenizer.encode("ab\ud800")
    assert CharacterTokenizer.train(["ab"]).encode("a\ud800").tolist() == [1, 0]


def test_ids_that_are_not_in_the_vocabulary_are_refused(subwords: Tokenizer) -> None:
    for kind in KINDS:
        tokenizer = any_tokenizer(kind, subwords)
        with pytest.raises(DataError, match=f"the id {tokenizer.size} is not in the vocabulary"):
            tokenizer.decode([0, tokenizer.size])
        with pytest.raises(DataError, match="the id -1"):
            tokenizer.decode(np.array([-1]))
        with pytest.raises(DataError, match="ids must be integers"):
            tokenizer.decode(np.zeros(3, np.float32))


def test_another_vocabulary_is_refused() -> None:
    tokenizer, other = (CharacterTokenizer.train([text]) for text in ("abc", "abd"))
    tokenizer.require_same(CharacterTokenizer.train(["cba"]).fingerprint, "model")
    with pytest.raises(DataError, match=r"model: was made with another vocabulary"):
        tokenizer.require_same(other.fingerprint, "model")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_stream_of_ids_gives_the_text(data: st.DataObject, subwords: Tokenizer) -> None:
    tokenizer = any_tokenizer(data.draw(st.sampled_from(KINDS)), subwords)
    ids = data.draw(st.lists(st.integers(0, tokenizer.size - 1), max_size=30))
    decoder = TextDecoder(tokenizer)
    assert "".join([*map(decoder.add, ids), decoder.finish()]) == tokenizer.decode(ids)


def test_a_stream_holds_back_half_a_character() -> None:
    decoder = TextDecoder(ByteTokenizer())
    assert [decoder.add(byte) for byte in "aé".encode()] == ["a", "", "é"]


def test_subwords_keep_line_breaks_and_symbols_apart() -> None:
    tokenizer = train_tokenizer(
        "subwords", [prose(200)], vocabulary_size=400, symbols=("<sep>",), control_symbols=("<s>",)
    )
    assert isinstance(tokenizer, SubwordTokenizer)
    ids = tokenizer.encode("a\n\nb<sep>c")
    assert [tokenizer.tokens[number] for number in ids].count("\\n") == 2
    assert ids.tolist().count(tokenizer.tokens.index("<sep>")) == 1
    # A control symbol stands for no text, and no text gives it.
    control = tokenizer.tokens.index("<s>")
    assert control not in tokenizer.encode("<s>") and tokenizer.decode([control]) == ""
    assert tokenizer.decode(tokenizer.encode("<s>")) == "<s>"


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_subwords_are_shorter_than_characters_and_the_same_every_time(model_type: str) -> None:
    text = prose(300)
    made = [
        train_tokenizer("subwords", [text], vocabulary_size=450, model_type=model_type)
        for _ in range(2)
    ]
    assert made[0].fingerprint == made[1].fingerprint
    assert made[0].size <= 450
    assert len(made[0].encode(text)) < 0.6 * len(text)
    assert made[0].decode(made[0].encode(text)) == text


def test_subwords_can_normalise() -> None:
    tokenizer = train_tokenizer(
        "subwords", [prose(100)], vocabulary_size=400, normalization="nmt_nfkc_cf"
    )
    assert tokenizer.decode(tokenizer.encode("ＡＢ c")) == "ab c"


def test_a_sample_of_a_long_text_is_drawn_by_the_seed() -> None:
    texts = [prose(100)] * 20
    one, again, other = (
        train_tokenizer("subwords", texts, vocabulary_size=400, sample_bytes=20_000, seed=seed)
        for seed in (1, 1, 2)
    )
    assert one.fingerprint == again.fingerprint != other.fingerprint


def test_one_long_line_makes_subwords() -> None:
    tokenizer = train_tokenizer("subwords", [prose(300).replace("\n", " ")], vocabulary_size=400)
    assert max(map(len, tokenizer.token_bytes)) > 3


def damage(folder: Path, **changes: object) -> None:
    file = folder / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "not a tokenizer of format 1"),
        ({"kind": "letters"}, "unknown kind 'letters'"),
        ({"tokens": None}, "not a list of texts"),
        ({"tokens": []}, "has 0 tokens"),
        ({"tokens": ["a", "a"]}, "has 2 tokens, 1 of them different"),
        ({"tokens": ["ab"]}, "'ab' is not one character"),
        ({"tokens": ["\ud800"]}, "is not one character"),
        ({"kind": "words", "tokens": ["a b"]}, "'a b' is not a word"),
        ({"kind": "words", "tokens": ["<unk>"]}, "is not a word"),
        ({"kind": "subwords"}, "does not exist"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    train_tokenizer("characters", ["ab"]).save(tmp_path)
    damage(tmp_path, **changes)
    with pytest.raises(DataError, match=words):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path, subwords: Tokenizer) -> None:
    with pytest.raises(DataError, match="there is no tokenizer"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[")
    with pytest.raises(DataError, match="is not JSON"):
        load_tokenizer(tmp_path)
    subwords.save(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"other")
    with pytest.raises(DataError, match="does not belong to the file tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(DataError, match="not a sentencepiece model"):
        SubwordTokenizer(b"\xff\xff\xff")


def test_tokenizers_import_neither_tensorflow_nor_pandas() -> None:
    script = (
        "import sys\nfrom pipelines.tokenizers import train_tokenizer\n"
        "train_tokenizer('characters', ['ab']).encode('ba')\n"
        "sys.exit(', '.join({'tensorflow', 'keras', 'pandas', 'sentencepiece'} & set(sys.modules))"
        " or 0)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
