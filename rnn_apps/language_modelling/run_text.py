"""The texts of a run: the parts of what it was trained on, and others read as those were."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipelines.base.errors import DataError, UserError
from pipelines.text.corpus import TextCorpus, TextParts
from pipelines.text.encoding import TokenArray, encode_corpus
from pipelines.text.loading import load_text
from pipelines.tokenizers.tokenizer import Tokenizer
from rnn_apps.language_modelling.config import LanguageModellingConfig

PARTS = ("train", "validation", "test")
TEXT = "text.json"
"""What a run was trained on, with its fingerprint."""


def own_parts(config: LanguageModellingConfig, data: str | TextCorpus) -> TextParts:
    """What a run is trained, chosen and judged on, read as its config says.

    Raises:
        DataError: the text cannot be used, or is too short for the split.
    """
    return load_text(
        data, data_dir=config.data_dir, split=config.split, validation=config.validation,
        test=config.test, text_feature=config.text_feature,
    )  # fmt: skip


class RunText:
    """The texts that a run is trained, chosen and judged on, read when they are asked for.

    Args:
        config: of the run.
        tokenizer: of the run.
        folder: where encoded texts are kept; a temporary one if that cannot be written to.
        data: what the run was trained on, where `config.data` does not name it.
    """

    def __init__(
        self,
        config: LanguageModellingConfig,
        tokenizer: Tokenizer,
        folder: Path,
        data: str | TextCorpus = "",
    ) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._folder = folder
        self._data = data or config.data
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._parts: TextParts | None = None

    @property
    def judged_part(self) -> str:
        """The part that the run is judged on: test; validation where there is no test part.

        Raises:
            DataError: nothing was held out.
        """
        for part in ("test", "validation"):
            if getattr(self._own(), part) is not None:
                return part
        raise DataError(
            f"{self._name}: no text was held out in training. Name one to judge on: "
            "--data file:PATH"
        )

    def has(self, part: str) -> bool:
        """Whether there is such a part; one of `PARTS`."""
        return getattr(self._own(), part) is not None

    def tokens(self, part: str) -> TokenArray:
        """A part of the run's own text.

        Raises:
            UserError: there is no such part, or the run's text is gone.
            DataError: it cannot be read.
        """
        if part not in PARTS:
            raise UserError(f"part = {part!r}: choose from {', '.join(PARTS)}")
        corpus: TextCorpus | None = getattr(self._own(), part)
        if corpus is None:
            raise UserError(f"{self._name} has no {part} part")
        return self.encode(corpus)

    def other(self, data: str | TextCorpus) -> TokenArray:
        """All of another text; of a source with parts of its own, its test part.

        Raises:
            DataError: it cannot be read.
        """
        parts = load_text(
            data, data_dir=self._config.data_dir, split="1,0,0",
            text_feature=self._config.text_feature,
        )  # fmt: skip
        return self.encode(parts.test or parts.validation or parts.train)

    def encode(self, corpus: TextCorpus) -> TokenArray:
        """A text as tokens of the run's vocabulary; what is unknown is counted."""
        try:
            self._folder.mkdir(exist_ok=True)
            return encode_corpus(corpus, self._tokenizer, self._folder)
        except OSError:
            # A model that came with the package may lie where nothing can be written.
            self._temporary = self._temporary or tempfile.TemporaryDirectory()
            return encode_corpus(corpus, self._tokenizer, self._temporary.name)

    @property
    def _name(self) -> str:
        return self._data if isinstance(self._data, str) else self._data.name

    def _own(self) -> TextParts:
        if self._parts is None:
            if not self._data:
                raise UserError(
                    "the run was trained on a text in memory, which is not kept. Name a text: "
                    "--data file:PATH"
                )
            self._parts = own_parts(self._config, self._data)
        return self._parts
