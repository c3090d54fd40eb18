"""What training understood of the text, in lines that a person reads before it begins."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

from pipelines.text.corpus import TextCorpus
from pipelines.text.damage import signs_of_damage
from pipelines.text.encoding import TokenArray
from pipelines.tokenizers import Tokenizer

_READING = ("files", "Windows line ends", "documents")
_SHOWN = 60
# A shorter line, such as a name, may well come twice; more of a text takes long to compare.
_LONG_LINE = 20
_CHUNKS_COMPARED = 64
MANY_SHARED = 0.05
MUCH_UNKNOWN = 0.25
_MARKED_END = re.compile(r"(<eos>|</s>|<end>|<EOS>)[ \t]*\n")


def understood(
    parts: Mapping[str, TokenArray], tokenizer: Tokenizer, texts: Mapping[str, TextCorpus]
) -> list[str]:
    """Two or three sentences about the text, and one for whatever is odd about it.

    Args:
        parts: parts of the data as tokens, by name, "train" first.
        tokenizer: vocabulary of the run.
        texts: texts of the same parts.
    """
    train = parts["train"]
    begins = next(texts["train"].chunks())
    held_out = ", ".join(
        f"{part.characters:,} for {name}" for name, part in parts.items() if name != "train"
    )
    lines = [
        f"Text, {train.name}: {train.characters:,} characters in {train.lines:,} lines for "
        f"training, {held_out or 'nothing held out'}. It begins: {begins[:_SHOWN]!r}.",
        f"Vocabulary: {tokenizer.size:,} {tokenizer.kind}, {train.length:,} tokens for training."
        f"{_unknown(parts, tokenizer)}",
    ]
    told: set[str] = set()
    for part in parts.values():
        for finding in part.report.get("findings", []):
            if finding["kind"] in _READING:
                continue
            places = f" ({'; '.join(finding['places'][:2])})" if finding["places"] else ""
            what = f"{finding['kind']}: {finding['count']}, {finding['treatment']}{places}"
            told.add(f"{part.name}: {what}.")
    lines += sorted(told)
    lines += signs_of_damage(begins.split("\n"), "lines of the training text")
    lines += _ends_twice(begins)
    for name, text in texts.items():
        if name == "train":
            continue
        same = parts[name].sha256 == train.sha256
        shared = 1.0 if same else shared_lines(texts["train"], text)
        if shared > MANY_SHARED:
            lines.append(
                f"{shared:.0%} of the lines of the {name} text are also in the training text: "
                "figures on it are too good."
            )
    return lines


def _ends_twice(text: str) -> list[str]:
    """What is said of marks for a line's end that stand before the line end itself."""
    marks = _MARKED_END.findall(text)
    if not marks or len(marks) < MANY_SHARED * text.count("\n"):
        return []
    return [
        f"{len(marks):,} lines of the training text end with {marks[0]}, though a line's end is a "
        "token anyway: the end comes twice, which makes the figures too good. Remove the marks "
        "from the text."
    ]


def shared_lines(train: TextCorpus, other: TextCorpus) -> float:
    """Share of the longer lines at a text's beginning that the training text has too, 0 to 1."""
    lines = {*_long_lines(next(other.chunks()))}
    found: set[str] = set()
    for chunk in itertools.islice(train.chunks(), _CHUNKS_COMPARED):
        found.update(lines.intersection(_long_lines(chunk)))
    return len(found) / max(len(lines), 1)


def _long_lines(text: str) -> Iterator[str]:
    return (line for line in text.split("\n") if len(line) >= _LONG_LINE)


def _unknown(parts: Mapping[str, TokenArray], tokenizer: Tokenizer) -> str:
    if tokenizer.unknown_id is None:
        return ""
    shares = ", ".join(
        f"{100 * part.unknown / max(part.length, 1):.2g} % in {name}"
        for name, part in parts.items()
    )
    examples = next((p.unknown_examples for p in parts.values() if p.unknown_examples), ())
    such = f", such as {', '.join(map(repr, examples))}" if examples else ""
    never = ""
    if not parts["train"].unknown and any(part.unknown for part in parts.values()):
        never = (
            " The token for unknown text never occurs in training, so the model learns nothing "
            "about it."
        )
    much = ""
    if any(part.unknown > MUCH_UNKNOWN * part.length for part in parts.values()):
        much = " That is a large share: --tokenizer subwords knows every text."
    return f" Unknown: {shares}{such}.{never}{much}"
