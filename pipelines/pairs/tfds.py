"""Sentence pairs of TensorFlow datasets: ted_hrlr_translate, wmt*_translate, opus and others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.pairs.encoding import without_empty
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from pipelines.sources import Source
from pipelines.tensorflow_datasets import find_builder, load_prepared
from pipelines.text.tfds import VALIDATION_NAMES


def dataset_pairs(
    source: Source,
    data_dir: str | Path | None = None,
    source_language: str = "",
    target_language: str = "",
) -> PairParts:
    """The pairs of a TensorFlow dataset, read into memory.

    Each example is a dictionary with a sentence in each language ("translation" features), or has
    lists of languages and sentences, as in ted_multi_translate. Unless languages are requested,
    they are the `supervised_keys` of the dataset, in their order.

    If the source names no split, the parts are the splits of the dataset: "train" and, if they
    exist, "validation" and "test". If it names a split, that split is all training part.

    Args:
        source: name and split of the dataset.
        data_dir: folder of prepared datasets; see `load_prepared`.
        source_language, target_language: the requested languages, both or neither.

    Raises:
        DataError: see `load_prepared`; or the features are not translations.
    """
    split = source.split or "train"
    spec = load_prepared(source.name, split, data_dir).element_spec
    info = find_builder(source.name, data_dir).info
    languages = _languages(info, spec, str(source), source_language, target_language)

    def pairs(split: str) -> SentencePairs:
        return without_empty(_read(source.name, split, data_dir, languages))

    if source.split:
        return PairParts(pairs(source.split), None, None)
    validation = next((name for name in VALIDATION_NAMES if name in info.splits), None)
    return PairParts(
        pairs(split),
        pairs(validation) if validation else None,
        pairs("test") if "test" in info.splits else None,
    )


def _languages(
    info: Any, spec: Any, place: str, source_language: str, target_language: str
) -> tuple[str, str]:
    if not isinstance(spec, Mapping):
        raise DataError("has no features of sentences in two languages", file=place)
    if "translations" in spec:
        if not (source_language and target_language):
            raise DataError(
                "has many languages", file=place,
                advice="Name two: source_language and target_language.",
            )  # fmt: skip
        return source_language, target_language
    if source_language and target_language:
        names = source_language, target_language
    else:
        keys = info.supervised_keys
        if not keys or len(keys) < 2 or not all(isinstance(key, str) for key in keys[:2]):
            raise DataError(
                f"does not say which of {', '.join(spec)} are source and target",
                file=place,
                advice="Name them: source_language and target_language.",
            )
        names = keys[0], keys[1]
    for name in names:
        if name not in spec:
            raise DataError(f"has no {name!r} among {', '.join(spec)}", file=place)
    return names


def _read(
    name: str, split: str, data_dir: str | Path | None, languages: tuple[str, str]
) -> SentencePairs:
    place = f"tfds:{name}@{split}"
    report = DataReport(place)
    source, target, places = [], [], []
    examples = load_prepared(name, split, data_dir)
    for number, example in enumerate(examples.as_numpy_iterator()):
        report.rows += 1
        sentences = [_sentence(example, language) for language in languages]
        missing = [la for la, text in zip(languages, sentences, strict=True) if text is None]
        where = f"example {number}"
        if missing:
            report.note(f"examples without {missing[0]}", "left out", where)
            continue
        texts = []
        for text in sentences:
            try:
                texts.append((text or b"").decode("utf-8"))
            except UnicodeDecodeError as error:
                raise DataError(
                    f"example {number} is not UTF-8 at byte {error.start} ({error.reason})",
                    file=place,
                ) from None
        source.append(texts[0])
        target.append(texts[1])
        places.append(where)
    return SentencePairs(tuple(source), tuple(target), place, tuple(places), report, languages)


def _sentence(example: Mapping[str, Any], language: str) -> bytes | None:
    if "translations" not in example:
        content: bytes = example[language]
        return content
    there = example["translations"]
    for name, text in zip(there["language"], there["translation"], strict=True):
        if name.decode() == language:
            sentence: bytes = text
            return sentence
    return None
