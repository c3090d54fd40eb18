"""A run as files for servers and devices: sentences in, translations out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError
from pipelines.tokenizers.sentence_ids import END, START, comparable_text, padded, sentence_ids
from rnn_apps.application.going_on import read_origin
from rnn_apps.edge.translation.options import SearchOptions
from rnn_apps.edge.translation.sentences import one_line
from rnn_apps.edge.translation.translator import SOURCE_TOKENIZER, TARGET_TOKENIZER
from rnn_apps.export.delivery import (
    Delivery,
    DeviceFile,
    deliver,
    kibibytes,
    saved_and_loaded,
)
from rnn_apps.export.results import ExportError
from rnn_apps.translation.device.contract import DEVICE_FILES, contract
from rnn_apps.translation.device.device_models import TOKENS, decoding_examples, device_models
from rnn_apps.translation.device.serving import ServedTranslator
from rnn_apps.translation.device.trial import Found, try_translator
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics
from rnn_apps.translation.judging.example_pairs import examples_of
from rnn_apps.translation.trained import TrainedTranslationModel
from rnn_apps.translation.translating import Translator

if TYPE_CHECKING:
    from rnn_apps.export.device_files import WrittenFile

DECODING_STEPS = 100
GREEDY, BEAM = "greedy", "beam"
# A quantised state that is fed back drifts from Keras' without harm to the translation: such a
# file is held to its task, BLEU, and only to a coarse bound on every number.
QUANTIZED_TOLERANCE = 0.3
MOST_BLEU_LOST = 3.0
# Rounding may decide between two tokens whose logits are no further apart than this.
TIE = 1e-3


def export(
    run: TrainedTranslationModel,
    to: str | Path,
    formats: Sequence[str] | None = None,
    longest_source: int = 0,
) -> dict[str, Any]:
    """Writes files that translate, each compared with the Keras model before it is there.

    Args:
        run: trained translation model with its folder.
        to: folder for the files.
        formats: names of formats, out of `FORMATS`; None for all but C code.
        longest_source: largest number of tokens in a source sentence for C code, whose memory grows
            with it; 0 for the run's `longest`.

    Returns:
        "table": for every file its size, its BLEU compared with Keras', and how fast it is.

    Raises:
        ExportError: no file computes what Keras computes; none is left behind.
        ConfigurationError: there is no such format.
    """
    return deliver(
        TranslationDelivery(run, longest_source), to, formats,
        origin=read_origin(run.folder), model=run.folder.model,
    )  # fmt: skip


class TranslationDelivery(Delivery):
    """The files of a translation model, judged by BLEU and by greedy translations.

    Args:
        run: trained translation model.
        longest_source: largest number of tokens in a source sentence for C code; 0 for the run's
            `longest`.

    Raises:
        ConfigurationError: `longest_source` is negative.
    """

    files = DEVICE_FILES

    def __init__(self, run: TrainedTranslationModel, longest_source: int = 0) -> None:
        if longest_source < 0:
            raise ConfigurationError(f"longest_source = {longest_source} must be at least 0")
        self.run = run
        self.longest_source = longest_source or run.config.longest
        self.beam = dataclasses.replace(run.search_options, n_best=1)
        self.greedy = dataclasses.replace(self.beam, beam_width=1)
        self.header = (
            "file", "KiB", "BLEU", f"BLEU, beam {self.beam.beam_width}",
            "largest difference from Keras", "same greedy translations",
            "sentences per second, greedy", "with the beam",
        )  # fmt: skip
        self._metrics = CorpusMetrics(run.config.bleu_tokenizer)
        self._translator = Translator([run.model], run.source_tokenizer, run.target_tokenizer)
        self._device: dict[int | None, tuple[keras.Model, keras.Model, list[Any]]] = {}

    def choose(self, asked: str | Sequence[str] | None) -> Sequence[str]:
        """See `Delivery`."""
        if asked is not None and "tflm" in asked:
            raise ExportError(
                "formats = tflm: TFLite Micro runs one graph of a file, with fixed shapes, and a "
                "translation model is two, over sentences of any length. Choose c or c_int8, "
                "which read sentences up to a length, or tflite_int8"
            )
        chosen = super().choose(asked)
        if "tflite_int8" in chosen:
            # Its encoder is in the other file, which is written first.
            return tuple(name for name in FORMATS if name in (*chosen, "tflite_dynamic"))
        return chosen

    def prepare(self, formats: Sequence[str]) -> None:
        """See `Delivery`."""
        self.pairs = examples_of(self.run)
        self._sources = [source for source, _ in self.pairs]
        self.keras_bleu = self.bleu(self._keras_texts(self.greedy))
        self.title = (
            f"Proven on {len(self.pairs)} sentences; BLEU by greedy search, Keras "
            f"{self.keras_bleu:.2f}"
        )

    def contract(self, formats: Sequence[str]) -> dict[str, Any]:
        """See `Delivery`."""
        return contract(self.run, formats, self.beam, self.longest_source)

    def save_companions(self, folder: Path) -> None:
        """Writes the vocabularies."""
        self.run.source_tokenizer.save(folder / SOURCE_TOKENIZER)
        if self.run.target_tokenizer is not self.run.source_tokenizer:
            self.run.target_tokenizer.save(folder / TARGET_TOKENIZER)

    def bleu(self, texts: Sequence[str]) -> float:
        """BLEU of translations of the example sentences."""
        target = self.run.target_tokenizer
        references = [comparable_text(target, reference) for _, reference in self.pairs]
        return self._metrics.figures(texts, references).bleu

    def _keras_texts(self, options: SearchOptions) -> list[str]:
        return [best.text for [best, *_] in self._translator.translate(self._sources, options)]

    def device_file(self, wanted: DeviceFile, folder: Path) -> list[Any]:
        """See `Delivery`."""
        self._refuse_long_sentences(wanted)
        written = self._converted(wanted, folder / wanted.file)
        searches = {GREEDY: self.greedy, BEAM: self.beam}
        tried = try_translator(folder, wanted.file, self._sources, searches, wanted.target)
        bleu, beam_bleu = (self.bleu(tried[name].texts) for name in (GREEDY, BEAM))
        written.add_task_metric(
            "BLEU", self.keras_bleu, bleu,
            f"{len(self.pairs)} of the judged sentences, greedy search",
        )  # fmt: skip
        same = self._as_keras(tried[GREEDY])
        self._judge(wanted, bleu, same)
        return [
            wanted.file, written.kibibytes, bleu, beam_bleu, written.error, same,
            tried[GREEDY].sentences_a_second, tried[BEAM].sentences_a_second,
        ]  # fmt: skip

    def _refuse_long_sentences(self, wanted: DeviceFile) -> None:
        """Refuses judged sentences that are longer than C code takes."""
        longest = max(map(len, self._source_ids())) - 1
        if wanted.target == "c" and longest > self.longest_source:
            raise ConfigurationError(
                f"longest_source = {self.longest_source}: the judged sentences have up to "
                f"{longest} tokens; choose at least that"
            )

    def _judge(self, wanted: DeviceFile, bleu: float, same: bool) -> None:
        if wanted.quantize is None and not same:
            raise ExportError(
                f"{wanted.file}: greedy translations from the device's runtime are not Keras'"
            )
        if not bleu >= self.keras_bleu - MOST_BLEU_LOST:
            raise ExportError(
                f"{wanted.file}: quantised, the model has {bleu:.2f} BLEU instead of "
                f"{self.keras_bleu:.2f}. Choose another format"
            )

    def _converted(self, wanted: DeviceFile, path: Path) -> WrittenFile:
        from rnn_apps.export.device_files import write_functions
        from rnn_apps.export.options import SignatureRequest

        positions = self.longest_source + 1 if wanted.target == "c" else None
        encoder, decoder, steps = self._models(positions)
        sources: list[Any] = [{TOKENS: ids[None]} for ids in self._padded_ids(positions)]
        # C code has one hypothesis per call.
        rows = None if positions is None else 1
        requests = {
            "decode_step": SignatureRequest(decoder, representative_data=steps, batch_size=rows)
        }
        if not wanted.needs:
            requests = {
                "encode": SignatureRequest(encoder, batch_size=1, representative_data=sources),
                **requests,
            }
        return write_functions(
            requests,
            path,
            wanted,
            name="translator",
            tolerance=None if wanted.quantize is None else QUANTIZED_TOLERANCE,
        )

    def _models(self, positions: int | None) -> tuple[keras.Model, keras.Model, list[Any]]:
        if positions not in self._device:
            encoder, decoder = device_models(self.run.model, positions)
            ids = self._padded_ids(positions)
            steps = decoding_examples(encoder, decoder, ids, DECODING_STEPS)
            self._device[positions] = encoder, decoder, steps
        return self._device[positions]

    def _padded_ids(self, positions: int | None) -> list[NDArray[np.int32]]:
        """The judged sentences' ids, padded to this many positions; as they are for None."""
        ids = self._source_ids()
        if positions is None:
            return ids
        return [np.pad(one, (0, positions - len(one))) for one in ids]

    def _source_ids(self) -> list[NDArray[np.int32]]:
        tokenizer = self.run.source_tokenizer
        return [sentence_ids(tokenizer, one_line(source)) for source in self._sources]

    def _as_keras(self, found: Found) -> bool:
        """Whether a device wrote greedily what Keras writes, apart from ties that rounding decides.

        Keras reads what the device wrote: each token must be the most probable there too.
        """
        targets = [
            np.array([*ids, END] if complete else ids, np.int32)
            for ids, complete in zip(found.ids, found.complete, strict=True)
        ]
        sources = self._source_ids()
        for start in range(0, len(sources), 8):
            part = slice(start, start + 8)
            source, target = padded(sources[part]), padded(targets[part])
            before = np.concatenate([np.full((len(target), 1), START), target[:, :-1]], axis=1)
            inputs = {"source": tf.constant(source), "target": tf.constant(before, tf.int32)}
            logits = np.array(self.run.model(inputs))
            # Padding and start are never written.
            logits[..., :END] = -np.inf
            taken = np.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
            behind = logits.max(axis=-1) - taken
            if np.any(behind[target != 0] > TIE):
                return False
        return True

    def saved_model(self, path: Path) -> list[Any]:
        """See `Delivery`."""
        run = self.run
        served = ServedTranslator(run.model, run.source_tokenizer, run.target_tokenizer, self.beam)
        with saved_and_loaded(served, path) as loaded:
            difference = self._proven_scores(loaded)
            texts = {
                name: _served_texts(loaded, name, self._sources)
                for name in ("translate_greedily", "translate")
            }
            # A served model leaves the token for unknown words as it is.
            plain = dataclasses.replace(self.greedy, replace_unknown=False)
            same = texts["translate_greedily"] == self._keras_texts(plain)
            bleu, beam_bleu = (self.bleu(written) for written in texts.values())
            if not same and bleu < self.keras_bleu - 0.5:
                raise ExportError(
                    f"the SavedModel has {bleu:.2f} BLEU instead of {self.keras_bleu:.2f}"
                )
        return [path.name, kibibytes(path), bleu, beam_bleu, difference, same, None, None]

    def _proven_scores(self, loaded: Any) -> float:
        """The largest difference from Keras of a pair's log probability.

        Raises:
            ExportError: the scores are not those of Keras.
        """
        run, pairs = self.run, self.pairs[:20]
        expected = run.score(pairs)
        found = loaded.signatures["score"](
            source=tf.constant([one[0] for one in pairs]),
            target=tf.constant([one[1] for one in pairs]),
        )["log_probability"].numpy()
        wanted = np.array([one.log_probability for one in expected])
        difference = float(np.max(np.abs(found - wanted)))
        if not difference <= 1e-4 * max(10.0, float(np.abs(wanted).max())):
            raise ExportError(f"the SavedModel's scores are up to {difference:g} nats from Keras'")
        return difference


FORMATS = TranslationDelivery.formats()


def _served_texts(loaded: Any, signature: str, sentences: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(sentences), 32):
        given = tf.constant(list(sentences[start : start + 32]))
        texts = loaded.signatures[signature](source=given)["text"].numpy()
        found += [row[0].decode("utf-8", errors="replace") for row in texts]
    return found
