"""Where the errors lie: by speaker, by length, and which words are taken for which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from rnn_apps.speech.judging.metrics import ErrorCounts, total

MOST_ROWS = 20
_LENGTHS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 10**9))


def by_speaker(speakers: Sequence[str], words: Sequence[ErrorCounts]) -> list[dict[str, Any]]:
    """Word errors of each speaker, the worst first; none where no speaker is named."""
    groups: dict[str, list[ErrorCounts]] = defaultdict(list)
    for speaker, counts in zip(speakers, words, strict=True):
        groups[speaker].append(counts)
    if set(groups) == {""}:
        return []
    rows = [
        {"speaker": speaker or "not named", "utterances": len(group), **total(group).as_json()}
        for speaker, group in groups.items()
    ]
    return sorted(rows, key=lambda row: -float(row["rate"]))


def by_length(words: Sequence[ErrorCounts]) -> list[dict[str, Any]]:
    """Word errors of utterances of 1, 2 to 3, 4 to 7 ... words."""
    rows = []
    for shortest, longest in _LENGTHS:
        group = [one for one in words if shortest <= one.reference <= longest]
        if group:
            name = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
            name = f"{shortest} and more" if longest == 10**9 else name
            rows.append({"words": name, "utterances": len(group), **total(group).as_json()})
    return rows


def most_frequent_errors(said: Sequence[str], recognised: Sequence[str]) -> list[dict[str, Any]]:
    """The most frequent errors: what was said, what was recognised instead, how often.

    "" was said where a word is inserted, "" is recognised where one is left out.
    """
    import jiwer

    counter: Counter[tuple[str, str]] = Counter()
    for reference, text in zip(said, recognised, strict=True):
        left, right = reference.split(), text.split()
        if not left:
            continue
        for chunk in jiwer.process_words(reference, text).alignments[0]:
            if chunk.type == "equal":
                continue
            before = left[chunk.ref_start_idx : chunk.ref_end_idx]
            after = right[chunk.hyp_start_idx : chunk.hyp_end_idx]
            length = max(len(before), len(after))
            before += [""] * (length - len(before))
            after += [""] * (length - len(after))
            counter.update(zip(before, after, strict=True))
    return [
        {"said": said_, "recognised": heard, "times": times}
        for (said_, heard), times in counter.most_common(MOST_ROWS)
    ]
