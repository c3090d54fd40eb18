"""A trained run: evaluate it, write with it, score with it, export it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.tokenizers.unknown_text import ACCEPT, REFUSE, UnknownText, unknown_text
from rnn_apps.language_modelling.device.exporting import export
from rnn_apps.language_modelling.judging.evaluation import evaluate
from rnn_apps.language_modelling.judging.line_scores import LineScore
from rnn_apps.language_modelling.judging.parallel_lines import score_lines_of
from rnn_apps.language_modelling.judging.text_scores import ScoredText, score_text
from rnn_apps.language_modelling.trained import TrainedLanguageModel
from rnn_apps.language_modelling.writing import WritingConfig

if TYPE_CHECKING:
    from pipelines.text.corpus import TextCorpus


class Run(TrainedLanguageModel):
    """A trained language model with its folder and its verbs; made by `train` and `load`."""

    def evaluate(
        self,
        data: str | TextCorpus | None = None,
        part: str = "",
        *,
        window: int = 0,
        dynamic: bool = False,
        cache: bool = False,
        unknown: str = ACCEPT,
        text_column: str = "",
    ) -> dict[str, Any]:
        """Judges the run on a whole text, alongside an n-gram model; writes the report.

        Args:
            data: text other than the run's own; None for the run's own.
            part: name of a part of the run's own text: train, validation or test; empty for the
                test part, or for validation where there is no test part.
            window: number of tokens of the windows that the text is also judged in, each without
                what comes before it, as transformers are; 0 for none.
            dynamic: True to judge with dynamic evaluation too, which takes many times longer; its
                figures are reported apart.
            cache: True to judge with a neural cache too; its figures are reported apart.
            unknown: treatment of text outside the vocabulary; "refuse", or "accept" to score it
                as the unknown token, which a note says.
            text_column: column that has the text in other data, by name or by number from 1; empty
                for that of the training.

        Returns:
            "table", the figures of every model, and where the report is.

        Raises:
            DataError: the text cannot be read, or is too short to score.
        """
        return evaluate(
            self,
            data,
            part,
            window=window,
            dynamic=dynamic,
            cache=cache,
            unknown=unknown,
            text_column=text_column,
        )

    def generate(
        self, prompts: str | Sequence[str], config: WritingConfig | None = None
    ) -> list[str]:
        """What the model writes after each prompt; see `Writer.write`."""
        return self.writer.write([prompts] if isinstance(prompts, str) else prompts, config)

    def stream(self, prompt: str, config: WritingConfig | None = None) -> Iterator[str]:
        """Yields what the model writes after a prompt as it comes; see `Writer.stream`."""
        return self.writer.stream(prompt, config)

    def score(self, text: str, unknown: str = REFUSE) -> ScoredText:
        """How probable each token of a text is; see `text_scores.score_text`."""
        return score_text(self.carried, self.tokenizer, text, unknown)

    def unknown_text(self, texts: str | Sequence[str]) -> UnknownText:
        """The words or characters of a text, or of several, that the vocabulary does not have."""
        return unknown_text(self.tokenizer, [texts] if isinstance(texts, str) else texts)

    def score_lines(self, lines: Sequence[str], processes: int = 1) -> list[LineScore]:
        """How probable independent lines are, many at a time; see `score_lines_of`."""
        return score_lines_of(self, lines, processes)

    def export(self, to: str | Path, formats: Sequence[str] | None = None) -> dict[str, Any]:
        """Writes files that score and write text, each proven equal to the Keras model.

        Args:
            to: folder for the files.
            formats: names of formats: saved_model, tflite, tflite_dynamic, tflite_int8, tflm,
                tflm_int8, c, c_int8; None for all but C code that the tokenizer and the model
                allow.

        Returns:
            For every file its size, its bits per token compared with Keras', and how fast it is.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        return export(self, to, formats)


def load(folder: str | Path, data: str | TextCorpus = "") -> Run:
    """Opens the folder of a trained run.

    Args:
        folder: folder of the run, as `train` left it.
        data: text that the run was trained on, if that was a text in memory.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
        DataError: its vocabulary is missing, or is another model's.
    """
    return Run.open(folder, data)
