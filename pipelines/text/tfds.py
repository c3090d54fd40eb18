"""TensorFlow datasets (tfds:NAME) as text: lm1b, wiki40b, tiny_shakespeare and similar ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.sources import Source
from pipelines.tensorflow_datasets import find_builder, load_prepared, prepared_state
from pipelines.text.corpus import MemoryText, TextCorpus, TextParts, part_name
from pipelines.text.line_ends import LineEnds

if TYPE_CHECKING:
    import tensorflow as tf

TEXT_NAMES = ("text", "article", "content", "document", "sentence")
"""Names of the text feature in order of preference; else the only feature of strings is used."""

VALIDATION_NAMES = ("validation", "valid", "dev")

DOCUMENTS_TO_SLICE = 1000
"""Fewer documents are cut as one text: shares of whole documents would be too coarse."""


@dataclass(frozen=True)
class _Documents:
    """Documents [start, stop) of a split; `stop` is None for all that follow."""

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

    The content of a document, such as the markers _START_ARTICLE_ of wiki40b, is not changed,
    except that line ends are read as \\n.

    Args:
        documents: documents that make up the text.
        version: version of the prepared data, which becomes part of the fingerprint.
        name: name of the source, for messages.
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
        """See `TextCorpus.part`; if there are many documents, borders lie between them."""
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

    If the source names no split, the parts are the splits of the dataset: "train" and, if they
    exist, "validation" and "test". If it names a split, that split is all training part.

    Args:
        source: name and split of the dataset.
        data_dir: folder of prepared datasets; see `load_prepared`.
        text_feature: name of the feature that has the text, "outer/inner" inside a dictionary; ""
            to find it.

    Raises:
        DataError: see `load_prepared`; or no feature has text.
    """
    split = source.split or "train"
    spec = load_prepared(source.name, split, data_dir).element_spec
    builder = find_builder(source.name, data_dir)
    info = builder.info
    feature = _text_feature(spec, text_feature, str(source))
    version = f"{info.full_name} {prepared_state(builder)}"

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
        for name, feature in flat.items()
        if isinstance(feature, tf.TensorSpec)
        and feature.dtype == tf.string
        and feature.shape.rank == 0
    ]
    if wanted and wanted in texts:
        return wanted
    if wanted:
        raise DataError(
            f"has no text feature {wanted!r} among {', '.join(flat) or 'none'}", file=place
        )
    candidates = [name for name in TEXT_NAMES if name in texts] or texts
    if not candidates or (len(texts) > 1 and candidates is texts):
        listed = ", ".join(texts) if texts else f"none among {', '.join(flat)}"
        raise DataError(
            f"has no single feature of text: {listed}",
            file=place,
            advice="Name it with text_feature.",
        )
    return candidates[0]


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
