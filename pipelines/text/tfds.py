"""TensorFlow datasets (tfds:NAME) as text: lm1b, wiki40b, tiny_shakespeare and their like."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.sources import Source
from pipelines.tensorflow_datasets import find_builder, load_prepared
from pipelines.text.corpus import MemoryText, TextCorpus, part_name
from pipelines.text.line_ends import LineEnds
from pipelines.text.loading import TextParts

if TYPE_CHECKING:
    import tensorflow as tf

TEXT_NAMES = ("text", "article", "content", "document", "sentence")
"""Features that are taken for the text, the first that there is; else the only one of strings."""

VALIDATION_NAMES = ("validation", "valid", "dev")

DOCUMENTS_TO_SLICE = 1000
"""Fewer documents than this are cut as one text: a share of whole documents would be too coarse."""


@dataclass(frozen=True)
class _Documents:
    """Documents [start, stop) of a split; stop None: to the end."""

    name: str
    split: str
    data_dir: str | Path | None
    feature: str
    start: int = 0
    stop: int | None = None

    def texts(self) -> tf.data.Dataset:
        """The texts of the documents, in stored order."""
        examples = load_prepared(self.name, self.split, self.data_dir).skip(self.start)
        if self.stop is not None:
            examples = examples.take(self.stop - self.start)
        return examples.map(lambda example: _feature(example, self.feature))


class DatasetText(TextCorpus):
    """Documents of a TensorFlow dataset in stored order, each ended by a line break.

    What a document holds is left as it is, such as wiki40b's markers _START_ARTICLE_, but for line
    ends other than \\n, which are read as \\n.

    Args:
        documents: which.
        version: of the prepared data, part of the fingerprint.
        name: for messages.
    """

    def __init__(self, documents: _Documents, version: str, name: str) -> None:
        super().__init__(name, f"{documents} {version}")
        self._documents = documents
        self._version = version

    def _pieces(self, report: DataReport) -> Iterator[str]:
        number = -1
        for number, document in enumerate(self._documents.texts().as_numpy_iterator()):
            text = _decoded(document, self.name, self._documents.start + number)
            lines = LineEnds("\n")
            text = lines.read(text, final=True)
            place = f"document {self._documents.start + number}"
            report.note("Windows line ends", "read as line ends", place, lines.windows)
            report.note("lone carriage returns", "read as line ends", place, lines.lone)
            yield text if text.endswith("\n") else text + "\n"
        report.note("documents", "read, a line break after each", self.name, number + 1)

    def part(self, start: float, stop: float) -> TextCorpus:
        """See `TextCorpus.part`; the borders lie between documents if there are many."""
        documents = self._documents
        count = int(documents.texts().cardinality())
        if count < DOCUMENTS_TO_SLICE:
            return MemoryText("".join(self._pieces(DataReport())), self.name).part(start, stop)
        first, last = (documents.start + round(share * count) for share in (start, stop))
        chosen = dataclasses.replace(documents, start=first, stop=last)
        return DatasetText(chosen, self._version, part_name(self.name, start, stop))


def dataset_parts(
    source: Source, data_dir: str | Path | None = None, text_feature: str = ""
) -> TextParts:
    """The text of a TensorFlow dataset.

    If no split is named, the set's own parts are given: "train" and what there is of "validation"
    and "test". A split that is named is all there is.

    Args:
        text_feature: which feature holds the text, "outer/inner" in a dictionary; "": found out.

    Raises:
        DataError: see `load_prepared`; or no feature is a text.
    """
    split = source.split or "train"
    spec = load_prepared(source.name, split, data_dir).element_spec
    info = find_builder(source.name, data_dir).info
    feature = _text_feature(spec, text_feature, str(source))
    version = f"{info.full_name} {info.dataset_size}"

    def text(split: str) -> DatasetText:
        documents = _Documents(source.name, split, data_dir, feature)
        return DatasetText(documents, version, f"tfds:{source.name}@{split}")

    if source.split:
        return TextParts(text(source.split), None, None)
    validation = next((name for name in VALIDATION_NAMES if name in info.splits), None)
    return TextParts(
        text(split),
        text(validation) if validation else None,
        text("test") if "test" in info.splits else None,
    )


def _text_feature(spec: Any, wanted: str, place: str) -> str:
    import tensorflow as tf

    flat = dict(_flat(spec))
    texts = [
        name
        for name, one in flat.items()
        if isinstance(one, tf.TensorSpec) and one.dtype == tf.string and one.shape.rank == 0
    ]
    if wanted and wanted in texts:
        return wanted
    if wanted:
        raise DataError(
            f"has no text feature {wanted!r} among {', '.join(flat) or 'none'}", file=place
        )
    found = [name for name in TEXT_NAMES if name in texts] or texts
    if not found or (len(texts) > 1 and found is texts):
        listed = ", ".join(texts) if texts else f"none among {', '.join(flat)}"
        raise DataError(
            f"has no single feature of text: {listed}", file=place, advice="Name it: text_feature."
        )
    return found[0]


def _flat(spec: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(spec, Mapping):
        for name, inner in spec.items():
            yield from _flat(inner, f"{prefix}/{name}" if prefix else str(name))
    else:
        yield prefix, spec


def _feature(example: Any, path: str) -> tf.Tensor:
    for name in path.split("/") if path else []:
        example = example[name]
    return example


def _decoded(document: bytes, name: str, number: int) -> str:
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"document {number} is not UTF-8 at byte {error.start} ({error.reason})", file=name
        ) from None
    if "\0" in text:
        raise DataError(f"document {number} holds NUL at character {text.index(chr(0))}", file=name)
    return text
