"""A trained run: evaluate it, translate with it, score with it, export it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_apps.translation.device.exporting import export
from rnn_apps.translation.judging.evaluation import evaluate
from rnn_apps.translation.judging.significance import SAMPLES, compare
from rnn_apps.translation.run_data import JudgedAs
from rnn_apps.translation.trained import TrainedTranslationModel
from rnn_apps.translation.translating import Translator

if TYPE_CHECKING:
    from pipelines.pairs.sentence_pairs import SentencePairs


class Run(TrainedTranslationModel):
    """A trained translation model with its folder and its verbs; made by `train` and `load`."""

    def with_others(
        self, others: Sequence[Run], glossary: Mapping[str, str] | None = None
    ) -> Translator:
        """Joins this run's model with those of others, whose probabilities are averaged.

        Args:
            others: runs with the same vocabularies; empty for this run alone.
            glossary: translations of source words, for tokens that stand for unknown words.

        Returns:
            The object that translates with all of the models.

        Raises:
            UserError: one has another vocabulary.
        """
        for other in others:
            for mine, its in (
                (self.source_tokenizer, other.source_tokenizer),
                (self.target_tokenizer, other.target_tokenizer),
            ):
                mine.require_same(its.fingerprint, str(other.folder.path))
        models = [self.model, *(other.model for other in others)]
        return Translator(models, self.source_tokenizer, self.target_tokenizer, glossary)

    def evaluate(
        self,
        data: str | SentencePairs | None = None,
        part: str = "",
        *,
        references: str | Path | Sequence[str | Path] = (),
        source_column: str = "",
        target_column: str = "",
        hypotheses: str | Path = "",
        lowercase: bool = False,
    ) -> dict[str, Any]:
        """Judges the run by BLEU, chrF and TER; writes the report.

        Args:
            data: pairs other than the run's own; None for the run's own.
            part: name of a part of the run's own pairs: train, validation or test; empty for the
                test part, or for validation where there is no test part.
            references: paths of files with further references, whose line n belongs to pair n of
                the data, or of the file that the run's own part was read from.
            source_column, target_column: columns of the sentences in a table, by name or by number
                from 1; several target columns, separated by commas, are several references. Empty
                for the columns of the training.
            hypotheses: path of a file for the translations, which ends in .csv, .tsv or .jsonl;
                empty to write none.
            lowercase: True for a further row, in which BLEU and chrF are compared in lower case.

        Returns:
            "table", the figures with sacrebleu's signatures, and where the report is.

        Raises:
            DataError: the pairs cannot be read.
            UserError: the file for the translations has another ending.
        """
        read = JudgedAs.asked(references, source_column, target_column)
        return evaluate(self, data, part, read=read, hypotheses=hypotheses, lowercase=lowercase)

    def compare(
        self,
        others: Sequence[Run],
        data: str | SentencePairs | None = None,
        part: str = "",
        samples: int = SAMPLES,
        *,
        references: str | Path | Sequence[str | Path] = (),
        source_column: str = "",
        target_column: str = "",
    ) -> dict[str, Any]:
        """Tests whether other runs translate better or worse; see `significance.compare`.

        The references and columns are those of `evaluate`.
        """
        read = JudgedAs.asked(references, source_column, target_column)
        return compare([self, *others], data, part, samples, read=read)

    def export(
        self, to: str | Path, formats: Sequence[str] | None = None, longest_source: int = 0
    ) -> dict[str, Any]:
        """Writes files that translate, each proven equal to the Keras model.

        Args:
            to: folder for the files.
            formats: names of formats, out of `exporting.FORMATS`; None for all but C code that the
                model allows.
            longest_source: largest number of tokens in a source sentence for C code, whose memory
                grows with it; 0 for the run's `longest`.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        return export(self, to, formats, longest_source)


def load(folder: str | Path, data: str | SentencePairs = "") -> Run:
    """Opens the folder of a trained run.

    Args:
        folder: folder of the run, as `train` left it.
        data: pairs that the run was trained on, if those were in memory.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
        DataError: a vocabulary is missing, or is another model's.
    """
    return Run.open(folder, data)
