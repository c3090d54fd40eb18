"""Sentence pairs of TensorFlow datasets: sets prepared here with the published ones' features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow_datasets as tfds

from pipelines.base.errors import DataError
from pipelines.pairs.loading import load_all, load_pairs

PAIRS = {"train": [("um cão", "a dog"), ("um gato", "a cat"), ("", "alone")],
         "validation": [("dois", "two")], "test": [("três", "three")]}  # fmt: skip


class RnnAppsTedPairs(tfds.core.GeneratorBasedBuilder):
    """As ted_hrlr_translate and wmt*_translate: a sentence in each language."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.Translation(languages=("pt", "en")),
            supervised_keys=("pt", "en"),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in PAIRS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, str]]]:
        for number, (first, second) in enumerate(PAIRS[split]):
            yield number, {"pt": first, "en": second}


class RnnAppsManyLanguages(tfds.core.GeneratorBasedBuilder):
    """As ted_multi_translate: lists of languages and sentences."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        features = tfds.features.TranslationVariableLanguages(languages=("pt", "en", "fr"))
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"translations": features}),
            disable_shuffling=True,
        )  # fmt: skip

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield 0, {"translations": {"en": "a dog", "fr": "un chien"}}
        yield 1, {"translations": {"en": "a cat", "pt": "um gato"}}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("prepared")
    for builder in (RnnAppsTedPairs, RnnAppsManyLanguages):
        builder(data_dir=str(folder)).download_and_prepare()
    return str(folder)


def test_a_datasets_own_parts_and_direction(data_dir: str) -> None:
    parts = load_pairs("tfds:rnn_apps_ted_pairs", data_dir=data_dir)
    assert parts.validation is not None and parts.test is not None
    assert parts.train.source == ("um cão", "um gato")
    assert parts.train.target == ("a dog", "a cat")
    assert parts.train.report.count("source side empty") == 1
    assert (parts.validation.source, parts.test.target) == (("dois",), ("three",))


def test_the_direction_may_be_named_and_a_split_is_all_there_is(data_dir: str) -> None:
    found = load_all(
        "tfds:rnn_apps_ted_pairs@test",
        data_dir=data_dir,
        source_language="en",
        target_language="pt",
    )
    assert (found.source, found.target) == (("three",), ("três",))
    with pytest.raises(DataError, match="has no 'de' among"):
        load_all("tfds:rnn_apps_ted_pairs", data_dir=data_dir,
                 source_language="en", target_language="de")  # fmt: skip


def test_of_many_languages_two_are_named(data_dir: str) -> None:
    name = "tfds:rnn_apps_many_languages@train"
    found = load_all(name, data_dir=data_dir, source_language="en", target_language="fr")
    assert (found.source, found.target) == (("a dog",), ("un chien",))
    assert found.report.count("examples without fr") == 1
    with pytest.raises(DataError, match="Name two"):
        load_all(name, data_dir=data_dir)
