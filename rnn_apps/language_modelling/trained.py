"""A trained language model with its folder, its vocabulary and its text."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import keras

from pipelines.tokenizers import Tokenizer, load_tokenizer
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.trained import Trained, require_own_vocabulary
from rnn_apps.language_modelling.config import APPLICATION, LanguageModellingConfig
from rnn_apps.language_modelling.network.build import inference_model
from rnn_apps.language_modelling.network.carried_model import CarriedModel
from rnn_apps.language_modelling.run_data import TEXT, RunText
from rnn_apps.language_modelling.writing import Writer

if TYPE_CHECKING:
    from typing import Self

    from pipelines.text.corpus import TextCorpus

TOKENIZER = "tokenizer"
TOKENS = ".tokens"


class TrainedLanguageModel(Trained[LanguageModellingConfig]):
    """A trained language model with its folder.

    Args:
        folder: folder of the run.
        config: effective configuration of the run.
        tokenizer: vocabulary that the model was trained with.
        model: trained model, as `build_model` gives it.
        data: text that the run was trained on, where the configuration does not name it.
    """

    application = APPLICATION
    config_type = LanguageModellingConfig

    def __init__(
        self,
        folder: RunFolder,
        config: LanguageModellingConfig,
        tokenizer: Tokenizer,
        model: keras.Model,
        data: str | TextCorpus = "",
    ) -> None:
        self.text = RunText(config, tokenizer, folder.path / TOKENS, data)
        super().__init__(folder, config, model, self.text)
        self.tokenizer = tokenizer

    @classmethod
    def read(cls, folder: RunFolder, config: LanguageModellingConfig, data: Any) -> Self:
        """Reads the vocabulary and the model; see `Trained.read`.

        Raises:
            UserError: the vocabulary is another model's.
            DataError: the vocabulary is missing.
        """
        tokenizer = load_tokenizer(folder.path / TOKENIZER)
        # `build`, imported above, makes the layers known to Keras.
        model = folder.load_model()
        size = int(model.output["logits"].shape[-1])
        require_own_vocabulary(folder.path / TOKENIZER, tokenizer.size, size)
        return cls(folder, config, tokenizer, model, data or "")

    @functools.cached_property
    def unchanged(self) -> RunText:
        """The run's own text, known to be the one that it was trained on.

        Raises:
            UserError: it is gone, or was in memory.
            DataError: it has changed since training.
        """
        trained_on = self.text.tokens("train")
        self.folder.check_own_data(TEXT, trained_on.name, sha256=trained_on.sha256)
        return self.text

    @functools.cached_property
    def carried(self) -> CarriedModel:
        """The model with explicit state, float32."""
        return CarriedModel(
            inference_model(self.model, self.config, self.tokenizer.size, hidden=True)
        )

    @functools.cached_property
    def writer(self) -> Writer:
        """The object that continues prompts."""
        return Writer(self.carried, self.tokenizer)
