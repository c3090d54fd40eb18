"""Words as units: the unknown word is learnt and scored; what is written joins the prompt."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from language_setup import untrained_run

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.text.corpus import MemoryText
from pipelines.text.encoding import encode_corpus
from pipelines.tokenizers import TextDecoder, WordTokenizer, train_tokenizer
from pipelines.tokenizers.in_graph import graph_tokenizer
from rnn_apps.edge import EdgeLanguageModel, SamplingConfig
from rnn_apps.language_modelling import Run
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.language_modelling.network.capabilities import check_capabilities
from rnn_apps.language_modelling.training_run import fit_run
from rnn_apps.language_modelling.understood import shared_lines, understood
from rnn_apps.language_modelling.writing import WritingConfig

TEXT = "the cat sat on the mat of a <unk>\nand a dog of the land ate it all\n" * 60
GREEDY = SamplingConfig(temperature=0)
PROMPTS = ["the cat", "the cat ", "the cat\n", "the <unk> of", "", "\n"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return untrained_run(tmp_path_factory.mktemp("words"), TEXT, kind="words")


@pytest.fixture(scope="module")
def expected(run: Run) -> list[str]:
    return run.generate(PROMPTS, WritingConfig(12, GREEDY))


def read_again(run: Run, prompt: str, text: str) -> list[int]:
    return run.tokenizer.encode(prompt + text).tolist()


def test_prompt_and_text_join_to_what_was_written(run: Run, expected: list[str]) -> None:
    assert expected[0].startswith((" ", "\n"))
    assert not expected[1].startswith(" ") and not expected[2].startswith(" ")
    for prompt, text in zip(PROMPTS, expected, strict=True):
        # Nothing runs into the prompt's last word: the joined text has all tokens of both.
        tokens = run.tokenizer.encode(prompt).tolist()
        assert read_again(run, prompt, text)[: len(tokens)] == tokens
        assert len(read_again(run, prompt, text)) == len(tokens) + 12
        assert "".join(run.stream(prompt, WritingConfig(12, GREEDY))) == text
    [beam] = run.generate("the cat", WritingConfig(5, GREEDY, beam=2))
    assert len(read_again(run, "the cat", beam)) == 2 + 5


def test_a_word_that_ends_a_beam_is_written_as_a_word(run: Run) -> None:
    # The most probable word after the prompt ends the text at once.
    [first] = run.generate("the cat", WritingConfig(1, GREEDY))
    [beam] = run.generate("the cat", WritingConfig(5, GREEDY, beam=1, stop=first.strip()))
    assert beam == first == f" {first.strip()}"
    with pytest.raises(ConfigurationError, match=r"repetition_penalty = 3\.0 goes with drawing"):
        WritingConfig(5, SamplingConfig(repetition_penalty=3.0), beam=2)


def test_a_device_and_a_server_write_the_same(
    run: Run, expected: list[str], tmp_path: Path
) -> None:
    found = run.export(tmp_path / "exported", ("saved_model", "tflite"))
    assert [row[4] for row in found["table"]["rows"]] == [True, True]
    device = EdgeLanguageModel(tmp_path / "exported")
    assert ["".join(device.write(prompt, 12, GREEDY)) for prompt in PROMPTS] == expected
    loaded = tf.saved_model.load(str(tmp_path / "exported" / "saved_model"))
    outputs = loaded.signatures["generate"](
        prompt=tf.constant(PROMPTS), most_tokens=tf.constant(12), temperature=tf.constant(0.0),
        top_k=tf.constant(0), top_p=tf.constant(1.0), repetition_penalty=tf.constant(1.0),
        seed=tf.constant(0),
    )  # fmt: skip
    assert [text.decode() for text in outputs["text"].numpy()] == expected
    scored = loaded.signatures["score"](text=tf.constant(["the <unk> of", "the ship of"]))
    assert scored["unknown"].numpy().tolist() == [0, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in the vocabulary"):
        loaded.signatures["generate"](
            prompt=tf.constant(["the ship"]), most_tokens=tf.constant(2),
            temperature=tf.constant(0.0), top_k=tf.constant(0), top_p=tf.constant(1.0),
            repetition_penalty=tf.constant(1.0), seed=tf.constant(0),
        )  # fmt: skip


def test_the_unknown_word_of_a_text_can_be_scored(run: Run) -> None:
    scored = run.score("the <unk> of")
    assert [one.token for one in scored] == ["the", "<unk>", "of"]
    assert scored[1].log_probability is not None
    with pytest.raises(DataError, match=r"'ship' at character 4\. Write <unk> for a word"):
        run.score("the ship of")


def test_words_that_come_once_teach_the_unknown_word() -> None:
    text = "a b a b a once b\n"
    learning = train_tokenizer("words", [text], learn_unknown=True)
    assert isinstance(learning, WordTokenizer) and learning.words == ("a", "b")
    assert (learning.encode(text) == learning.unknown_id).sum() == 1
    # A text that has <unk>, or a vocabulary that leaves words out, teaches it already.
    assert "once" in train_tokenizer("words", [f"{text} <unk>"], learn_unknown=True).tokens
    few = train_tokenizer("words", [text + "c c"], vocabulary_size=5, learn_unknown=True)
    assert few.tokens == ("<unk>", "<eos>", "b", "a", "c") or "c" in few.tokens
    assert "once" in train_tokenizer("words", [text]).tokens
    # Where every word comes once, there would be nothing left.
    assert len(train_tokenizer("words", ["all words differ"], learn_unknown=True).tokens) == 5


@pytest.mark.parametrize(("minimum_count", "words"), [(0, 3), (1, 4)])
def test_a_run_learns_the_unknown_word(tmp_path: Path, minimum_count: int, words: int) -> None:
    (tmp_path / "text.txt").write_text("a b c a b\n" * 8 + "rare\n", encoding="utf-8")
    config = LanguageModellingConfig(
        data=f"file:{tmp_path / 'text.txt'}", run=str(tmp_path / "run"), split="1,0,0",
        tokenizer="words", minimum_count=minimum_count, batch_size=2, timesteps=8, units=4,
        layers=1, epochs=1, cell="gru",
    )  # fmt: skip
    from pipelines.tokenizers import load_tokenizer

    found = load_tokenizer(fit_run(config).path / "tokenizer")
    assert found.size == 2 + words


def test_a_minimum_count_is_not_ignored() -> None:
    with pytest.raises(ConfigurationError, match="minimum_count is of"):
        check_capabilities(LanguageModellingConfig(tokenizer="subwords", minimum_count=2))


def test_advice_knows_what_would_be_known() -> None:
    composed = train_tokenizer("characters", ["café noir\n"])
    with pytest.raises(DataError, match="is known in Unicode's normalisation form NFC: "):
        composed.encode_known("cafe\u0301")
    decomposed = train_tokenizer("characters", ["cafe\u0301 noir\n"])
    with pytest.raises(DataError, match="is known in Unicode's normalisation form NFD: "):
        decomposed.encode_known("café")
    with pytest.raises(DataError, match="normalisation form NFKC"):
        composed.encode_known("ｃafé")
    with pytest.raises(DataError, match="small letters only"):
        composed.encode_known("CAFÉ")
    with pytest.raises(DataError, match=r"'Ω' at character 0\. Leave it out"):
        composed.encode_known("Ω")


@pytest.mark.parametrize(("after", "text"), [("", "cat sat"), ("x", " cat sat"), ("x ", "cat sat")])
def test_subwords_that_begin_with_a_space_go_on_after_a_text(after: str, text: str) -> None:
    tokenizer = train_tokenizer(
        "subwords", ["the cat sat on the mat\n"] * 50, vocabulary_size=290, begin_with_space=True
    )
    ids = tokenizer.encode("cat sat")
    decoder = TextDecoder(tokenizer, after)
    assert "".join([*map(decoder.add, ids.tolist()), decoder.finish()]) == text
    [graph] = graph_tokenizer(tokenizer).decode(tf.constant([ids]), tf.constant([after]))
    assert graph.numpy().decode() == text


@pytest.mark.parametrize("after", ["", "x", "x ", "x\n", "x\u00a0", "\t", "two lines\nx"])
def test_a_stream_and_a_graph_go_on_alike_after_a_text(after: str) -> None:
    tokenizer = WordTokenizer(["a", "b"])
    for ids in ([2, 3, 1, 2], [1, 2], [0, 1, 1], [3]):
        decoder = TextDecoder(tokenizer, after)
        streamed = "".join([*map(decoder.add, ids), decoder.finish()])
        [graph] = graph_tokenizer(tokenizer).decode(tf.constant([ids]), tf.constant([after]))
        assert streamed == graph.numpy().decode()
        begins = not after or after[-1] in " \n\t"
        assert streamed == tokenizer.decode(ids) if begins else streamed.lstrip(" \n") != streamed
        assert np.array_equal(
            tokenizer.encode(after + streamed)[-len(ids) :], np.array(ids, np.int32)
        )


@pytest.mark.parametrize(("trained", "given"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_subwords_do_not_spell_out_another_normalisation_form(trained: str, given: str) -> None:
    text = "déjà vu à la fête, où l'été était élégant\n" * 40
    tokenizer = train_tokenizer(
        "subwords", [unicodedata.normalize(trained, text)], vocabulary_size=300
    )
    known = unicodedata.normalize(trained, "été élégant")
    assert len(tokenizer.encode_known(known)) < len(known) + 1
    with pytest.raises(DataError, match=f"form {trained} only.*Write it in Unicode"):
        tokenizer.encode_known(unicodedata.normalize(given, known))
    with pytest.raises(DataError, match="in small letters only"):
        tokenizer.encode_known("VU")
    # Other scripts are spelled out in either form.
    assert len(tokenizer.encode_known("Καλημέρα")) > 8


def test_lines_of_the_test_that_are_trained_on_are_said() -> None:
    train = MemoryText("".join(f"this is line number {n} of a text\n" for n in range(50)), "train")
    test = MemoryText(
        "this is line number 7 of a text\nthis one is nowhere else, I hope\nAnn\n", "x"
    )
    tokenizer = train_tokenizer("words", train.chunks(), learn_unknown=True)
    texts = {"train": train, "test": test}
    encoded = {name: encode_corpus(text, tokenizer) for name, text in texts.items()}
    lines = "\n".join(understood(encoded, tokenizer, texts))
    assert "50% of the lines of the test text are also in the training text" in lines
    assert "It begins: 'this is line number 0" in lines and "50 lines for training" in lines
    assert "such as" in lines and "% in test" in lines
    assert shared_lines(train, MemoryText("Ann\nBob\n", "names")) == 0.0
