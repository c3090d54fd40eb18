"""Subwords of sentencepiece (Kudo and Richardson, "SentencePiece", 2018), trained on our text."""

from __future__ import annotations

import hashlib
import io
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers.text_sample import sample_text
from pipelines.tokenizers.tokenizer import (
    FILE_NAME,
    REPLACEMENT,
    Ids,
    Tokenizer,
    printable,
    utf8,
)
from pipelines.tokenizers.vocabulary import MOST_TOKENS

if TYPE_CHECKING:
    import sentencepiece

MODEL_FILE = "tokenizer.model"
LARGEST_MODEL = 64 * 2**20
DEFAULT_SIZE = 8000
SAMPLE_BYTES = 8 * 2**20
LONGEST_SENTENCE = 4000
"""Lines are cut to this number of bytes, since the trainer leaves out longer sentences."""

_DRAWING = threading.Lock()

SPACE = "\u2581"
"""The character that sentencepiece writes for a space; in a text it is read as a space."""


class SubwordTokenizer(Tokenizer):
    """Pieces of words by a sentencepiece model; every text is known, if need be by its bytes.

    A model that was trained elsewhere may have no bytes: what it cannot write is then unknown, and
    `decode` gives U+FFFD for it. In a model that was trained here a line break is always a separate
    token. Text is not normalised unless the model was trained to do so; without normalisation
    `decode(encode(text)) == text` (for a text without U+2581).

    Args:
        model: content of the model's file.
    """

    kind = "subwords"

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor = _load(model)
        size = self._processor.get_piece_size()
        self._is_byte = np.array([self._processor.is_byte(number) for number in range(size)], bool)
        self.unknown_id = None if self._is_byte.any() else int(self._processor.unk_id())
        self.token_bytes = tuple(self._bytes_of(number) for number in range(size))
        self.tokens = tuple(self._printable(number) for number in range(size))
        self._has_capitals = any(
            token != token.lower()
            for token, is_byte in zip(self.tokens, self._is_byte, strict=True)
            if not is_byte
        )
        line_end = self._processor.piece_to_id("\n")
        self.line_end_id = None if line_end == self._processor.unk_id() else line_end
        self.begins_with_space = self._processor.encode("a") == self._processor.encode(" a")

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocabulary_size: int = 0,
        seed: int = 0,
        model_type: str = "unigram",
        symbols: Sequence[str] = (),
        control_symbols: Sequence[str] = (),
        normalization: str = "identity",
        sample_bytes: int = SAMPLE_BYTES,
        begin_with_space: bool = False,
        split_digits: bool = False,
    ) -> SubwordTokenizer:
        """Trains a sentencepiece model; the same text and settings give the same model.

        Args:
            texts: consecutive pieces of the text.
            vocabulary_size: largest number of ids, 256 of them for bytes; 0 for 8,000. A short
                text may give fewer.
            seed: seed of the sample that is drawn if the text is longer than `sample_bytes`.
            model_type: algorithm of sentencepiece, "unigram" or "bpe".
            symbols: texts that are always a single token; the line break always is.
            control_symbols: tokens that never come from text, such as "<s>"; they are set by id.
            normalization: "identity", or a rule of sentencepiece: "nfkc", "nmt_nfkc", "nfkc_cf",
                "nmt_nfkc_cf". All rules but "identity" lose what they normalise.
            sample_bytes: largest amount of text to train on, in bytes; it is held in memory.
            begin_with_space: True for a model of sentences that puts a space before every text, so
                that its first word has the same pieces as elsewhere. Spaces at both ends, and all
                but one between words, are lost; `decode` removes the space.
            split_digits: True to make every digit a token, so that no number is unknown or rare.

        Raises:
            ConfigurationError: a setting is impossible.
            DataError: the text is empty, or too short for the vocabulary.
        """
        size = vocabulary_size or DEFAULT_SIZE
        specials = ("\n", *symbols, *control_symbols)
        least = 1 + 256 + len(specials) + 1
        if size < least:
            raise ConfigurationError(
                f"vocabulary_size = {size} is too small for subwords: bytes and symbols take "
                f"{least - 1}"
            )
        if model_type not in ("unigram", "bpe"):
            raise ConfigurationError(f"model_type = {model_type!r}: choose unigram or bpe")
        sentences = _sentences(sample_text(texts, sample_bytes, seed))
        if not sentences:
            raise DataError("the text is empty: there is nothing to make a vocabulary of")
        model = io.BytesIO()
        try:
            _trainer().Train(
                sentence_iterator=iter(sentences),
                model_writer=model,
                model_type=model_type,
                vocab_size=size,
                hard_vocab_limit=False,
                normalization_rule_name=normalization,
                # Decoding must give the same text back: no space is added or removed.
                add_dummy_prefix=begin_with_space,
                remove_extra_whitespaces=begin_with_space or normalization != "identity",
                split_digits=split_digits,
                byte_fallback=True,
                character_coverage=0.9999,
                max_sentence_length=2 * LONGEST_SENTENCE,
                user_defined_symbols=["\n", *symbols],
                control_symbols=list(control_symbols),
                unk_id=0,
                bos_id=-1,
                eos_id=-1,
                # Several threads sum counts in a varying order, which changes the model.
                num_threads=1,
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"sentencepiece cannot make {size} subwords of this text: {error}",
                advice="Give a smaller vocabulary_size or more text.",
            ) from None
        return cls(model.getvalue())

    def encode(self, text: str) -> Ids:
        """See `Tokenizer.encode`."""
        utf8(text)
        return np.array(self._processor.encode(text), np.int32)

    def normalised(self, text: str) -> str:
        """See `Tokenizer.normalised`."""
        return self.decode(self.encode(text))

    def encode_known(self, text: str, name: str = "text") -> Ids:
        """As `encode`, but refuses a text whose characters are known only in another spelling.

        Raises:
            DataError: more characters are known in another spelling, which the message names; see
                `known_spelling`.
        """
        spelling = self.known_spelling(text)
        if spelling:
            raise DataError(
                f"holds characters that the vocabulary of {self.size} subwords has in {spelling} "
                "only",
                file=name,
                advice=f"Write it in {spelling}.",
            )
        return super().encode_known(text, name)

    def known_spelling(self, text: str) -> str:
        """See `Tokenizer.known_spelling`."""
        if not self._has_bytes(text):
            return ""
        unknown = [one for one in dict.fromkeys(_letters(text)) if self._has_bytes(one)]
        for spelling, respelled in (
            ("Unicode's normalisation form NFC", partial(unicodedata.normalize, "NFC")),
            ("Unicode's normalisation form NFD", partial(unicodedata.normalize, "NFD")),
            ("small letters", str if self._has_capitals else str.lower),
        ):
            # Letter by letter: another spelling may have fewer bytes and be as unknown.
            if any(not self._has_bytes(respelled(one)) for one in unknown):
                return spelling
        return ""

    def _has_bytes(self, text: str) -> bool:
        """Whether a character of the text is unknown, and spelt byte by byte."""
        return bool(self._is_byte[self.encode(text)].any())

    def sample(self, texts: Sequence[str], *, seed: int, strength: float) -> list[Ids]:
        """Encodings that vary with `seed`, to train on (Kudo 2018; Provilkov et al. 2020).

        Args:
            texts: texts to encode.
            seed: seed of the draws, at least 0; the same seed gives the same encodings.
            strength: share of merges that are left out, for a model trained as "bpe"; exponent of
                the encodings' probabilities, for "unigram", where smaller values vary more.
        """
        encodings: list[Ids] = []

        def draw() -> None:
            encoded = self._processor.encode(
                list(texts), enable_sampling=True, alpha=strength, nbest_size=-1, num_threads=1
            )
            encodings.extend(np.array(ids, np.int32) for ids in encoded)

        # sentencepiece seeds its generator when a thread first draws, and never again, so a new
        # thread is needed for each seed.
        with _DRAWING:
            _package().set_random_generator_seed(seed % 2**31)
            thread = threading.Thread(target=draw)
            thread.start()
            thread.join()
        if len(encodings) != len(texts):
            raise DataError("sentencepiece could not sample encodings of these texts")
        return encodings

    def decode(self, ids: Iterable[int] | npt.NDArray[np.integer[Any]]) -> str:
        """See `Tokenizer.decode`."""
        text = super().decode(ids)
        return text[1:] if self.begins_with_space and text.startswith(" ") else text

    def unknown_places(self, text: str, most: int = 5) -> list[tuple[int, str]]:
        """See `Tokenizer.unknown_places`; none in a model that has every byte."""
        if self.unknown_id is None:
            return []
        places: list[tuple[int, str]] = []
        after = 0
        pieces = self._processor.encode(text, out_type=str)
        for number, piece in zip(self._processor.encode(text), pieces, strict=True):
            if number == self.unknown_id and len(places) < most:
                surface = piece.replace(SPACE, " ").strip(" ") or piece
                # What the model normalises may be spelled otherwise in the text.
                after = max(after, text.find(surface, after))
                places.append((after, surface))
                after += len(surface)
        return places

    @classmethod
    def from_model_file(cls, file: Path) -> SubwordTokenizer:
        """A model that was trained elsewhere.

        Raises:
            DataError: the file is too large, is not a sentencepiece model, or has too many pieces
                or none for unknown text.
        """
        if file.stat().st_size > LARGEST_MODEL:
            raise DataError(f"is larger than {LARGEST_MODEL} bytes", file=file)
        model = file.read_bytes()
        try:
            processor = _load(model)
        except DataError as error:
            raise DataError(str(error), file=file, advice="Name a sentencepiece model.") from None
        if not 1 < processor.get_piece_size() <= MOST_TOKENS:
            raise DataError(
                f"has {processor.get_piece_size():,} pieces: there must be 2 to {MOST_TOKENS:,}",
                file=file,
            )
        return cls(model)

    @classmethod
    def from_json(cls, content: Mapping[str, Any], folder: Path) -> SubwordTokenizer:
        """The inverse of `save`."""
        file = folder / MODEL_FILE
        if not file.is_file():
            raise DataError("the model of the tokenizer does not exist", file=file)
        if file.stat().st_size > LARGEST_MODEL:
            raise DataError(f"is larger than {LARGEST_MODEL} bytes", file=file)
        model = file.read_bytes()
        if hashlib.sha256(model).hexdigest() != content.get("sha256"):
            raise DataError(f"does not belong to the file {FILE_NAME} next to it", file=file)
        return cls(model)

    def _content(self) -> dict[str, Any]:
        return {"sha256": hashlib.sha256(self.model).hexdigest()}

    def _further_files(self) -> dict[str, bytes]:
        return {MODEL_FILE: self.model}

    def _bytes_of(self, number: int) -> bytes:
        processor = self._processor
        piece: str = processor.id_to_piece(number)
        if processor.is_byte(number):
            return bytes([int(piece[1:-1], 16)])
        if number == self.unknown_id:
            return utf8(REPLACEMENT)
        if processor.is_control(number) or processor.is_unknown(number):
            return b""
        return utf8(piece.replace(SPACE, " "))

    def _printable(self, number: int) -> str:
        piece: str = self._processor.id_to_piece(number)
        if self._processor.is_byte(number):
            return f"\\x{int(piece[1:-1], 16):02x}"
        return printable(piece.replace(SPACE, " "))


