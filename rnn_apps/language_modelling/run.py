"""A trained run: evaluate it, write with it, score with it, export it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from pipelines.base.errors import UserError
from pipelines.tokenizers import Tokenizer, load_tokenizer
from rnn_apps.application.run_folder import RunFolder, open_run
from rnn_apps.language_modelling.config import APPLICATION, LanguageModellingConfig
from rnn_apps.language_modelling.network.build import inference_model
from rnn_apps.language_modelling.network.carried_model import CarriedModel
from rnn_apps.language_modelling.run_text import RunText
from rnn_apps.language_modelling.writing import Writer, WritingConfig

if TYPE_CHECKING:
    from pipelines.text.corpus import TextCorpus
    from rnn_apps.language_modelling.judging.text_scores import ScoredToken

TOKENIZER = "tokenizer"
TOKENS = ".tokens"


class Run:
    """A trained language model with its folder; made by `train` and `load`.

    Args:
        folder: the run's folder.
        config: the effective configuration.
        tokenizer: the vocabulary that the model was trained with.
        model: the trained model, as `build_model` gives it.
        data: what it was trained on, where the configuration does not name it.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: LanguageModellingConfig,
        tokenizer: Tokenizer,
        model: keras.Model,
        data: str | TextCorpus = "",
    ) -> None:
        self.folder = folder
        self.config = config
        self.tokenizer = tokenizer
        self.model = model
        self.text = RunText(config, tokenizer, folder.path / TOKENS, data)

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds: the training's figures and the latest evaluation."""
        return self.folder.read_metrics()

    @functools.cached_property
    def carried(self) -> CarriedModel:
        """The model with its state in the open, float32."""
        return CarriedModel(
            inference_model(self.model, self.config, self.tokenizer.size, hidden=True)
        )

    @functools.cached_property
    def writer(self) -> Writer:
        """What writes on after prompts."""
        return Writer(self.carried, self.tokenizer)

    def evaluate(
        self,
        data: str | TextCorpus | None = None,
        part: str = "",
        *,
        dynamic: bool = False,
        cache: bool = False,
    ) -> dict[str, Any]:
        """Judges the run on a whole text, beside an n-gram model; writes the report.

        Args:
            data: another text; None for the run's own.
            part: train, validation or test of the run's own text; by default test, and
                validation where there is no test part.
            dynamic: also with dynamic evaluation, reported apart. Takes many times longer.
            cache: also with a neural cache, reported apart.

        Returns:
            "table", the figures of every model, and where the report is.

        Raises:
            DataError: the text cannot be read, or is too short to score.
        """
        from rnn_apps.language_modelling.judging.evaluation import evaluate

        return evaluate(self, data, part, dynamic=dynamic, cache=cache)

    def generate(
        self, prompts: str | Sequence[str], config: WritingConfig | None = None
    ) -> list[str]:
        """What the model writes after each prompt; see `Writer.write`."""
        return self.writer.write([prompts] if isinstance(prompts, str) else prompts, config)

    def stream(self, prompt: str, config: WritingConfig | None = None) -> Iterator[str]:
        """Yields what the model writes after a prompt as it comes; see `Writer.stream`."""
        return self.writer.stream(prompt, config)

    def score(self, text: str) -> list[ScoredToken]:
        """What the model says of each token of a text; see `text_scores.score_text`."""
        from rnn_apps.language_modelling.judging.text_scores import score_text

        return score_text(self.carried, self.tokenizer, text)

    def export(self, to: str | Path, formats: Sequence[str] | None = None) -> dict[str, Any]:
        """Writes files that score and write text, each proven equal to the Keras model.

        Args:
            to: the folder for them.
            formats: of saved_model, tflite, tflite_dynamic, tflite_int8, tflm; None for all that
                the tokenizer and the model allow.

        Returns:
            For every file its size, its bits a token beside Keras', and how fast it is.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        from rnn_apps.language_modelling.device.exporting import export

        return export(self, to, formats)


def load(folder: str | Path, data: str | TextCorpus = "") -> Run:
    """Opens the folder of a trained run.

    Args:
        folder: as `train` left it.
        data: what the run was trained on, if that was a text in memory.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
        DataError: its vocabulary is missing, or is another model's.
    """
    found = open_run(folder, APPLICATION)
    config = found.read_config(LanguageModellingConfig)
    tokenizer = load_tokenizer(found.path / TOKENIZER)
    # `build`, imported above, makes the layers known to Keras.
    model = found.load_model()
    size = int(model.output["logits"].shape[-1])
    if size != tokenizer.size:
        raise UserError(
            f"{found.path / TOKENIZER}: the vocabulary has {tokenizer.size} tokens, the model "
            f"{size}: it is another model's. Put back the run's own"
        )
    return Run(found, config, tokenizer, model, data)
