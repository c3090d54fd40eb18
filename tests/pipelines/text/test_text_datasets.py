"""TensorFlow datasets as text: sets prepared here, and the published ones by their features."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds

from pipelines import DataError, TextCorpus, load_text
from pipelines.sources import parse_source
from pipelines.text.tfds import dataset_parts


class RnnAppsArticles(tfds.core.GeneratorBasedBuilder):
    """As wiki40b: many documents, an id beside the text; as lm1b: no validation part."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        features = {"wikidata_id": tfds.features.Text(), "text": tfds.features.Text()}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(0, 1500), "test": self._generate_examples(0, 3)}

    def _generate_examples(self, first: int, last: int) -> Iterator[tuple[int, dict[str, str]]]:
        for number in range(first, last):
            yield number, {"wikidata_id": f"Q{number}", "text": f"article {number}"}


class RnnAppsPlay(tfds.core.GeneratorBasedBuilder):
    """As tiny_shakespeare: one document a part; and bad texts."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        features = tfds.features.FeaturesDict({"play": {"speech": tfds.features.Text()}})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        speech = "".join(f"line {number}\n" for number in range(100))
        texts = {"train": speech, "validation": "to be\n", "latin": b"caf\xe9", "nul": b"ab\0"}
        return {split: self._generate_examples(text) for split, text in texts.items()}

    def _generate_examples(self, text: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        yield 0, {"play": {"speech": text}}


class RnnAppsTwoTexts(tfds.core.GeneratorBasedBuilder):
    """Two features of text of which none has a usual name."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        features = {"question": tfds.features.Text(), "answer": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, str]]]:
        yield 0, {"question": "Why?", "answer": "So."}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tfds")
    for builder in (RnnAppsArticles, RnnAppsPlay, RnnAppsTwoTexts):
        builder(data_dir=folder).download_and_prepare()
    return str(folder)


def read(corpus: TextCorpus | None) -> str:
    assert corpus is not None
    return "".join(corpus.chunks())


def test_documents_are_joined_by_line_breaks_and_split_between_them(data_dir: str) -> None:
    parts = load_text("tfds:rnn_apps_articles", data_dir=data_dir, split="0.8,0.2,0")
    train, validation = read(parts.train).splitlines(), read(parts.validation).splitlines()
    assert train + validation == [f"article {number}" for number in range(1500)]
    assert len(validation) == 300
    # The set has a test part of its own, and no validation part.
    assert read(parts.test) == "article 0\narticle 1\narticle 2\n"
    assert parts.train.report.count("documents") == 1200


def test_a_set_that_is_prepared_anew_or_elsewhere_is_another_text(
    data_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(folder: Path) -> str:
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
        source = parse_source("tfds:rnn_apps_two_texts")
        return dataset_parts(source, text_feature="answer").train.fingerprint

    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        shutil.copytree(Path(data_dir) / "rnn_apps_two_texts", folder / "rnn_apps_two_texts")
    before = fingerprint(first)
    assert fingerprint(first) == before != fingerprint(second)
    [shard] = first.rglob("*tfrecord*")
    os.utime(shard, ns=(1, 1))
    assert fingerprint(first) != before


def test_a_named_split_is_cut_by_shares(data_dir: str) -> None:
    parts = load_text("tfds:rnn_apps_articles@train[:1200]", data_dir=data_dir, split="0.5,0.5,0")
    assert read(parts.validation).splitlines()[0] == "article 600"
    assert len(read(parts.validation).splitlines()) == 600 and parts.test is None
    few = load_text("tfds:rnn_apps_articles@test", data_dir=data_dir, split="0.6,0.4,0")
    assert (read(few.train), read(few.validation)) == ("article 0\narticle 1\n", "article 2\n")


def test_parts_of_its_own_are_kept(data_dir: str) -> None:
    parts = load_text("tfds:rnn_apps_play", data_dir=data_dir)
    assert len(read(parts.train).splitlines()) == 100
    assert read(parts.validation) == "to be\n" and parts.test is None
    other = load_text("tfds:rnn_apps_articles", validation="tfds:rnn_apps_play", data_dir=data_dir)
    assert len(read(other.train).splitlines()) == 1500
    assert read(other.validation) == "to be\n"


def test_the_feature_of_text_is_found_or_named(data_dir: str) -> None:
    with pytest.raises(DataError, match=r"no single feature of text: .*question.*Name it"):
        load_text("tfds:rnn_apps_two_texts", data_dir=data_dir)
    parts = load_text(
        "tfds:rnn_apps_two_texts", data_dir=data_dir, text_feature="answer", split="1,0,0"
    )
    assert read(parts.train) == "So.\n"
    with pytest.raises(DataError, match="has no text feature 'reply' among"):
        load_text("tfds:rnn_apps_two_texts", data_dir=data_dir, text_feature="reply")


def test_bad_documents_are_refused_with_their_number(data_dir: str) -> None:
    with pytest.raises(DataError, match=r"@latin: document 0 is not UTF-8 at byte 3"):
        read(load_text("tfds:rnn_apps_play@latin", data_dir=data_dir, split="1,0,0").train)
    with pytest.raises(DataError, match=r"@nul: document 0 holds NUL at character 2"):
        read(load_text("tfds:rnn_apps_play@nul", data_dir=data_dir, split="1,0,0").train)


def test_a_set_that_is_not_prepared_is_refused(data_dir: str) -> None:
    with pytest.raises(DataError, match="is not prepared in"):
        load_text("tfds:lm1b", data_dir=data_dir)


@pytest.mark.parametrize("name", ["lm1b", "wiki40b/en", "tiny_shakespeare"])
def test_the_published_sets_have_the_features_that_are_read(name: str, tmp_path: Path) -> None:
    # Their builders' features with random content, without a network. A mock has no split sizes.
    with tfds.testing.mock_data(num_examples=3, data_dir=str(tmp_path)):
        builder = tfds.builder(name, data_dir=str(tmp_path))
        Path(builder.data_path).mkdir(parents=True, exist_ok=True)
        parts = load_text(f"tfds:{name}", data_dir=str(tmp_path), split="0.5,0.5,0")
        assert read(parts.train).strip() and read(parts.validation).strip()