def _trainer() -> Any:
    return _package().SentencePieceTrainer


def _load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    processor = _package().SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise DataError(f"this is not a sentencepiece model: {error}") from None
    return processor


def _package() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise UserError(
            "subwords need the package sentencepiece: pip install sentencepiece"
        ) from None
    return sentencepiece


def _letters(text: str) -> Iterator[str]:
    """Yields what a reader sees as one letter: a character and the marks that follow it, or the
    parts of a Korean syllable."""
    letter = ""
    for character in text:
        goes_on = unicodedata.combining(character) or "\u1160" <= character <= "\u11ff"
        if letter and not goes_on:
            yield letter
            letter = ""
        letter += character
    if letter:
        yield letter


def _sentences(texts: Sequence[str]) -> list[str]:
    """The lines of all texts; long lines are cut before a space."""
    sentences = []
    for text in texts:
        for line in text.split("\n"):
            rest = line
            while len(rest) > LONGEST_SENTENCE // 4 and len(utf8(rest)) > LONGEST_SENTENCE:
                cut = rest.rfind(" ", 1, LONGEST_SENTENCE // 4)
                cut = cut if cut > 0 else LONGEST_SENTENCE // 4
                sentences.append(rest[:cut])
                rest = rest[cut:]
            if rest:
                sentences.append(rest)
    return sentences
