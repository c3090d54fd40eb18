"""The texts of a run: the parts of what it was trained on, and others read as those were."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipelines.text.corpus import TextCorpus, TextParts
from pipelines.text.encoding import TokenArray, encode_corpus
from pipelines.text.loading import column_for, load_text
from pipelines.tokenizers.tokenizer import Tokenizer
from rnn_apps.application.own_data import OwnData
from rnn_apps.language_modelling.config import LanguageModellingConfig

TEXT = "text.json"
"""What a run was trained on, with its fingerprint."""


class OwnText(OwnData[str | TextCorpus, TextParts, TextCorpus]):
    """The texts that a run is trained, chosen and judged on.

    Args:
        config: configuration of the run.
        data: text that the run is trained on, where `config.data` does not name it.
    """

    unnamed = "no text is named"
    lost = "a text in memory, which is not kept"
    nothing_held_out = "no text was held out"
    address = "--data file:PATH"

    def __init__(self, config: LanguageModellingConfig, data: str | TextCorpus = "") -> None:
        super().__init__(data or config.data)
        self.config = config

    def read(self, source: str | TextCorpus) -> TextParts:
        """See `OwnData`."""
        config = self.config
        return load_text(
            source, data_dir=config.data_dir, split=config.split, validation=config.validation,
            test=config.test, text_feature=config.text_feature, text_column=config.text_column,
            file_endings=config.file_endings,
        )  # fmt: skip

    def present(self) -> tuple[str, ...]:
        """See `OwnData`."""
        return tuple(part for part in self.parts if getattr(self.whole, part) is not None)

    def part(self, name: str) -> TextCorpus:
        """See `OwnData`."""
        self.require(name)
        corpus: TextCorpus = getattr(self.whole, name)
        return corpus


class RunText(OwnText):
    """The texts of a trained run as tokens of its vocabulary.

    Args:
        config: configuration of the run.
        tokenizer: vocabulary of the run.
        folder: folder in which encoded texts are kept; a temporary one takes its place if it
            cannot be written to.
        data: text that the run was trained on, where `config.data` does not name it.
    """

    def __init__(
        self,
        config: LanguageModellingConfig,
        tokenizer: Tokenizer,
        folder: Path,
        data: str | TextCorpus = "",
    ) -> None:
        super().__init__(config, data)
        self._tokenizer = tokenizer
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def tokens(self, part: str) -> TokenArray:
        """A part of the run's own text.

        Raises:
            UserError: there is no such part, or the run's text is gone.
            DataError: it cannot be read.
        """
        return self.encode(self.part(part))

    def other(self, data: str | TextCorpus, text_column: str = "") -> TextCorpus:
        """The whole of another text; of a source with parts of its own, its test part.

        Args:
            data: address of the text, or the text itself.
            text_column: column of records that has the text; empty for that of the training.

        Raises:
            DataError: it cannot be read.
        """
        endings = self.config.file_endings
        column = text_column or column_for(data, self.config.text_column, endings)
        parts = load_text(
            data, data_dir=self.config.data_dir, split="1,0,0",
            text_feature=self.config.text_feature, text_column=column, file_endings=endings,
        )  # fmt: skip
        return parts.test or parts.validation or parts.train

    def encode(self, corpus: TextCorpus) -> TokenArray:
        """A text as tokens of the run's vocabulary; unknown tokens are counted."""
        try:
            self._folder.mkdir(exist_ok=True)
            return encode_corpus(corpus, self._tokenizer, self._folder)
        except OSError:
            # A model that came with the package may lie where nothing can be written.
            self._temporary = self._temporary or tempfile.TemporaryDirectory()
            return encode_corpus(corpus, self._tokenizer, self._temporary.name)
