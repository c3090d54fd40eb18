"""A vocabulary that is named instead of learnt: another run's, or one that was made elsewhere."""

from __future__ import annotations

from pathlib import Path

from pipelines.base.errors import ConfigurationError, UserError
from pipelines.tokenizers import Tokenizer, load_tokenizer
from pipelines.tokenizers.tokenizer import FILE_NAME
from pipelines.tokenizers.vocabulary_files import read_vocabulary
from rnn_apps.application.going_on import origin_folder
from rnn_apps.application.run_folder import open_run
from rnn_apps.application.run_parts import read_mark

TOKENIZER_FOLDERS = ("tokenizer", "source_tokenizer", "target_tokenizer")
"""The folders in which runs of the applications keep their vocabularies."""


def named_vocabularies(address: str, kind: str) -> list[Tokenizer]:
    """The vocabularies that an address names.

    Args:
        address: folder of a run of any application, name of a saved model, folder of a tokenizer,
            or a file; see `pipelines.tokenizers.vocabulary_files.read_vocabulary`.
        kind: kind of the tokens, which the vocabulary must have.

    Returns:
        One tokenizer, or source and target of a translation model with two.

    Raises:
        ConfigurationError: the vocabulary has another kind of tokens.
        UserError: there is nothing of the kind, or it is damaged.
    """
    path = origin_folder(address)
    if not path.is_dir():
        return [read_vocabulary(path, kind)]
    found = [load_tokenizer(folder) for folder in _folders(path)]
    for tokenizer in found:
        if tokenizer.kind != kind:
            raise ConfigurationError(
                f"vocabulary = {address!r} has {tokenizer.kind}, and tokenizer = {kind!r}. Set "
                f"tokenizer to {tokenizer.kind}"
            )
    return found


def require_nothing_learnt(
    vocabulary: tuple[str, ...], vocabulary_size: int, minimum_count: int
) -> None:
    """Refuses settings of learning a vocabulary where one is named.

    Raises:
        ConfigurationError: names the setting.
    """
    for name, value in (("vocabulary_size", vocabulary_size), ("minimum_count", minimum_count)):
        if vocabulary and value:
            raise ConfigurationError(
                f"{name} = {value} is for a vocabulary that is learnt, and vocabulary = "
                f"{','.join(vocabulary)!r} names one: leave one of them out"
            )


def require_new_vocabulary(vocabulary: tuple[str, ...], from_run: str, new: bool) -> None:
    """Refuses two vocabularies: a named one and that of the run that a training goes on from.

    Raises:
        ConfigurationError: says which setting resolves it.
    """
    if vocabulary and from_run and not new:
        raise ConfigurationError(
            f"vocabulary = {','.join(vocabulary)!r}, but a run that goes on from {from_run} keeps "
            "its vocabulary. Add new_vocabulary: tokens that both know then keep their weights"
        )


def _folders(path: Path) -> list[Path]:
    """The folders with the vocabularies of a run, or the folder itself if it holds one."""
    if (path / FILE_NAME).is_file():
        return [path]
    mark = read_mark(path)
    if mark is not None:
        open_run(path, mark.application)
    inside = [path / name for name in TOKENIZER_FOLDERS if (path / name / FILE_NAME).is_file()]
    if not inside:
        raise UserError(
            f"{path} holds no vocabulary. Name the folder of a run with text, a sentencepiece "
            "model, or a file with one token per line"
        )
    return inside
