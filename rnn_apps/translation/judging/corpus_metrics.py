"""How good translations are, by sacrebleu (Post 2018), each figure with its signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.base.errors import UserError

HEADER = ("BLEU", "chrF", "TER", "exactly right %", "length ratio")

References = Sequence[str] | Sequence[Sequence[str]]
"""One reference per sentence, or a sequence of several for each."""

_SPLIT_AT_SPACES = ("13a", "intl", "none")
# Kana and Han, Thai to Tibetan, Myanmar, Khmer: scripts without spaces between words.
_UNSPACED = (
    ("\u3040", "\u30ff"), ("\u3400", "\u9fff"), ("\U00020000", "\U0003ffff"),
    ("\u0e00", "\u0fff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"),
)  # fmt: skip
MUCH_UNSPACED = 0.3


@dataclass(frozen=True)
class CorpusFigures:
    """The figures of a set of translations.

    Attributes:
        bleu: BLEU, 0 to 100, higher is better (Papineni et al. 2002).
        chrf: chrF, 0 to 100, higher is better (Popović 2015).
        ter: number of edits per 100 words of the reference, lower is better (Snover et al. 2006).
        exact: share of translations that equal a reference, 0 to 1.
        length_ratio: number of translated words per word of the references, as BLEU counts them; of
            several references, the one that is closest in length counts.
    """

    bleu: float
    chrf: float
    ter: float
    exact: float
    length_ratio: float

    def row(self) -> list[float]:
        """The figures in the order of `HEADER`."""
        return [self.bleu, self.chrf, self.ter, 100.0 * self.exact, self.length_ratio]

    def as_json(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def as_list(references: str | Sequence[str]) -> list[str]:
    """The references of one sentence as a list, also if there is one only."""
    return [references] if isinstance(references, str) else list(references)


def reference_streams(references: References) -> list[list[str | None]]:
    """References as sacrebleu takes them: the first of every sentence, the second, and so on.

    Args:
        references: references of each sentence, at least one; not equally many for all.

    Returns:
        [most references][sentences]; None where a sentence has fewer.
    """
    listed = [as_list(one) for one in references]
    return [
        [one[number] if number < len(one) else None for one in listed]
        for number in range(max(map(len, listed), default=0))
    ]


def unsplit_share(sentences: Sequence[str]) -> float:
    """Share of the letters that belong to scripts without spaces between words, 0 to 1."""
    letters = [character for one in sentences for character in one if character.isalpha()]
    return sum(map(_is_unspaced, letters)) / max(len(letters), 1)


def _is_unspaced(letter: str) -> bool:
    return any(first <= letter <= last for first, last in _UNSPACED)


def unsplit_warning(sentences: Sequence[str], tokenizer: str) -> str:
    """A warning about BLEU if its tokenizer does not split the sentences; "" if it does.

    Args:
        sentences: reference sentences of the target language.
        tokenizer: name of BLEU's tokenizer.
    """
    if tokenizer not in _SPLIT_AT_SPACES or unsplit_share(sentences) < MUCH_UNSPACED:
        return ""
    return (
        f"BLEU takes a run of letters without a space for one word, and bleu_tokenizer = "
        f"{tokenizer!r} does not split this script: compare chrF, or choose 'char' (for Chinese "
        "'zh', for Japanese 'ja-mecab')"
    )


class CorpusMetrics:
    """sacrebleu's metrics, set up once.

    Args:
        tokenizer: name of BLEU's tokenizer; "none" for text that is tokenised already.
        lowercase: True to compare BLEU and chrF in lower case; TER always is.
    """

    def __init__(self, tokenizer: str = "13a", *, lowercase: bool = False) -> None:
        sacrebleu = _package()
        try:
            self._bleu = sacrebleu.BLEU(
                tokenize=tokenizer, force=tokenizer == "none", lowercase=lowercase
            )
        except (ImportError, RuntimeError) as error:
            raise UserError(
                f"bleu_tokenizer = {tokenizer!r} needs a further package: {error}"
            ) from None
        self._sentence_bleu = sacrebleu.BLEU(tokenize=tokenizer, effective_order=True, force=True)
        self._chrf = sacrebleu.CHRF(lowercase=lowercase)
        self._ter = sacrebleu.TER()

    def figures(self, translations: Sequence[str], references: References) -> CorpusFigures:
        """The figures of translations, with one reference each or several."""
        found, wanted = list(translations), reference_streams(references)
        bleu = self._bleu.corpus_score(found, wanted)
        return CorpusFigures(
            float(bleu.score),
            float(self._chrf.corpus_score(found, wanted).score),
            float(self._ter.corpus_score(found, wanted).score),
            float(np.mean([one in correct for one, *correct in zip(found, *wanted, strict=True)])),
            float(bleu.sys_len / max(bleu.ref_len, 1)),
        )

    def bleu(self, translations: Sequence[str], references: References) -> float:
        """BLEU alone, 0 to 100."""
        wanted = reference_streams(references)
        return float(self._bleu.corpus_score(list(translations), wanted).score)

    def sentence_bleu(self, translation: str, references: str | Sequence[str]) -> float:
        """BLEU of one sentence, the orders of n-grams that it has; 0 to 100."""
        return float(self._sentence_bleu.sentence_score(translation, as_list(references)).score)

    def sentence_chrf(self, translation: str, references: str | Sequence[str]) -> float:
        """chrF of one sentence, 0 to 100."""
        return float(self._chrf.sentence_score(translation, as_list(references)).score)

    def paired_bootstrap(
        self, systems: Sequence[tuple[str, list[str]]], references: References, samples: int
    ) -> tuple[dict[str, str], dict[str, list[Any]]]:
        """Resamples the sentences to tell whether systems differ from the first by more than luck.

        Args:
            systems: names and translations; the first is what the others are compared with.
            references: references of each sentence.
            samples: number of samples to draw.

        Returns:
            The signature of each figure; and by figure sacrebleu's result of each system, with
            `score`, `mean`, `ci` (half of the 95% interval) and `p_value` (None for the first).
        """
        from sacrebleu.significance import PairedTest

        metrics = {"BLEU": self._bleu, "chrF": self._chrf}
        test = PairedTest(list(systems), metrics, reference_streams(references), "bs", samples)
        signatures, scores = test()
        scores.pop("System")
        # sacrebleu calls chrF by its setting, chrF2; both keep the order of the metrics.
        named = dict(zip(metrics, map(str, signatures.values()), strict=True))
        return named, dict(zip(metrics, scores.values(), strict=True))

    def signatures(self) -> dict[str, str]:
        """The signature of each figure, known once figures have been computed."""
        return {
            name: str(metric.get_signature())
            for name, metric in (("BLEU", self._bleu), ("chrF", self._chrf), ("TER", self._ter))
        }


def _package() -> Any:
    try:
        import sacrebleu
    except ImportError:
        raise UserError(
            "judging translations needs the package sacrebleu: pip install sacrebleu"
        ) from None
    return sacrebleu
