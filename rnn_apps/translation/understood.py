"""What training understood of the sentence pairs, in lines that a person reads before it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.data_report import DataReport
from pipelines.pairs.encoding import EncodedPairs
from pipelines.pairs.languages import same_language
from pipelines.pairs.plausibility import FEWEST_PAIRS, agreement
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from pipelines.text.damage import signs_of_damage
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import unknown_id
from pipelines.tokenizers.tokenizer import Ids
from rnn_apps.application.run_parts import read_json
from rnn_apps.translation.config import TranslationConfig
from rnn_apps.translation.judging.corpus_metrics import unsplit_warning
from rnn_apps.translation.run_data import PAIRS
from rnn_apps.translation.trained import TrainedTranslationModel

# Shares of the training pairs above which the notes mention them.
MUCH_LEFT_OUT = 0.1
MANY_EQUAL = 0.2
MANY_MARKED = 0.05
MANY_REPEATED = 0.1
MUCH_UNKNOWN = 0.25
LEAST_AGREEMENT = 0.1
LANGUAGES = "languages"
"""Name of the entry with the languages of the training pairs in the run's record of its data."""

_LONGEST_SHOWN = 60
_SAMPLE = 1000
_OF_TRAINING = ("longer than", "more than", "nothing left")
_READING = ("files", "header lines", "Windows line ends")


def trained_languages(origin: TrainedTranslationModel) -> tuple[str, str]:
    """The languages that a run was trained on, from and to; empty where they are not known.

    The data may tell them where the settings do not, as the names of its files.
    """
    path = origin.folder.path / PAIRS
    record = read_json(path) if path.exists() else {}
    told = record.get(LANGUAGES) or ("", "")
    stated = origin.config.source_language, origin.config.target_language
    source, target = (one or str(other) for one, other in zip(stated, told, strict=True))
    return source, target


def other_direction(
    trained: tuple[str, str], languages: tuple[str, str], address: str
) -> list[str]:
    """What to say if a training goes on with other languages; nothing if that is not known.

    Args:
        trained: languages of the run that the training goes on from.
        languages: languages of the new run's training pairs.
        address: address of the other run, as the user has named it.
    """
    if not all(trained) or not all(languages):
        return []
    if all(map(same_language, trained, languages)):
        return []
    return [
        f"{address} was trained from {trained[0]} to {trained[1]}, and these pairs are from "
        f"{languages[0]} to {languages[1]}: what it has learnt may be of little use. "
        "The order of the two is chosen by --source-language and --target-language."
    ]


