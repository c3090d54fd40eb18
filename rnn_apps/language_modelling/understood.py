"""What training understood of the text, in lines that a person reads before it begins."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.text_encoding import TokenArray
from pipelines.tokenizers import Tokenizer

_READING = ("files", "Windows line ends", "documents")
_SHOWN = 60


def understood(parts: Mapping[str, TokenArray], tokenizer: Tokenizer, begins: str) -> list[str]:
    """Two or three sentences about the text, and one for whatever is odd about it.

    Args:
        parts: the parts by name, "train" first.
        tokenizer: the vocabulary.
        begins: the beginning of the training text.
    """
    train = parts["train"]
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
    for name, part in parts.items():
        if name != "train" and part.sha256 == train.sha256:
            lines.append(f"The {name} text is the training text: figures on it flatter.")
    return lines


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
        never = " What is unknown never comes in training, so the model learns nothing of it."
    return f" Unknown: {shares}{such}.{never}"
