"""A word model in the spelling of the labels that it decodes."""

from __future__ import annotations

import weakref
from typing import NamedTuple

from pipelines.base.errors import DataError
from rnn_apps.edge.speech.speech_labels import SpeechLabels
from rnn_apps.edge.speech.word_model import BEGIN, END, UNKNOWN, Table, WordModel, Words

_SPECIALS = (BEGIN, END, UNKNOWN)
_SAMPLE = 2000
_SHOWN = 3


class SpelledModel(NamedTuple):
    """A word model as a decoder uses it.

    Attributes:
        model: the word model, its words spelled as the labels spell.
        note: note on words of the model that the labels cannot write; "" if they can write all.
    """

    model: WordModel
    note: str


_kept: weakref.WeakKeyDictionary[WordModel, dict[SpeechLabels, SpelledModel]] = (
    weakref.WeakKeyDictionary()
)


def spelled(model: WordModel, labels: SpeechLabels) -> SpelledModel:
    """A word model in the spelling of labels; computed once for each pair of them.

    Where two spellings fall together, the more probable entry counts.

    Raises:
        DataError: the labels cannot write any of its words, so it would have no effect.
    """
    known = _kept.setdefault(model, {})
    if labels not in known:
        known[labels] = _spelled(model, labels)
    return known[labels]


def _spelled(model: WordModel, labels: SpeechLabels) -> SpelledModel:
    spelling = {words[0]: _spelling(words[0], labels) for words in model.tables[0]}
    if any(word != now for word, now in spelling.items()):
        model = WordModel([_renamed(table, spelling) for table in model.tables])
    words = [word for (word,) in model.tables[0] if word not in _SPECIALS]
    if not any(map(labels.writes, words)):
        raise DataError(
            f"the model can write none of the word model's {len(words)} words, such as "
            f"{', '.join(map(repr, words[:_SHOWN]))}",
            advice="Give a word model of the language and the units that the recogniser writes.",
        )
    sample = words[:: max(1, len(words) // _SAMPLE)]
    strange = [word for word in sample if not labels.writes(word)]
    note = ""
    if strange:
        share = 100 * len(strange) / len(sample)
        note = (
            f"the model cannot write {share:.3g} % of the word model's words, such as "
            f"{', '.join(map(repr, strange[:_SHOWN]))}"
        )
    return SpelledModel(model, note)


def _spelling(word: str, labels: SpeechLabels) -> str:
    if word.lower() in _SPECIALS:
        return word.lower()
    found = labels.tidy(word)
    return found if found and " " not in found else word


def _renamed(table: Table, spelling: dict[str, str]) -> Table:
    found: Table = {}
    for words, entry in table.items():
        renamed: Words = tuple(spelling.get(word, word) for word in words)
        if renamed not in found or entry[0] > found[renamed][0]:
            found[renamed] = entry
    return found
