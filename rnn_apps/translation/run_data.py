"""The sentence pairs of a run, read when they are asked for."""

from __future__ import annotations

import functools

from pipelines.base.errors import ConfigurationError, UserError
from pipelines.pairs.encoding import without_empty
from pipelines.pairs.loading import load_all, load_pairs, require_direction
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from rnn_apps.translation.config import TranslationConfig

PARTS = ("train", "validation", "test")
PAIRS = "pairs.json"
"""What a run was trained on, with its fingerprint."""


class RunData:
    """The parts of a run's data.

    Args:
        config: names the data.
        data: a source, or pairs in memory, instead of `config.data`.
    """

    def __init__(self, config: TranslationConfig, data: str | SentencePairs = "") -> None:
        self._config = config
        self._data = data

    @functools.cached_property
    def parts(self) -> PairParts:
        """All parts.

        Raises:
            ConfigurationError: no data are named.
            DataError: they cannot be read.
        """
        return self.load(self._data or self._config.data)

    def load(self, data: str | SentencePairs) -> PairParts:
        """The parts of data, with this run's validation and test."""
        config = self._config
        if not data:
            raise ConfigurationError(
                "no sentence pairs are named. Say what to train on: --data file:SOURCE,TARGET"
            )
        return load_pairs(
            data,
            data_dir=config.data_dir,
            split=config.split,
            validation=config.validation,
            test=config.test,
            source_language=config.source_language,
            target_language=config.target_language,
            seed=config.seed,
        )

    def part(self, name: str = "") -> tuple[str, SentencePairs]:
        """A part and its name; by default test, or validation where there is no test part."""
        if name and name not in PARTS:
            raise UserError(f"part = {name!r}: choose from {', '.join(PARTS)}")
        for one in [name] if name else ["test", "validation"]:
            found: SentencePairs | None = getattr(self.parts, one)
            if found is not None:
                return one, found
        raise UserError(f"the run has no {name or 'test or validation'} part: name data")

    def other(self, data: str | SentencePairs) -> SentencePairs:
        """Pairs that are not the run's own, all of them.

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
        )
        require_direction(found, self._trained_languages())
        return found

    def _trained_languages(self) -> tuple[str, str]:
        """Those of the training pairs; "" where the pairs are gone or do not say."""
        try:
            return self.parts.train.languages
        except UserError:
            return "", ""
