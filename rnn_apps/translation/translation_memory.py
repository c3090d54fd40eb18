"""The baseline: the translation of the most similar sentence of the training data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# More sentences than this are thinned out: the baseline must not take longer than the model.
MOST_SENTENCES = 200_000


class TranslationMemory:
    """Finds the training sentence whose words are most alike: cosine of tf-idf vectors.

    Args:
        source, target: sentences of the training pairs.

    Attributes:
        step: distance of the training pairs that are searched: 1 for all, 2 for every second one.
    """

    def __init__(self, source: Sequence[str], target: Sequence[str]) -> None:
        self.step = -(-len(source) // MOST_SENTENCES)
        self._target = list(target[:: self.step])
        found: dict[str, list[int]] = defaultdict(list)
        words = [sorted(set(sentence.split())) for sentence in source[:: self.step]]
        for number, of_sentence in enumerate(words):
            for word in of_sentence:
                found[word].append(number)
        self._places: dict[str, npt.NDArray[np.int64]] = {
            word: np.array(numbers, np.int64) for word, numbers in found.items()
        }
        count = len(words)
        self._weights = {
            word: float(np.log((1 + count) / (1 + len(numbers)))) + 1e-3
            for word, numbers in found.items()
        }
        norms = [sum(self._weights[word] ** 2 for word in of_sentence) for of_sentence in words]
        self._norms = np.sqrt(np.maximum(np.array(norms, np.float64), 1e-12))

    def translate(self, sentence: str) -> str:
        """The target of the nearest training sentence, the first of equally near ones."""
        scores = np.zeros(len(self._norms))
        for word in sorted(set(sentence.split())):
            places = self._places.get(word)
            if places is not None:
                scores[places] += self._weights[word] ** 2
        return self._target[int(np.argmax(scores / self._norms))]
