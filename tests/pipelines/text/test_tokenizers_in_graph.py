"""Tokenizers as TensorFlow operations give what the Python ones give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.tokenizers import Tokenizer, train_tokenizer
from pipelines.tokenizers.in_graph import GraphTokenizer, graph_tokenizer

TEXT = "the cat sat on the mat\nthe naïve Жук 蛇 🐍 \ufffd sat\n\0\t" * 40
KINDS = ("bytes", "characters", "words", "subwords", "bpe")
ROOT = Path(__file__).parents[3]

# Much that is in the vocabularies, and anything else.
TEXTS = st.lists(
    st.text(st.sampled_from("the catsno \n\t\r\f\v\0蛇🐍é<unk>")) | st.text(), max_size=5
)
MADE: dict[str, tuple[Tokenizer, GraphTokenizer]] = {}


def both(kind: str) -> tuple[Tokenizer, GraphTokenizer]:
    if kind not in MADE:
        model = {"subwords": "unigram", "bpe": "bpe"}.get(kind)
        tokenizer = (
            train_tokenizer("subwords", [TEXT], vocabulary_size=300, model_type=model)
            if model
            else train_tokenizer(kind, [TEXT])
        )
        MADE[kind] = tokenizer, graph_tokenizer(tokenizer)
    return MADE[kind]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(texts=TEXTS)
def test_texts_are_encoded_alike(kind: str, texts: list[str]) -> None:
    tokenizer, in_graph = both(kind)
    encoded = in_graph.encode(tf.constant([text.encode() for text in texts], tf.string))
    assert encoded.dtype == tf.int32 and encoded.shape.rank == 2
    assert encoded.to_list() == [tokenizer.encode(text).tolist() for text in texts]
    decoded = in_graph.decode(encoded).numpy().tolist()
    assert decoded == [tokenizer.decode(tokenizer.encode(text)).encode() for text in texts]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_ids_are_decoded_alike(kind: str, data: st.DataObject) -> None:
    tokenizer, in_graph = both(kind)
    ids = st.lists(st.integers(0, tokenizer.size - 1), max_size=12)
    rows = data.draw(st.lists(ids, min_size=1, max_size=4))
    decoded = in_graph.decode(tf.ragged.constant(rows, tf.int32, ragged_rank=1)).numpy()
    assert decoded.tolist() == [tokenizer.decode(row).encode() for row in rows]
    row = data.draw(st.lists(st.integers(0, tokenizer.size - 1), min_size=3, max_size=3))
    dense = in_graph.decode(tf.constant([row, row], tf.int32)).numpy()
    assert dense.tolist() == [tokenizer.decode(row).encode()] * 2


@pytest.mark.parametrize("kind", ["characters", "words", "subwords"])
def test_bytes_that_are_no_utf8_are_read_as_a_replacement(kind: str) -> None:
    tokenizer, in_graph = both(kind)
    bad = b"the \xff\xfe cat \xe8\x9b"
    encoded = in_graph.encode(tf.constant([bad]))
    if kind == "words":
        # Words are compared as bytes; what is no UTF-8 is no word of the vocabulary.
        the, cat = tokenizer.encode("the cat").tolist()
        assert encoded.to_list() == [[the, 0, cat, 0]]
    else:
        assert encoded.to_list()[0] == tokenizer.encode(bad.decode(errors="replace")).tolist()


LOADED = """
import sys
import numpy as np
if sys.argv[2] == "subwords":
    import tensorflow_text
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
assert "pipelines" not in sys.modules
texts = tf.constant(["the cat sat \\u86c7", "", "mat\\nthe"])
print(served.encode(texts).to_list())
print([text.decode() for text in served.decode(served.encode(texts)).numpy()])
"""


class Served(tf.Module):
    def __init__(self, tokenizer: GraphTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self.tokenizer.encode(texts)

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
    def decode(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return self.tokenizer.decode(ids)


@pytest.mark.parametrize(
    "kind", ["characters", pytest.param("words", marks=pytest.mark.slow), "subwords"]
)
def test_a_saved_model_holds_the_vocabulary(kind: str, tmp_path: Path) -> None:
    tokenizer, _ = both(kind)
    tf.saved_model.save(Served(graph_tokenizer(tokenizer)), str(tmp_path / "served"))
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(tmp_path / "served"), kind],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    texts = ["the cat sat 蛇", "", "mat\nthe"]
    expected = [tokenizer.encode(text).tolist() for text in texts]
    assert done.stdout.splitlines() == [
        str(expected),
        str([tokenizer.decode(np.array(row, np.int32)) for row in expected]),
    ]
