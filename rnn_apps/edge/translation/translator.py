"""Translation on the device: one runtime, numpy and the tokenizer, with the exported folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.tokenizers import load_tokenizer
from pipelines.tokenizers.sentence_ids import END, PADDING, SPECIALS, START
from rnn_apps.edge.contract import CONTRACT, read_contract, require_described
from rnn_apps.edge.runtime.model import load
from rnn_apps.edge.sampling import SamplingConfig, TokenSampler
from rnn_apps.edge.search import BeamConfig, Hypothesis, beam_search, greedy_search
from rnn_apps.edge.sequence_to_sequence import EdgeDecoder, States
from rnn_apps.edge.translation.options import SearchOptions
from rnn_apps.edge.translation.sentences import EMPTY, Translation, TranslationReader, encode_source

SOURCE_TOKENIZER = "source_tokenizer"
TARGET_TOKENIZER = "target_tokenizer"
MODEL = "model.tflite"


class EdgeTranslator:
    """An exported translation model with its vocabularies.

    Args:
        folder: folder that exporting a translation model wrote, with `contract.json`, the
            tokenizers and .tflite files.
        file: name of the .tflite file, or of the folder of C code, in the folder.
        glossary: translations of source words, for tokens that stand for unknown words.
        threads: number of threads on LiteRT.
        target: runtime that runs the file: "litert", or "c" for a folder of C code.

    Raises:
        UserError: a file is missing, damaged, or of another export than the contract.
        DataError: a vocabulary cannot be read, or is another model's.
    """

    def __init__(
        self,
        folder: str | Path,
        file: str = MODEL,
        glossary: Mapping[str, str] | None = None,
        threads: int = 1,
        target: str = "litert",
    ) -> None:
        folder = Path(folder)
        contract = read_contract(folder, "a translation model", ("source_vocabulary_sha256",))
        self.source_tokenizer = load_tokenizer(folder / SOURCE_TOKENIZER)
        joint = bool(contract.get("joint_vocabulary"))
        self.target_tokenizer = (
            self.source_tokenizer if joint else load_tokenizer(folder / TARGET_TOKENIZER)
        )
        for side, tokenizer in (
            ("source", self.source_tokenizer),
            ("target", self.target_tokenizer),
        ):
            expected = contract.get(f"{side}_vocabulary_sha256")
            tokenizer.require_same(str(expected), str(folder / CONTRACT))
        encoder = contract.get("encoders", {}).get(file)
        for needed in (file, *([encoder] if encoder is not None else [])):
            require_described(folder, contract, needed)
        self._decoder = EdgeDecoder(
            load(folder / file, target, threads=threads),
            encoder=None if encoder is None else load(folder / encoder, threads=threads),
        )
        self._options = SearchOptions(**contract.get("search", {}))
        self._reader = TranslationReader(self.source_tokenizer, self.target_tokenizer, glossary)

    def translate(
        self, sentences: str | Sequence[str], options: SearchOptions | None = None
    ) -> list[list[Translation]]:
        """The best translations of each sentence, best first.

        Args:
            options: options of the search; by default those that the model was judged with.

        Raises:
            DataError: a sentence is too long, or holds half a character.
        """
        options = options or self._options
        given = [sentences] if isinstance(sentences, str) else list(sentences)
        encoded = [
            encode_source(self.source_tokenizer, sentence, row, options)
            for row, sentence in enumerate(given, 1)
        ]
        return [
            [self._read(sentence, one, options) for one in self.search(ids, options)]
            if len(ids)
            else [EMPTY]
            for sentence, ids in zip(given, encoded, strict=True)
        ]

    def search(
        self, source: NDArray[np.int32], options: SearchOptions | None = None
    ) -> list[Hypothesis]:
        """As `translate`, from a sentence's ids with their end to ids without one."""
        options = options or self._options
        start = self._decoder.start({"source": np.asarray(source, np.int32)[None]})
        config = beam_config(len(source) - 1, self.target_tokenizer.unknown_id, options)
        if options.samples:
            draws = range(options.n_best)
            drawn = [self._draw(start, config, options, number) for number in draws]
            return sorted(drawn, key=lambda one: -one.score)
        if options.beam_width == 1:
            return [greedy_search(self._decoder.step, start, config)]
        return beam_search(self._decoder.step, start, config, options.n_best)

    def _draw(
        self, start: States, config: BeamConfig, options: SearchOptions, number: int
    ) -> Hypothesis:
        """One translation, drawn token by token."""
        sampling = SamplingConfig(
            options.temperature,
            options.top_k,
            options.top_p,
            seed=options.seed,
            min_p=options.min_p,
            typical_p=options.typical_p,
        )
        sampler = TokenSampler(sampling, number)
        return greedy_search(self._decoder.step, start, config, lambda row: sampler.draw(row, ()))

    def _read(self, sentence: str, found: Hypothesis, options: SearchOptions) -> Translation:
        ids = np.array(found.tokens, np.int32)
        if found.alignment is None:
            # Without attention nobody knows what an unknown token was written for.
            options = dataclasses.replace(options, replace_unknown=False)
        looked = [0] * len(ids) if found.alignment is None else found.alignment.argmax(axis=1)
        return self._reader.read(
            sentence, ids, found.score, found.log_probability, list(looked), options
        )


def beam_config(length: int, unknown: int | None, options: SearchOptions) -> BeamConfig:
    """The search of one sentence.

    Args:
        length: number of tokens of the source, its end not counted.
        unknown: the target vocabulary's id of the unknown token; None if it has none.
        options: options of the search, limits per source token among them.
    """
    banned = [PADDING, START]
    if unknown is not None and not options.allow_unknown:
        banned.append(unknown + SPECIALS)
    return BeamConfig(
        start_token=START,
        end_token=END,
        beam=options.beam_width,
        max_steps=_limit(length, options.longest) + options.longest_extra,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
        min_steps=_limit(length, options.shortest),
        no_repeat=options.no_repeat,
        repetition_penalty=options.repetition_penalty,
        banned=tuple(banned),
        cut=True,
    )


def _limit(length: int, factor: float) -> int:
    """Number of tokens, by the float32 arithmetic of the search in the SavedModel."""
    return int(np.float32(length) * np.float32(factor))
