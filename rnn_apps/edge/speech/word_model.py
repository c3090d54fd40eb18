"""An n-gram model of words for decoding, read from an ARPA file: NumPy is not even needed.

The format is SRILM's (Stolcke 2002): a line holds log10 p(word | words before), the words, and the
weight with which the words before pass on to shorter contexts (Katz 1987).
"""

from __future__ import annotations

import functools
import gzip
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.base.atomic_files import write_text
from pipelines.base.errors import DataError

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
# Where a file has no <unk>: as unlikely as one word in ten million.
_UNKNOWN_LOG10 = -7.0
_NATS = math.log(10)
_FILES_KEPT = 2

Words = tuple[str, ...]
# n-gram -> (log10 probability, log10 of the weight that it passes on with).
Table = dict[Words, tuple[float, float]]


class WordModel:
    """p(word | words before) with Katz' weights; one word after another.

    Args:
        tables: n-grams of each order, from 1 on, with log10 probabilities.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = list(tables)
        self.order = len(self.tables)

    @functools.cached_property
    def beginnings(self) -> frozenset[bytes]:
        """Everything that a known word begins with, in UTF-8, whole words included."""
        words = (word.encode() for (word,) in self.tables[0] if word not in (BEGIN, END, UNKNOWN))
        return frozenset(word[:length] for word in words for length in range(1, len(word) + 1))

    def start(self) -> Words:
        """The state at the beginning of a sentence."""
        return (BEGIN,)[: self.order - 1]

    def knows(self, word: str) -> bool:
        """Whether the word is in the vocabulary."""
        return (word,) in self.tables[0]

    def score(self, state: Words, word: str) -> tuple[Words, float]:
        """The state after one more word, and the word's log probability in nats."""
        if not self.knows(word):
            word = UNKNOWN
        found = self._log10(state, word)
        following = (*state, word)
        return following[-(self.order - 1) :] if self.order > 1 else (), found * _NATS

    def finish(self, state: Words) -> float:
        """The log probability in nats that the sentence ends here."""
        return self._log10(state, END) * _NATS if self.knows(END) else 0.0

    def _log10(self, state: Words, word: str) -> float:
        passed_on = 0.0
        for begin in range(len(state) + 1):
            context = state[begin:]
            entry = self.tables[len(context)].get((*context, word))
            if entry is not None:
                return passed_on + entry[0]
            if context:
                passed_on += self.tables[len(context) - 1].get(context, (0.0, 0.0))[1]
        return passed_on + _UNKNOWN_LOG10

    def log_probability(self, sentence: str) -> float:
        """Of a whole sentence with its end, in nats."""
        state, total = self.start(), 0.0
        for word in sentence.split():
            state, found = self.score(state, word)
            total += found
        return total + self.finish(state)

    def save(self, path: str | Path) -> None:
        """Writes the model as an ARPA file."""
        lines = ["\\data\\", *(f"ngram {n}={len(t)}" for n, t in enumerate(self.tables, 1)), ""]
        for order, table in enumerate(self.tables, 1):
            lines.append(f"\\{order}-grams:")
            for words, (log10, weight) in table.items():
                passed = f"\t{weight:.7g}" if weight and order < self.order else ""
                lines.append(f"{log10:.7g}\t{' '.join(words)}{passed}")
            lines.append("")
        write_text(path, "\n".join([*lines, "\\end\\", ""]))


def read_arpa(path: str | Path) -> WordModel:
    """Reads an ARPA file, also one that is packed with gzip; the same file is read once.

    Raises:
        DataError: names the file and the line that cannot be read.
    """
    try:
        status = Path(path).stat()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None
    return _read(Path(path).absolute(), status.st_mtime_ns, status.st_size)


@functools.lru_cache(_FILES_KEPT)
def _read(path: Path, changed: int, size: int) -> WordModel:
    tables: list[Table] = []
    announced: dict[int, int] = {}
    section = ""
    row = 0
    for row, line in _lines(path):
        if line.startswith("\\"):
            section = line
            if section == "\\end\\":
                break
            if section != "\\data\\":
                if section != f"\\{len(tables) + 1}-grams:":
                    raise DataError(f"{line!r} is not the next part", file=path, row=row)
                tables.append({})
        elif section == "\\data\\":
            _announce(announced, line, path, row)
        elif tables:
            words, entry = _entry(line, len(tables), path, row)
            tables[-1][words] = entry
    if section != "\\end\\":
        raise DataError(
            "has no line \\end\\: it is not an ARPA file, or its end is missing", file=path, row=row
        )
    for order, table in enumerate(tables, 1):
        if announced.get(order, len(table)) != len(table):
            raise DataError(
                f"announces {announced[order]} {order}-grams and holds {len(table)}", file=path
            )
    if not tables or not tables[0]:
        raise DataError("holds no words", file=path)
    return WordModel(tables)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            for row, line in enumerate(file, start=1):
                if line.strip():
                    yield row, line.strip()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", file=path) from None


def _announce(announced: dict[int, int], line: str, path: str | Path, row: int) -> None:
    name, _, count = line.removeprefix("ngram").partition("=")
    try:
        announced[int(name)] = int(count)
    except ValueError:
        raise DataError(f"{line!r} is not 'ngram ORDER=COUNT'", file=path, row=row) from None


def _entry(line: str, order: int, path: str | Path, row: int) -> tuple[Words, tuple[float, float]]:
    parts = line.split()
    try:
        if not order + 1 <= len(parts) <= order + 2:
            raise ValueError
        log10 = float(parts[0])
        weight = float(parts[order + 1]) if len(parts) == order + 2 else 0.0
    except ValueError:
        raise DataError(
            f"{line!r} is not a number, {order} word{'s' * (order > 1)} and maybe a number",
            file=path,
            row=row,
        ) from None
    if math.isnan(log10) or math.isnan(weight):
        raise DataError(f"{line!r} holds NaN", file=path, row=row)
    return tuple(parts[1 : order + 1]), (log10, weight)


def perplexity(model: WordModel, sentences: Mapping[str, int] | Sequence[str]) -> float:
    """Of a word, sentence ends included, over sentences (or sentences with their counts)."""
    counted = sentences if isinstance(sentences, Mapping) else Counter(sentences)
    total = sum(count * model.log_probability(text) for text, count in counted.items())
    words = sum(count * (len(text.split()) + 1) for text, count in counted.items())
    return math.exp(-total / max(1, words))
