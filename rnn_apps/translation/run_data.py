"""The sentence pairs of a run: what it is trained, chosen and judged on, and other pairs."""

from __future__ import annotations

from pipelines.base.errors import UserError
from pipelines.pairs.encoding import without_empty
from pipelines.pairs.loading import load_all, load_pairs, require_direction
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from rnn_apps.application.own_data import OwnData
from rnn_apps.translation.config import TranslationConfig

PAIRS = "pairs.json"
"""What a run was trained on, with its fingerprint."""


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
            seed=config.seed,
        )

    def present(self) -> tuple[str, ...]:
        """See `OwnData`."""
        return tuple(part for part in self.parts if getattr(self.whole, part) is not None)

    def part(self, name: str) -> SentencePairs:
        """See `OwnData`."""
        self.require(name)
        pairs: SentencePairs = getattr(self.whole, name)
        return pairs

    def other(self, data: str | SentencePairs) -> SentencePairs:
        """Reads pairs that are not the run's own, all of them.

        Raises:
            DataError: they cannot be read, or state other languages than the training pairs.
        """
        config = self._config
        if isinstance(data, SentencePairs):
            return without_empty(data)
        found = load_all(
            data,
            data_dir=config.data_dir,
            source_language=config.source_language,
            target_language=config.target_language,
            source_column=config.source_column,
            target_column=config.target_column,
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
