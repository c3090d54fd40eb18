"""A trained translation model with its folder, its vocabularies and its sentence pairs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.tokenizers import Tokenizer, load_tokenizer
from pipelines.tokenizers.sentence_ids import vocabulary_size
from pipelines.tokenizers.unknown_text import UnknownText, unknown_text
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.trained import Trained, require_own_vocabulary
from rnn_apps.translation.config import APPLICATION, TranslationConfig
from rnn_apps.translation.judging.scoring import ScoredPair, score_pairs
from rnn_apps.translation.network.build import inference_model
from rnn_apps.translation.network.model import TranslationModel
from rnn_apps.translation.run_data import PAIRS, RunData
from rnn_apps.translation.search.search_options import SearchOptions
from rnn_apps.translation.translating import Translation, Translator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from pipelines.pairs.sentence_pairs import SentencePairs

SOURCE_TOKENIZER = "source_tokenizer"
TARGET_TOKENIZER = "target_tokenizer"


class TrainedTranslationModel(Trained[TranslationConfig]):
    """A trained translation model with its folder.

    Args:
        folder: folder of the run.
        config: effective configuration of the run.
        source_tokenizer: vocabulary of the source sentences that the model was trained with.
        target_tokenizer: vocabulary of the translations; the source's own object if the two are
            joint.
        model: trained model, float32.
        data: pairs that the run was trained on, where the configuration does not name them.
    """

    application = APPLICATION
    config_type = TranslationConfig

    def __init__(
        self,
        folder: RunFolder,
        config: TranslationConfig,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        model: TranslationModel,
        data: str | SentencePairs = "",
    ) -> None:
        self.data = RunData(config, data)
        super().__init__(folder, config, model, self.data)
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer

    @classmethod
    def read(cls, folder: RunFolder, config: TranslationConfig, data: Any) -> Self:
        """Reads the vocabularies and the model; see `Trained.read`.

        Raises:
            UserError: a vocabulary is another model's.
            DataError: a vocabulary is missing.
        """
        source, target = load_tokenizers(folder.path, config)
        # `model`, imported above, is known to Keras.
        model = folder.load_model()
        for tokenizer, name, size in (
            (source, SOURCE_TOKENIZER, model.network.source_vocabulary),
            (target, TARGET_TOKENIZER, model.network.target_vocabulary),
        ):
            require_own_vocabulary(folder.path / name, vocabulary_size(tokenizer), size, "ids")
        return cls(folder, config, source, target, inference_model(model), data or "")

    @functools.cached_property
    def unchanged(self) -> RunData:
        """The run's own pairs, known to be those that it was trained on.

        Raises:
            UserError: they are gone, or were in memory.
            DataError: they have changed since training.
        """
        pairs = self.data.whole.train
        self.folder.check_own_data(PAIRS, pairs.name, sha256=pairs.fingerprint)
        return self.data

    @property
    def search_options(self) -> SearchOptions:
        """The search that the run is judged with."""
        return SearchOptions(
            beam_width=self.config.beam_width, length_penalty=self.config.length_penalty
        )

    @functools.cached_property
    def translator(self) -> Translator:
        """The object that translates sentences."""
        return Translator([self.model], self.source_tokenizer, self.target_tokenizer)

    def translate(
        self, sentences: str | Sequence[str], options: SearchOptions | None = None
    ) -> list[list[Translation]]:
        """The best translations of each sentence; see `Translator.translate`."""
        listed = [sentences] if isinstance(sentences, str) else list(sentences)
        return self.translator.translate(listed, options or self.search_options)

    def unknown_text(self, sentences: str | Sequence[str]) -> UnknownText:
        """The words or characters of source sentences that the vocabulary does not have."""
        listed = [sentences] if isinstance(sentences, str) else sentences
        return unknown_text(self.source_tokenizer, listed)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[ScoredPair]:
        """How probable translations are to the model; see `scoring.score_pairs`."""
        return score_pairs(self.model, self.source_tokenizer, self.target_tokenizer, pairs)


def save_tokenizers(folder: Path, source: Tokenizer, target: Tokenizer) -> None:
    """Writes the vocabularies into a run's folder."""
    source.save(folder / SOURCE_TOKENIZER)
    if target is not source:
        target.save(folder / TARGET_TOKENIZER)


def load_tokenizers(folder: Path, config: TranslationConfig) -> tuple[Tokenizer, Tokenizer]:
    """The source's and the target's vocabulary of a run; the same object if they are joint."""
    source = load_tokenizer(folder / SOURCE_TOKENIZER)
    if config.joint_vocabulary:
        return source, source
    return source, load_tokenizer(folder / TARGET_TOKENIZER)