@dataclass(frozen=True)
class Understood:
    """The parts of the data, and the pairs that training uses.

    Attributes:
        parts: parts of the data, as they were read.
        training: training pairs that are left after filtering, as ids.
        source, target: vocabularies of the two languages.
        config: settings of the run.
    """

    parts: PairParts
    training: EncodedPairs
    source: Tokenizer
    target: Tokenizer
    config: TranslationConfig

    def lines(self) -> list[str]:
        """Two or three sentences about the data, and one for whatever is odd about it."""
        return [
            self._pairs(),
            self._lengths(),
            *self._left_out(),
            *self._findings(),
            *self._suspicions(),
        ]

    def _pairs(self) -> str:
        train = self.parts.train
        source, target = train.languages
        direction = f" from {source} to {target}" if source and target else ""
        held_out = ", ".join(
            f"{len(part):,} for {name}"
            for name, part in (("validation", self.parts.validation), ("test", self.parts.test))
            if part is not None
        )
        return (
            f"Pairs{direction}, {train.name}: {len(self.training.source):,} for training"
            f"{', ' + held_out if held_out else ', nothing held out'}. The first: "
            f"{_shown(train.source[0])} → {_shown(train.target[0])}."
        )

    def _lengths(self) -> str:
        kind = self.target.kind
        sizes = (
            f"{self.source.size:,} {kind} for both languages"
            if self.source is self.target
            else f"{self.source.size:,} source and {self.target.size:,} target {kind}"
        )
        return (
            f"Vocabulary: {sizes}. Tokens per sentence, median and longest: "
            f"{_two(self.training.source)} in the source, {_two(self.training.target)} in the "
            f"target.{self._unknown()}"
        )

    def _unknown(self) -> str:
        shares = []
        for tokenizer, sentences in (
            (self.source, self.training.source),
            (self.target, self.training.target),
        ):
            unknown = unknown_id(tokenizer)
            if unknown is None:
                return ""
            tokens = np.concatenate(sentences)
            shares.append(100 * float(np.mean(tokens == unknown)))
        untrained = ""
        if not min(shares):
            untrained = " Where training has no unknown token, the model learns nothing about it."
        much = ""
        if max(shares) > 100 * MUCH_UNKNOWN:
            much = " That is a large share: --tokenizer subwords knows every text."
        return f" Unknown: {shares[0]:.2g} % and {shares[1]:.2g} %.{untrained}{much}"

    def _left_out(self) -> list[str]:
        train, kept = len(self.parts.train), len(self.training.source)
        if kept == train:
            return []
        share = (train - kept) / train
        reasons = "; ".join(
            f"{finding.kind}: {finding.count:,}"
            for finding in self.training.report.findings
            if finding.kind.startswith(_OF_TRAINING)
        )
        line = f"Left out of {train:,} training pairs: {train - kept:,} ({share:.0%}). {reasons}."
        if share > MUCH_LEFT_OUT:
            line += (
                f" Is that meant? longest = {self.config.longest} tokens and length_ratio = "
                f"{self.config.length_ratio:g} decide what is left out; 0 means no limit."
            )
        return [line]

    def _findings(self) -> list[str]:
        """What reading found, once per report; the parts of one file share one report."""
        reports: list[DataReport] = []
        for part in (self.parts.train, self.parts.validation, self.parts.test):
            if part is not None and not any(part.report is known for known in reports):
                reports.append(part.report)
        return [
            f"{report.source or 'pairs'}: {finding}."
            for number, report in enumerate(reports)
            for finding in report.findings
            if finding.kind not in _READING
            # What is left out of training is said already.
            and (number or not finding.kind.startswith(_OF_TRAINING))
        ]

    def _suspicions(self) -> list[str]:
        train = self.parts.train
        found = []
        equal = np.mean([a == b for a, b in zip(train.source, train.target, strict=True)])
        if equal > MANY_EQUAL:
            found.append(
                f"{equal:.0%} of the training pairs have the same text on both sides. Is there "
                "anything to translate?"
            )
        for side, sentences in (("source", train.source), ("target", train.target)):
            marked = np.mean(["@@ " in one or "\u2581" in one for one in sentences])
            if marked > MANY_MARKED:
                found.append(
                    f"{marked:.0%} of the {side} sentences hold marks of subwords (@@ or \u2581), "
                    "which are kept as text. For plain text, undo them, for example by "
                    "sed 's/@@ //g'."
                )
            found += signs_of_damage(sentences, f"{side} sentences", sentences=True)
            found += _repeated(side, sentences)
        agrees = agreement(train.source, train.target)
        if agrees is not None and agrees < LEAST_AGREEMENT:
            found.append(
                "The two sides agree neither in length nor in digits and question marks "
                f"(correlation {agrees:.2f}): is each sentence the translation of its own line?"
            )
        warning = unsplit_warning(train.target[:_SAMPLE], self.config.bleu_tokenizer)
        found += [f"{warning}."] if warning else []
        for name, part in (("validation", self.parts.validation), ("test", self.parts.test)):
            found += [] if part is None else _seen(train, part, name)
        return found


def _repeated(side: str, sentences: Sequence[str]) -> list[str]:
    """The remark about a sentence that is in many pairs, as a mark for a missing one would be."""
    [(sentence, count)] = Counter(sentences).most_common(1)
    if len(sentences) < FEWEST_PAIRS or count < MANY_REPEATED * len(sentences):
        return []
    return [
        f"{_shown(sentence)} is the {side} of {count:,} of the {len(sentences):,} training pairs: "
        "does it stand for a missing sentence?"
    ]


def _seen(train: SentencePairs, part: SentencePairs, name: str) -> list[str]:
    """Remarks about held-out pairs that training knows, or whose source sentence it knows."""
    pairs = set(zip(train.source, train.target, strict=True))
    sources = set(train.source)
    equal = sum(pair in pairs for pair in zip(part.source, part.target, strict=True))
    other = sum(source in sources for source in part.source) - equal
    return [
        f"{count:,} of the {len(part):,} {name} pairs {what}: figures on them are too good."
        for count, what in (
            (equal, "are also in training"),
            (other, "have a source sentence that is in training with another translation"),
        )
        if count
    ]


def _two(sentences: Sequence[Ids]) -> str:
    lengths = [len(one) - 1 for one in sentences]
    return f"{int(np.median(lengths))} and {max(lengths):,}"


def _shown(sentence: str) -> str:
    short = sentence if len(sentence) <= _LONGEST_SHOWN else sentence[:_LONGEST_SHOWN] + "…"
    return repr(short)
