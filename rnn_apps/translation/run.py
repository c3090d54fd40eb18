"""A trained run: evaluate it, translate with it, score with it, export it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import UserError
from pipelines.tokenizers import Tokenizer, load_tokenizer
from pipelines.tokenizers.sentence_ids import vocabulary_size
from rnn_apps.application.run_folder import RunFolder, open_run
from rnn_apps.translation.config import APPLICATION, TranslationConfig
from rnn_apps.translation.network.build import inference_model
from rnn_apps.translation.network.model import TranslationModel
from rnn_apps.translation.run_data import RunData
from rnn_apps.translation.search.search_options import SearchOptions

if TYPE_CHECKING:
    from pipelines.pairs.sentence_pairs import SentencePairs
    from rnn_apps.translation.translating import Translation, Translator

SOURCE_TOKENIZER = "source_tokenizer"
TARGET_TOKENIZER = "target_tokenizer"


class Run:
    """A trained translation model with its folder; made by `train` and `load`.

    Args:
        folder: the run's folder.
        config: the effective configuration.
        source_tokenizer, target_tokenizer: the vocabularies it was trained with; the same one, if
            they are joint.
        model: the trained model, float32.
        data: what it was trained on, where the configuration does not name it.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: TranslationConfig,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        model: TranslationModel,
        data: str | SentencePairs = "",
    ) -> None:
        self.folder = folder
        self.config = config
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.model = model
        self.data = RunData(config, data)

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds: the training's figures and the latest evaluation."""
        return self.folder.read_metrics()

    @property
    def search_options(self) -> SearchOptions:
        """The search that the run is judged with."""
        return SearchOptions(
            beam_width=self.config.beam_width, length_penalty=self.config.length_penalty
        )

    @functools.cached_property
    def translator(self) -> Translator:
        """What translates sentences."""
        from rnn_apps.translation.translating import Translator

        return Translator([self.model], self.source_tokenizer, self.target_tokenizer)

    def with_others(self, others: Sequence[Run]) -> Translator:
        """What translates with this run's model and those of others, which vote.

        Raises:
            UserError: one has another vocabulary.
        """
        from rnn_apps.translation.translating import Translator

        for other in others:
            for mine, its in (
                (self.source_tokenizer, other.source_tokenizer),
                (self.target_tokenizer, other.target_tokenizer),
            ):
                mine.require_same(its.fingerprint, str(other.folder.path))
        models = [self.model, *(other.model for other in others)]
        return Translator(models, self.source_tokenizer, self.target_tokenizer)

    def evaluate(self, data: str | SentencePairs | None = None, part: str = "") -> dict[str, Any]:
        """Judges the run by BLEU, chrF and TER; writes the report.

        Args:
            data: other pairs; None for the run's own.
            part: train, validation or test of the run's own pairs; by default test, and
                validation where there is no test part.

        Returns:
            "table", the figures with sacrebleu's signatures, and where the report is.

        Raises:
            DataError: the pairs cannot be read.
        """
        from rnn_apps.translation.judging.evaluation import evaluate

        return evaluate(self, data, part)

    def translate(
        self, sentences: str | Sequence[str], options: SearchOptions | None = None
    ) -> list[list[Translation]]:
        """The best translations of each sentence; see `Translator.translate`."""
        given = [sentences] if isinstance(sentences, str) else list(sentences)
        return self.translator.translate(given, options or self.search_options)

    def score(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """How probable given translations are; see `scoring.score_pairs`."""
        from rnn_apps.translation.judging.scoring import score_pairs

        return score_pairs(self.model, self.source_tokenizer, self.target_tokenizer, pairs)

    def export(self, to: str | Path, formats: Sequence[str] | None = None) -> dict[str, Any]:
        """Writes files that translate, each proven equal to the Keras model.

        Args:
            to: the folder for them.
            formats: see `exporting.export`; None for all that the model allows.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        from rnn_apps.translation.device.exporting import export

        return export(self, to, formats)


def load(folder: str | Path, data: str | SentencePairs = "") -> Run:
    """Opens the folder of a trained run.

    Args:
        folder: as `train` left it.
        data: what the run was trained on, if those were pairs in memory.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
        DataError: a vocabulary is missing, or is another model's.
    """
    found = open_run(folder, APPLICATION)
    config = found.read_config(TranslationConfig)
    source, target = load_tokenizers(found.path, config)
    # `model`, imported above, is known to Keras.
    model = found.load_model()
    for tokenizer, name, size in (
        (source, SOURCE_TOKENIZER, model.network.source_vocabulary),
        (target, TARGET_TOKENIZER, model.network.target_vocabulary),
    ):
        if vocabulary_size(tokenizer) != size:
            raise UserError(
                f"{found.path / name}: the vocabulary has {vocabulary_size(tokenizer)} ids, the "
                f"model {size}: it is another model's. Put back the run's own"
            )
    return Run(found, config, source, target, inference_model(model), data)


def save_tokenizers(folder: Path, source: Tokenizer, target: Tokenizer) -> None:
    """Writes the vocabularies into a run's folder."""
    source.save(folder / SOURCE_TOKENIZER)
    if target is not source:
        target.save(folder / TARGET_TOKENIZER)


def load_tokenizers(folder: Path, config: TranslationConfig) -> tuple[Tokenizer, Tokenizer]:
    """The source's and the target's vocabulary of a run, the same one if they are joint."""
    source = load_tokenizer(folder / SOURCE_TOKENIZER)
    if config.joint_vocabulary:
        return source, source
    return source, load_tokenizer(folder / TARGET_TOKENIZER)
