"""The sentence pairs of a run: what it is trained, chosen and judged on, and other pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipelines.base.errors import UserError
from pipelines.pairs.loading import columns_for, load_all, load_pairs, require_direction
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from rnn_apps.application.own_data import OwnData
from rnn_apps.translation.config import TranslationConfig

PAIRS = "pairs.json"
"""What a run was trained on, with its fingerprint."""


@dataclass(frozen=True)
class JudgedAs:
    """How the pairs of an evaluation are read, where that differs from the training pairs.

    Attributes:
        references: files with further references, whose line n belongs to pair n.
        source_column, target_column: columns of the sentences in a table; several target columns,
            separated by commas, are several references. Empty for the columns of the training.
    """

    references: tuple[str | Path, ...] = ()
    source_column: str = ""
    target_column: str = ""

    @classmethod
    def asked(
        cls, references: str | Path | Sequence[str | Path], source_column: str, target_column: str
    ) -> Self:
        """As the attributes say; `references` may be one path as well as several."""
        listed = [references] if isinstance(references, str | Path) else references
        return cls(tuple(listed), source_column, target_column)


AS_TRAINED = JudgedAs()


class RunData(OwnData[str | SentencePairs, PairParts, SentencePairs]):
    """The sentence pairs that a run is trained, chosen and judged on.

    Args:
        config: configuration of the run.
        data: pairs that the run is trained on, where `config.data` does not name them.
    """

    unnamed = "no sentence pairs are named"
    lost = "pairs in memory, which are not kept"
    nothing_held_out = "no pairs were held out"
    address = "--data file:SOURCE,TARGET"

    def __init__(self, config: TranslationConfig, data: str | SentencePairs = "") -> None:
        super().__init__(data or config.data)
        self._config = config

    def read(self, source: str | SentencePairs) -> PairParts:
        """See `OwnData`."""
        config = self._config
        return load_pairs(
            source,
            data_dir=config.data_dir,
            split=config.split,
            validation=config.validation,
            test=config.test,
            source_language=config.source_language,
            target_language=config.target_language,
            source_column=config.source_column,
            target_column=config.target_column,
            seed=config.example_seed,
        )

    def present(self) -> tuple[str, ...]:
        """See `OwnData`."""
        return tuple(part for part in self.parts if getattr(self.whole, part) is not None)

    def part(self, name: str) -> SentencePairs:
        """See `OwnData`."""
        self.require(name)
        pairs: SentencePairs = getattr(self.whole, name)
        return pairs

    def judged(self, name: str, read: JudgedAs = AS_TRAINED) -> SentencePairs:
        """A part of the run's own pairs, with further references if `read` names files of them.

        Args:
            name: name of the part; see `require`.
            read: how the part is read.

        Raises:
            UserError: further references or columns are named for a part that was drawn from the
                data, so that its lines are not those of a file.
        """
        if read == AS_TRAINED:
            return self.part(name)
        self.require(name)
        source = {"validation": self._config.validation, "test": self._config.test}.get(name, "")
        if not source:
            raise UserError(
                f"the {name} part is not a file of its own, whose lines references or columns "
                f"could belong to: name pairs: {self.address}"
            )
        return self.other(source, read)

    def other(self, data: str | SentencePairs, read: JudgedAs = AS_TRAINED) -> SentencePairs:
        """Reads pairs that are not the run's own, all of them.

        Args:
            data: address of the pairs, or the pairs themselves.
            read: how they are read.

        Raises:
            DataError: they cannot be read, or state other languages than the training pairs.
        """
        config = self._config
        trained = config.source_column, config.target_column
        columns = read.source_column, read.target_column
        if any(columns):
            # Who names further target columns need not repeat the source column.
            columns = columns[0] or trained[0], columns[1] or trained[1]
        else:
            columns = columns_for(data, trained)
        found = load_all(
            data,
            data_dir=config.data_dir,
            source_language=config.source_language,
            target_language=config.target_language,
            source_column=columns[0],
            target_column=columns[1],
            references=read.references,
        )
        self.require_same_direction(found)
        return found

    def require_same_direction(self, pairs: SentencePairs) -> None:
        """Refuses pairs that state other languages than the training pairs.

        Raises:
            DataError: a known language differs.
        """
        require_direction(pairs, self._trained_languages())

    def _trained_languages(self) -> tuple[str, str]:
        """The languages of the training pairs; "" where the pairs are gone or do not say."""
        try:
            return self.whole.train.languages
        except UserError:
            return "", ""
